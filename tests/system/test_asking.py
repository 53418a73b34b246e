"""What a real daemon has done, asked for: by root, by an ordinary user, with and without it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cronjob.host.directories import HISTORY_AWAY
from tests.cli.command import HANG, ROOT, cronjob
from tests.system.test_control import NOBODY, ONLY_ROOT, USER, Control, controlled

ENTRIES = {
    name: f"0 0 1 1 * name={name} mail=never {fields} {USER} {command}\n"
    for name, fields, command in (
        ("hello", "", "echo hello; echo error >&2; exit 7"),
        ("again", "retry=2,0s", 'echo "attempt $CRONJOB_ATTEMPT"; test $CRONJOB_ATTEMPT = 3'),
        ("stubborn", "retry=1,0s timeout=1s grace=0s", "sleep 1000"),
        ("rude", "", r"printf '\033[31mred\r\n\377\n'"),
        ("patient", "retry=1,1h", "exit 1"),
        ("never-run", "", "true"),
    )
}


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    """A daemon that has run some of its entries, in this order."""
    with controlled(tmp_path_factory.mktemp("one"), "".join(ENTRIES.values())) as control:
        for entry, status in (("hello", 7), ("again", 0), ("stubborn", 124), ("rude", 0)):
            with control.start("run", "--wait", entry, stdout=subprocess.DEVNULL) as process:
                assert process.wait(HANG) == status
        yield control


def _state(control: Control) -> str:
    return str(control.daemon.directory / "state")


def _read(control: Control, verb: str, *arguments: str) -> tuple[int, str, str]:
    """Exit status, output and errors of a verb that reads the history itself."""
    ended = cronjob(verb, "--state", _state(control), *arguments)
    return ended.returncode, ended.stdout.decode(), ended.stderr.decode()


def _history(control: Control, *arguments: str) -> list[dict[str, Any]]:
    code, output, errors = _read(control, "history", "--json", *arguments)
    assert (code, errors) == (0, "")
    rows: list[dict[str, Any]] = json.loads(output)
    return rows


# -- history -------------------------------------------------------------------------------------


def test_the_newest_run_comes_first_with_its_outcome(one: Control) -> None:
    rows = [(row["entry"], row["outcome"], row["attempts"]) for row in _history(one)[:4]]
    assert rows == [
        ("rude", "succeeded", 1),
        ("stubborn", "gave-up", 2),
        ("again", "succeeded", 3),
        ("hello", "failed", 1),
    ]


def test_each_run_is_a_line_that_says_how_it_ended(one: Control) -> None:
    code, output, errors = _read(one, "history", "hello")
    assert (code, errors) == (0, "")
    head, line = output.splitlines()
    assert head.split() == ["FIRE", "TIME", "RUN", "OUTCOME", "ATTEMPTS", "LASTED", "HOW"]
    assert line.endswith("exit status 7; asked for")
    line = _read(one, "history", "stubborn")[1].splitlines()[1]
    assert line.endswith("timed-out, signal 9; retries are exhausted; asked for")


@pytest.mark.parametrize("verb", ["history", "show", "logs"])
def test_the_daemon_answers_what_the_history_itself_does(one: Control, verb: str) -> None:
    for arguments in (("again",), *([("again", "--json")] if verb != "logs" else [])):
        assert one.ask(verb, *arguments)[:2] == _read(one, verb, *arguments)[:2]


def test_rows_are_chosen_by_entry_outcome_time_and_number(one: Control) -> None:
    newest, _, _, oldest = _history(one)[:4]
    begun = _history(one, "--since", oldest["fire_time"], "--until", newest["fire_time"])
    assert [row["entry"] for row in begun] == ["stubborn", "again", "hello"]
    assert [row["entry"] for row in _history(one, "--limit", "2")] == ["rude", "stubborn"]
    bad = _history(one, "--outcome", "failed,gave-up", "--outcome", "lost", "--since", "1h")
    assert [row["entry"] for row in bad] == ["stubborn", "hello"]


def test_who_asks_while_the_history_cannot_be_written_is_told_so(one: Control) -> None:
    marker = Path(one.runtime, HISTORY_AWAY)
    marker.touch()
    try:
        code, output, errors = one.ask("history", "hello")
    finally:
        marker.unlink()
    assert (code, "hello@" in output) == (0, True)
    assert re.search("what happened since .* is not in the history yet", errors)


def test_an_entry_that_has_not_run_is_no_error(one: Control) -> None:
    code, output, errors = _read(one, "history", "never-run")
    assert (code, output) == (0, "")
    assert errors == "cronjob: nothing of never-run is recorded\n"


@pytest.mark.parametrize("verb", ["history", "show", "logs"])
def test_what_nobody_knows_is_an_error_with_the_nearest(one: Control, verb: str) -> None:
    said = 'cronjob: no entry is called "helo"; did you mean hello?\n'
    assert one.ask(verb, "helo") == (1, "", said)
    assert _read(one, verb, "helo") == (1, "", said)


def test_an_option_that_is_not_understood_is_a_wrong_command_line(one: Control) -> None:
    for option, value in (("--since", "soon"), ("--until", "2026-13-01"), ("--outcome", "fine")):
        code, output, errors = _read(one, "history", option, value)
        assert (code, output) == (2, "")
        assert errors.startswith(f'cronjob: {option} "{value}" is')
        assert "allowed are" in errors


# -- show and logs -------------------------------------------------------------------------------


def test_a_run_is_shown_with_its_attempts_and_what_they_printed(one: Control) -> None:
    code, output, errors = one.ask("show", "again")
    assert (code, errors) == (0, "")
    facts = dict(line.split(None, 1) for line in output.split("\n\n")[0].splitlines())
    assert facts["command"].startswith('echo "attempt $CRONJOB_ATTEMPT"')
    assert (facts["outcome"], facts["user"]) == ("succeeded", USER)
    attempts = [line.split() for line in output.split("\n\n")[1].splitlines()[1:]]
    assert [line[0] for line in attempts] == ["1", "2", "3"]
    assert output.endswith("output of attempt 3:\n\n  attempt 3\n")
    run = json.loads(one.ask("show", "--json", "again")[1])
    assert [attempt["output"] for attempt in run["ladder"]] == [
        ["attempt 1\n"],
        ["attempt 2\n"],
        ["attempt 3\n"],
    ]


def test_a_run_is_called_by_its_key_too(one: Control) -> None:
    key = _history(one, "again")[0]["run"]
    assert one.ask("show", key) == one.ask("show", "again")
    assert one.ask("logs", key) == one.ask("logs", "again")
    said = 'cronjob: no run called "again@never" is recorded\n'
    assert one.ask("show", "again@never") == (1, "", said)


def test_output_is_passed_on_as_it_is_and_the_attempts_are_named_beside_it(one: Control) -> None:
    code, output, errors = one.ask("logs", "again")
    assert (code, output) == (0, "attempt 1\nattempt 2\nattempt 3\n")
    assert errors == "cronjob: attempt 2\ncronjob: attempt 3\n"


def test_what_a_terminal_would_obey_is_escaped_for_people_only(one: Control) -> None:
    with one.start("logs", "rude") as process:
        raw, _ = process.communicate(timeout=HANG)
    assert raw == b"\x1b[31mred\r\n\xff\n"
    shown = one.ask("show", "rude")[1]
    assert shown.endswith("  \\x1b[31mred\n  \\xff\n")
    leader, follower = os.openpty()
    with one.start("logs", "rude", stdout=follower) as process:
        os.close(follower)
        assert process.wait(HANG) == 0
    told = os.read(leader, 4096)
    os.close(leader)
    assert told == b"\\x1b[31mred\r\n\\xff\r\n"


def test_the_end_of_a_run_that_is_over_is_told_by_the_exit_status_too(one: Control) -> None:
    assert one.ask("logs", "hello") == (0, "hello\nerror\n", "")
    assert one.ask("logs", "-f", "hello") == (7, "hello\nerror\n", "")
    assert one.ask("logs", "-f", "stubborn")[0] == 124
    assert one.ask("logs", "-f", "helo")[0] == 125


def _fifo(folder: Path) -> Path:
    path = folder / "fifo"
    os.mkfifo(path, 0o666)
    return path


def test_a_running_run_is_followed_from_its_first_byte_through_its_retries(tmp_path: Path) -> None:
    fifo = _fifo(tmp_path)
    command = f'echo "attempt $CRONJOB_ATTEMPT"; read word <{fifo}; echo "$word"; exit 4'
    table = f"0 0 1 1 * name=talks mail=never retry=1,0s {USER} {command}\n"
    with controlled(tmp_path, table) as control:
        key = control.ask("run", "talks")[1].strip()
        control.daemon.wait_for("talks: attempt 1$")
        assert control.ask("logs", "talks") == (
            0,
            "attempt 1\n",
            f"cronjob: {key} is not over\n",
        )
        with control.start("logs", "-f", "talks") as follower:
            assert follower.stdout is not None
            printed = [follower.stdout.readline()]
            for word in ("one", "two"):
                fifo.write_text(f"{word}\n")
                printed += [follower.stdout.readline() for _ in range(2 if word == "one" else 1)]
            assert printed == [b"attempt 1\n", b"one\n", b"attempt 2\n", b"two\n"]
            assert follower.wait(HANG) == 4
        assert control.ask("logs", key)[1] == "attempt 1\none\nattempt 2\ntwo\n"


def test_who_comes_late_gets_the_attempts_before_too(tmp_path: Path) -> None:
    fifo = _fifo(tmp_path)
    command = (
        f'echo "attempt $CRONJOB_ATTEMPT"; test $CRONJOB_ATTEMPT = 1 || read word <{fifo}; exit 4'
    )
    table = f"0 0 1 1 * name=talks mail=never retry=1,0s {USER} {command}\n"
    with controlled(tmp_path, table) as control:
        control.ask("run", "talks")
        control.daemon.wait_for("talks: attempt 2$")
        followers = [control.start("logs", "-f", "talks") for _ in range(3)]
        for follower in followers:
            assert follower.stdout is not None
            lines = [follower.stdout.readline() for _ in range(2)]
            assert lines == [b"attempt 1\n", b"attempt 2\n"]
        fifo.write_text("go\n")
        for follower in followers:
            with follower:
                assert follower.wait(HANG) == 4


# -- other askers, and no daemon -----------------------------------------------------------------

#: Everything is imported before, since the modules may be out of the reach of that account.
AS_NOBODY = f"""
import base64, encodings.ascii, os, sys
sys.path.insert(0, {str(ROOT)!r})
import cronjob.cli.client, cronjob.cli.history, cronjob.cli.logs, cronjob.cli.show
import cronjob.host.history.reading, cronjob.host.lock, cronjob.host.past, cronjob.core.retelling
cronjob.cli._parser().parse_args(sys.argv[1:])
os.setgroups([])
os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
sys.exit(cronjob.cli.main(sys.argv[1:]))
"""


def _as_nobody(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Exit status, output and errors of a verb that the account `nobody` types."""
    ended = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, *arguments],
        capture_output=True,
        timeout=HANG,
        check=False,
        env={**os.environ, "TZ": "UTC", "HOME": "/nonexistent", **environment},
    )
    return ended.returncode, ended.stdout.decode(), ended.stderr.decode()


