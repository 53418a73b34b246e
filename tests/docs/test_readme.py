"""What README.md shows is what happens."""

import contextlib
import io
import re
import shlex
from pathlib import Path

from cronjob import parse_table
from cronjob.cli import _parser
from cronjob.host.identity import own_name
from tests.cli.command import COMMAND, cronjob, shell
from tests.docs.manpage import ROOT
from tests.system.daemon_process import DaemonProcess

README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [text for kind, text in found if kind == language]


TABLE, LOG = _blocks("")
PROGRAM = shlex.join(COMMAND)


def test_the_python_example_prints_what_its_comments_say() -> None:
    (code,) = _blocks("python")
    said = re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, "README.md", "exec"), {})
    assert output.getvalue().splitlines() == said
    assert len(said) == 2


def test_the_table_is_without_a_problem() -> None:
    table = parse_table(TABLE, source="README.md")
    assert not table.problems
    assert len(table.entries) == 3


def test_the_fields_named_anywhere_are_good() -> None:
    for name, text in re.findall(r"`([a-z-]+)=([^`]+)`", README):
        line = f"@daily {name}={text} root true\n"
        assert not parse_table(line, source="README.md").problems, name


def test_the_message_quoted_in_the_comparison_is_the_message() -> None:
    text = "\n" * 6 + "61 * * * * root true\n"
    (problem,) = parse_table(text, source="/etc/cronjob.tab").problems
    assert f"`{problem}`" in README


def test_every_script_that_a_shell_is_given_exists() -> None:
    scripts = re.findall(r"^sh (\S+)$", "".join(_blocks("sh")), re.MULTILINE)
    assert scripts == ["etc/demo", "tests/run"]
    assert all((ROOT / script).is_file() for script in scripts)


def test_every_file_that_is_installed_exists() -> None:
    files = re.findall(r"^install (?:-D )?-m 644 (\S+) ", "".join(_blocks("sh")), re.MULTILINE)
    assert {"etc/cronjob.tab", "systemd/cronjob.service"} <= set(files)
    assert all((ROOT / file).is_file() for file in files)


def test_every_command_on_a_console_is_one_that_the_program_accepts() -> None:
    lines = "".join(_blocks("console")).splitlines()
    commands = [shlex.split(line[2:]) for line in lines if line.startswith("$ ")]
    assert ["cronjob", "list", "--next"] in commands
    for words in commands:
        if words[0] == "cronjob":
            words = words[: words.index("|")] if "|" in words else words
            assert callable(_parser().parse_args(words[1:]).verb)


def test_what_a_console_shows_is_what_the_program_prints(tmp_path: Path) -> None:
    table = tmp_path / "cronjob.tab"
    table.write_text(TABLE, encoding="utf-8")
    (shown,) = (block for block in _blocks("console") if "Berlin" in block)
    examples = re.findall(r"^\$ (.*)\n((?:[^$].*\n)+)", shown, re.MULTILINE)
    verbs = [re.findall(r"cronjob (\w+)", command)[0] for command, _ in examples]
    assert verbs == ["explain", "next", "simulate", "check"]
    for command, expected in examples:
        here = command.replace("cronjob simulate", f'cronjob simulate --table "{table}"')
        ended = shell(f'export TZ=Europe/Berlin; cronjob() {{ {PROGRAM} "$@"; }}; {here}')
        printed = ended.stdout.decode().replace(str(table), "/etc/cronjob.tab")
        if expected.endswith("\n...\n"):
            expected = expected.removesuffix("...\n")
            printed = printed[: len(expected)]
        assert printed == expected, command


def _masked(line: str, folder: str) -> str:
    """The line without what differs from run to run: times, pids, the user, the folder."""
    line = line.replace(f"{folder}/", "/tmp/").replace("table.tab", "demo.tab")
    line = re.sub(r"^\S+Z ", "TIME ", line)
    line = re.sub(r"@\S+Z:", "@TIME:", line)
    line = re.sub(r"at \d\d:\d\d:\d\dZ", "at TIME", line)
    line = re.sub(r"pid \d+", "pid N", line)
    line = re.sub(r"\b[\d.]+(?:ms|s)\b", "DURATION", line)
    return re.sub(r": \([\w.-]+\) CMD", ": (USER) CMD", line)


def _check_the_past(state: str) -> None:
    """What is asked for in README.md after the log is what the history says then."""
    (shown,) = (block for block in _blocks("console") if "flaky" in block)
    for words, expected in re.findall(r"^\$ cronjob (.*)\n((?:[^$].*\n)+)", shown, re.MULTILINE):
        verb, entry = words.split()[:2]
        printed = cronjob(verb, "--state", state, entry).stdout.decode()
        assert _row(printed) == _row(expected)


def _row(text: str) -> str:
    """Rows without what differs from run to run."""
    text = re.sub(r"\w{3} [\d-]+ [\d:+]+", "TIME", re.sub(r"@\S+", "@TIME", text))
    return re.sub(r" +", " ", re.sub(r"\b[\d.]+(?:ms|s)\b", "DURATION", text))


def test_the_log_is_what_a_daemon_prints_on_the_demo_table(tmp_path: Path) -> None:
    demo = (ROOT / "etc/demo.tab").read_text(encoding="utf-8").replace("@USER@", own_name())
    # At boot instead of at the next minute, and without waiting between the attempts.
    table = re.sub(r"^ +\* .*(name=flaky retry=3),2s\.\.8s", r"@reboot \1,0s", demo, flags=re.M)
    assert table != demo
    with DaemonProcess(tmp_path, table) as daemon:
        daemon.wait_for("flaky@.*attempt 3 succeeded")
        _check_the_past(str(daemon.directory / "state"))
        printed = [line for line in daemon.log if " flaky" in line]
    begin, end = (part.splitlines() for part in LOG.split("...\n"))
    shown = [*printed[: len(begin)], *printed[-len(end) :]]
    expected = [_masked(line, "/tmp") for line in (*begin, *end)]
    assert [_masked(line, str(tmp_path)) for line in shown] == expected


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 140
