"""What all verbs have in common: help, version, usage errors, closed and unwritable outputs."""

import argparse
from importlib import import_module
from pathlib import Path

import pytest

import cronjob as package
from cronjob.cli import _parser, main, verbs
from cronjob.host.journal import SOCKET
from tests.cli.command import cronjob, shell

VERBS = (
    *("daemon", "status", "run", "kill", "history", "show", "logs"),
    *("list", "next", "explain", "simulate", "check"),
)


def _table(folder: Path, text: str | bytes) -> str:
    path = folder / "table.tab"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"cronjob {package.__version__}\n"


def test_the_verbs_tested_here_are_all_there_are() -> None:
    actions = _parser()._actions
    (known,) = (action for action in actions if isinstance(action, argparse._SubParsersAction))
    assert tuple(known.choices) == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_done_by_a_function_that_there_is(verb: str) -> None:
    module, function = verbs.VERBS[verb].home.split(".")
    assert callable(getattr(import_module(f"cronjob.cli.{module}"), function))


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: cronjob {verb} ")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["no-such-verb"],
        ["next"],
        ["explain"],
        ["simulate"],
        ["run"],
        ["run", "a", "b"],
        ["kill"],
        ["status", "a"],
        ["history", "a", "b"],
        ["history", "--limit", "1001"],
        ["show"],
        ["logs", "--state", "a", "--runtime", "b", "c"],
        ["check", "--no-such-option"],
        ["list", "--no-such-option"],
        ["daemon", "--log", "mail"],
        ["daemon", "--slots", "0"],
        ["daemon", "--slots", "65537"],
        ["daemon", "--slots", "000000001999999"],
        ["daemon", "--slots", "many"],
    ],
)
def test_a_wrong_command_line_is_exit_status_2_and_shows_the_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        _parser().parse_args(arguments)  # not main: a daemon that starts would run
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("usage: cronjob")


@pytest.mark.parametrize("verb", ["next", "explain"])
def test_a_schedule_without_quotes_is_answered_with_a_word_on_quotes(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "30", "2", "*", "*", "*"])
    assert ended.value.code == 2
    words = "unrecognized arguments: 2 * * *; a schedule is one argument in quotes, like '30 2 * *"
    assert words in capsys.readouterr().err