@ONLY_ROOT
def test_an_ordinary_user_is_told_of_own_runs_alone(everybodys: Path) -> None:
    table = (
        "0 0 1 1 * name=mine mail=never nobody echo mine; exit 3\n"
        "0 0 1 1 * name=theirs mail=never root echo secret; exit 3\n"
    )
    with controlled(everybodys, table) as control:
        for entry in ("theirs", "mine"):
            assert control.ask("run", "--wait", entry)[0] == 3
        theirs = _history(control, "theirs")[0]["run"]
        asked = ("--runtime", control.runtime)
        code, output, errors = _as_nobody("history", *asked, "--json")
        assert (code, errors) == (0, "")
        assert [row["entry"] for row in json.loads(output)] == ["mine"]
        assert _as_nobody("logs", *asked, "mine") == (0, "mine\n", "")
        assert _as_nobody("show", *asked, "mine")[1].endswith("\n\n  mine\n")
        for verb in ("history", "show", "logs"):
            code, output, errors = _as_nobody(verb, *asked, "theirs")
            assert (code, output) == (1, "")
            assert errors == 'cronjob: no entry that runs as nobody is called "theirs"\n'
        for verb in ("show", "logs"):
            code, output, errors = _as_nobody(verb, *asked, theirs)
            assert (code, output) == (1, "")
            assert errors == f'cronjob: no run that ran as nobody called "{theirs}" is recorded\n'
        code, output, errors = _as_nobody("history", "--state", str(everybodys / "state"))
        assert (code, output) == (1, "")
        assert errors.endswith("history.db: Permission denied\n")


def test_without_a_daemon_the_history_is_read_all_the_same(tmp_path: Path) -> None:
    with controlled(tmp_path, ENTRIES["hello"] + ENTRIES["patient"]) as control:
        control.ask("run", "--wait", "hello")
        control.ask("run", "patient")
        control.daemon.wait_for("retry 1 of 1 in")
        (row,) = _history(control, "patient")
        assert (row["state"], row["outcome"], row["attempts"]) == ("waiting", None, 1)
        assert "waits for attempt 2 at" in _read(control, "history", "patient")[1]
        control.daemon.stop()
        left = "cronjob: no daemon runs there; what is not over was left by one that has gone\n"
        assert _read(control, "history", "--outcome", "failed")[2] == ""
        assert _read(control, "history", "patient")[2] == left
        assert _read(control, "logs", "hello") == (0, "hello\nerror\n", "")
        assert "failed" in _read(control, "show", "hello")[1]
        assert control.ask("history")[0] == 3


def test_one_who_follows_hears_that_the_daemon_has_gone(tmp_path: Path) -> None:
    table = f"0 0 1 1 * name=sleeper mail=never {USER} echo here; sleep 1000\n"
    with controlled(tmp_path, table) as control:
        control.ask("run", "sleeper")
        control.daemon.wait_for("sleeper: here$")
        with control.start("logs", "-f", "sleeper") as follower:
            assert follower.stdout is not None
            assert follower.stdout.readline() == b"here\n"
            control.daemon.stop()
            _, errors = follower.communicate(timeout=HANG)
        assert follower.returncode in (125, 143)  # it may have heard of the end before
        assert errors