def test_the_word_on_quotes_is_for_schedules_only(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["list", "backup"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith("error: unrecognized arguments: backup\n")


@pytest.mark.parametrize(
    "verb",
    [
        ("list", "--table"),
        ("list", "--json", "--table"),
        ("check",),
    ],
)
def test_a_reader_that_goes_away_is_no_error(verb: tuple[str, ...], tmp_path: Path) -> None:
    table = _table(tmp_path, "".join(f"* * * * 8 root {n}\n1 1 1 1 1 a {n}\n" for n in range(4000)))
    ended = shell('"$@" 2>&1 | head -n 1; echo "${PIPESTATUS[0]}"', *verb, table)
    assert len(ended.stdout.splitlines()) == 2
    assert ended.stdout.endswith(b"\n0\n")
    assert ended.stderr == b""


def test_a_reader_that_goes_away_is_no_error_of_next() -> None:
    ended = shell('"$@" | head -n 1; echo "${PIPESTATUS[0]}"', "next", "-n9000", "* * * * *")
    assert ended.stdout.endswith(b"\n0\n")
    assert ended.stderr == b""


@pytest.mark.parametrize("verb", [("list", "--table"), ("check",)])
def test_an_output_that_cannot_be_written_is_said_without_a_traceback(
    verb: tuple[str, ...], tmp_path: Path
) -> None:
    table = _table(tmp_path, "* * * * 8 root true\n")
    ended = shell('"$@" >/dev/full', *verb, table)
    assert ended.returncode == 1
    words = b"cronjob: cannot write the output: No space left on device\n"
    assert ended.stderr.endswith(words)
    assert b"Traceback" not in ended.stderr


@pytest.mark.parametrize("verb", [("list", "--table"), ("list", "--json", "--table"), ("check",)])
def test_a_closed_output_leaves_the_exit_status_alone(
    verb: tuple[str, ...], tmp_path: Path
) -> None:
    ended = shell('"$@" >&-', *verb, _table(tmp_path, "* * * * * root true\n"))
    assert ended.returncode == 0
    assert ended.stderr == b""


def test_what_belongs_on_a_closed_standard_error_does_not_go_to_the_output(tmp_path: Path) -> None:
    ended = shell('"$@" 2>&-', "list", "--json", "--table", _table(tmp_path, "61 * * * * a b\n"))
    assert ended.returncode == 1
    assert ended.stdout == b"[]\n"


def test_a_daemon_whose_log_nobody_keeps_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    state = ("--state", str(tmp_path / "file"))  # no directory, so that it ends at once
    ended = cronjob("daemon", "--log", "journal", *state)
    assert ended.returncode == 1
    assert (b"what is logged is lost" in ended.stderr) is not Path(SOCKET).exists()


def test_a_closed_standard_input_is_a_table_that_cannot_be_read() -> None:
    ended = shell('"$@" <&-', "check", "-")
    assert ended.returncode == 1
    assert ended.stderr == b"-: cannot read the table: standard input is closed\n"


#: A terminal would obey these: escape, carriage return, right-to-left override, C1 CSI.
CONTROLS = ("\x1b", "\r", "\u202e", "\x9b")


@pytest.mark.parametrize("verb", [("list", "--table"), ("check",)])
@pytest.mark.parametrize("mark", CONTROLS)
def test_control_characters_of_a_table_are_escaped_on_both_outputs(
    verb: tuple[str, ...], mark: str, tmp_path: Path
) -> None:
    lines = [
        f"* * * * * ro{mark}ot true",
        f"* * * * * root echo {mark}[31mred",
        f"* * * * {mark} root true",
        f"* * * * * na{mark}me=x root true",
        f"* * * * * tz={mark}x root true",
        f"CRON_TZ=Etc/{mark}",
        f"{mark} * * * * root true",
    ]
    ended = cronjob(*verb, _table(tmp_path, "\n".join(lines) + "\n"))
    for stream in (ended.stdout, ended.stderr):
        assert mark not in stream.decode()
    assert b"Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C.UTF-8"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii:strict"},
        {"PYTHONIOENCODING": "latin-1:strict"},
        {"PYTHONIOENCODING": "utf-8:strict"},
    ],
)
@pytest.mark.parametrize("verb", [("list", "--table"), ("list", "--json", "--table"), ("check",)])
def test_bytes_and_letters_that_the_locale_cannot_say_do_not_break_the_output(
    verb: tuple[str, ...], locale: dict[str, str], tmp_path: Path
) -> None:
    table = (
        b"* * * * * ro\xff\xfe"
        + "ot echo \u20ac \u65e5\u672c ".encode()
        + b"\xe9\n* * * * \xe9 root true\n"
        + f"* * * * {'x' * 80} root true\n".encode()  # cut with an ellipsis
        + "* * * * \u65e5 root true\n".encode()
    )
    ended = cronjob(*verb, _table(tmp_path, table), environment=locale)
    assert b"Traceback" not in ended.stderr
    assert ended.returncode == 1
    shown = ended.stdout + ended.stderr
    assert b'day of week "\\xe9" is not understood' in shown
    if verb == ("list", "--table"):
        assert rb"ro\xff\xfeot" in ended.stdout


def test_the_name_of_a_file_is_escaped_too(tmp_path: Path) -> None:
    name = bytes(tmp_path) + b"/no\x1b[31m\xff.tab"
    for verb in (("list", "--table"), ("check",)):
        ended = cronjob(*verb, name)
        assert ended.returncode == 1
        assert rb"/no\x1b[31m\xff.tab: cannot read the table" in ended.stderr