def test_a_status_tells_what_failed_lately_and_when_a_retry_comes(tmp_path: Path) -> None:
    with controlled(tmp_path, ENTRIES["hello"] + ENTRIES["patient"]) as control:
        control.ask("run", "--wait", "hello")
        control.ask("run", "patient")
        control.daemon.wait_for("retry 1 of 1 in")
        told = control.status()
        assert [row["entry"] for row in told["failed_lately"]] == ["hello"]
        assert told["history_away_since"] is None
        (waiting,) = told["waiting"]
        assert waiting["retry_at"] > told["now"]
        shown = control.ask("status")[1]
        assert "\nfailed in the last day:\n" in shown
        assert "waits for attempt 2 at " in shown


@ONLY_ROOT
def test_without_options_it_is_the_history_of_ones_own_daemon(everybodys: Path) -> None:
    with controlled(everybodys, ENTRIES["hello"]) as control:
        control.ask("run", "--wait", "hello")
    own = (everybodys / "state").rename(everybodys / "cronjob")
    for path in (own, *own.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    folders = {"XDG_STATE_HOME": str(everybodys), "XDG_RUNTIME_DIR": str(everybodys / "nowhere")}
    code, output, errors = _as_nobody("history", "hello", **folders)
    assert (code, errors) == (0, "")
    assert "exit status 7" in output
    assert _as_nobody("logs", "hello", **folders) == (0, "hello\nerror\n", "")


@ONLY_ROOT
def test_of_a_corrupt_history_its_daemon_hears_from_who_reads_it(everybodys: Path) -> None:
    mine = "0 0 1 1 * name=mine mail=never nobody exit 3\n"
    with controlled(everybodys, mine) as control:
        control.ask("run", "--wait", "mine")
        (everybodys / "runtimes").mkdir()
        (everybodys / "runtimes/cronjob").symlink_to(control.runtime)
        own = everybodys / "cronjob"
        own.symlink_to(everybodys / "state")
        for path in (own, *own.iterdir()):
            os.chown(path, NOBODY, NOBODY)
            if path.name in ("history.db", "history.db-wal"):
                path.write_bytes(b"spoilt" * (path.stat().st_size // 6))
        folders = {
            "XDG_STATE_HOME": str(everybodys),
            "XDG_RUNTIME_DIR": str(everybodys / "runtimes"),
        }
        _, _, errors = _as_nobody("history", **folders)
        assert "file is not a database; its daemon is asked\n" in errors
        control.daemon.wait_for("file is not a database; it is now ")
        assert _as_nobody("history", **folders)[0] == 0
