"""What a daemon does about the time when none was running, and about what the one before left."""

import json
import os
import re
import select
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cronjob.host.identity import own_name
from tests.system.daemon_process import ClockDaemon, DaemonProcess

ME = own_name()
NOON = datetime.fromisoformat("2026-03-02T12:00:00Z")
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
RUN = r"job@2026-03-02T12:01Z"

ENDINGS = pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])


def _end(daemon: DaemonProcess, ending: signal.Signals = signal.SIGKILL) -> None:
    daemon.signal(ending)
    daemon.wait()


def _past_the_minute(daemon: ClockDaemon) -> None:
    daemon.pass_until(NOON + MINUTE)


def _instant(line: str) -> datetime:
    """When it was told."""
    return datetime.fromisoformat(line.split()[0])


def _lines(daemon: DaemonProcess, pattern: str) -> list[str]:
    return [line for line in daemon.log if re.search(pattern, line)]


# -- fire times ----------------------------------------------------------------------------------


@ENDINGS
def test_a_fire_time_that_fell_into_a_restart_is_not_lost(
    ending: signal.Signals, tmp_path: Path
) -> None:
    table = f"* * * * * name=job {ME} true\n"
    with ClockDaemon(tmp_path, table, NOON + 40 * SECOND) as daemon:
        _end(daemon, ending)
        assert not daemon.starts()
    with ClockDaemon(tmp_path, table, NOON + MINUTE + 20 * SECOND) as daemon:
        daemon.wait_for(f"{RUN}: attempt 1 succeeded")


def test_fire_times_missed_by_a_longer_absence_are_said_once_and_not_made_up_for(
    tmp_path: Path,
) -> None:
    table = f"0 */6 * * * name=often {ME} true\n0 0 1 1 * name=yearly {ME} true\n"
    with ClockDaemon(tmp_path, table, NOON + MINUTE) as daemon:
        _end(daemon, signal.SIGTERM)
    with ClockDaemon(tmp_path, table, NOON + MINUTE + timedelta(days=3)) as daemon:
        (line,) = daemon.wait_for("missed fire times")
        assert "warning: 1 entry missed fire times of 1 schedule between" in line
        assert line.endswith("no daemon was running")
        _end(daemon, signal.SIGTERM)
        assert not daemon.starts()
    with ClockDaemon(tmp_path, table, NOON + 2 * MINUTE + timedelta(days=3)) as daemon:
        _end(daemon, signal.SIGTERM)
        assert not _lines(daemon, "missed fire times")


def test_a_fire_time_that_was_recorded_does_not_start_again(tmp_path: Path) -> None:
    table = f"* * * * * name=job {ME} true\n"
    with ClockDaemon(tmp_path, table, NOON + 30 * SECOND) as daemon:
        _past_the_minute(daemon)
        daemon.wait_for(f"{RUN}: attempt 1 succeeded")
        _end(daemon)
    with ClockDaemon(tmp_path, table, NOON + MINUTE) as daemon:
        daemon.pass_until(NOON + 2 * MINUTE)
        daemon.wait_for("job@2026-03-02T12:02Z: attempt 1 succeeded")
        _end(daemon, signal.SIGTERM)
        assert daemon.starts() == ["job@2026-03-02T12:02Z"]


@ENDINGS
def test_what_starts_at_boot_starts_once_a_boot_unless_a_stop_ended_it(
    ending: signal.Signals, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    table = f"@reboot name=job {ME} echo ran >> {ran}; exec sleep 300\n"
    for _ in range(2):
        with DaemonProcess(tmp_path, table) as daemon:
            if ending == signal.SIGTERM or not ran.exists():
                daemon.wait_for("attempt 1 started")
            _end(daemon, ending)
    assert ran.read_text() == ("ran\n" if ending == signal.SIGKILL else "ran\nran\n")


@pytest.mark.parametrize("lost", ["deleted", "corrupt", "away", "of another boot"])
def test_without_its_history_what_starts_at_boot_starts_once_a_boot_too(
    lost: str, tmp_path: Path
) -> None:
    """A server that the stop ended starts again; what ended by itself does not."""
    table = f"@reboot name=once {ME} true\n@reboot name=server {ME} exec sleep 300\n"
    with DaemonProcess(tmp_path, table) as daemon:
        daemon.wait_for("server@.*: attempt 1 started")
        daemon.wait_for("once@.*: attempt 1 succeeded")
        _end(daemon, signal.SIGTERM)
    _lose(tmp_path / "state", lost)
    with DaemonProcess(tmp_path, table) as daemon:
        daemon.wait_for("server@.*: attempt 1 started")
        _end(daemon, signal.SIGTERM)
        assert not _lines(daemon, "once@")


def _lose(state: Path, how: str) -> None:
    """Take the history away from the daemon that comes next."""
    history = state / "history.db"
    if how == "corrupt":
        history.write_bytes(b"no database" * 1000)
        return
    if how == "of another boot":
        with closing(sqlite3.connect(history)) as database, database:
            database.execute("UPDATE daemon SET boot = 'another', interrupted = '[]'")
        return
    for path in state.glob("history.db*"):
        path.unlink()
    if how == "away":
        history.mkdir()


# -- runs and attempts ---------------------------------------------------------------------------


@ENDINGS
def test_a_retry_that_was_planned_comes_at_its_time_whatever_ends_the_daemon(
    ending: signal.Signals, tmp_path: Path
) -> None:
    table = f"* * * * * name=job retry=1,10s {ME} test $CRONJOB_ATTEMPT = 2\n"
    with ClockDaemon(tmp_path, table, NOON + 30 * SECOND) as daemon:
        _past_the_minute(daemon)
        (line,) = daemon.wait_for(rf"{RUN}: retry 1 of 1 in .*, at ")
        planned = re.search(r"(\d\d:\d\d:\d\d)", line.partition(", at ")[2])
        assert planned
        due = datetime.fromisoformat(f"2026-03-02T{planned[1]}Z")
        _end(daemon, ending)
    with ClockDaemon(tmp_path, table, NOON + MINUTE + 2 * SECOND) as daemon:
        daemon.wait_for("1 retry is taken up")
        daemon.pass_until(due - SECOND)
        daemon.wait_for(f"{RUN}: attempt 2 succeeded")
        (started,) = daemon.wait_for(f"{RUN}: attempt 2 started")
        assert due <= _instant(started) < due + 5 * SECOND
        assert not _lines(daemon, "attempt 1")


@pytest.mark.parametrize("by", ["a reload", "a restart"])
def test_a_retry_that_was_planned_comes_under_another_name_too(by: str, tmp_path: Path) -> None:
    line = f"* * * * * name=NAME retry=1,30s overlap=skip {ME} test $CRONJOB_ATTEMPT = 2\n"
    table = line.replace("NAME", "job")
    renamed = line.replace("NAME", "other")
    with ClockDaemon(tmp_path, table, NOON + 30 * SECOND) as daemon:
        _past_the_minute(daemon)
        daemon.wait_for(rf"{RUN}: retry 1 of 1 in .*, at ")
        if by == "a reload":
            daemon.write_table(renamed)
            daemon.wait_for("other: it was called job; 1 run of it goes on")
            _meet_the_retry(daemon)
            return
        _end(daemon)
    with ClockDaemon(tmp_path, renamed, NOON + MINUTE + 2 * SECOND) as daemon:
        daemon.wait_for("1 retry is taken up")
        _meet_the_retry(daemon)


def _meet_the_retry(daemon: ClockDaemon) -> None:
    """And the runs that follow have the new name, and are not at odds with it."""
    daemon.pass_until(NOON + MINUTE + 40 * SECOND)
    daemon.wait_for(f"{RUN}: attempt 2 succeeded")
    daemon.pass_until(NOON + 2 * MINUTE)
    daemon.wait_for("other@2026-03-02T12:02Z: attempt 1 failed")
    rows = _history(daemon, "other")
    assert [(row["run"], row["outcome"], row["attempts"]) for row in rows] == [
        ("other@2026-03-02T12:02Z", None, 1),
        ("job@2026-03-02T12:01Z", "succeeded", 2),
    ]


def _history(daemon: ClockDaemon, entry: str) -> list[dict[str, Any]]:
    """What the history has of the entry by now, the newest first."""
    command = [sys.executable, "-m", "cronjob", "history", entry, "--json"]
    command += ["--state", str(daemon.root / "state")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows: list[dict[str, Any]] = json.loads(told)
    return rows


@ENDINGS
def test_a_run_that_waited_for_a_slot_is_queued_again(
    ending: signal.Signals, tmp_path: Path
) -> None:
    """And what ran is lost when the daemon was killed, or cancelled by its stop; neither again."""
    table = f"* * * * * name=first {ME} exec sleep 300\n* * * * * name=second {ME} true\n"
    with ClockDaemon(tmp_path, table, NOON + 30 * SECOND, "--slots", "1") as daemon:
        _past_the_minute(daemon)
        daemon.wait_for("first@.*: attempt 1 started")
        _end(daemon, ending)
        assert not _lines(daemon, "second@.* started")
    with ClockDaemon(tmp_path, table, NOON + MINUTE + 2 * SECOND, "--slots", "1") as daemon:
        daemon.wait_for("second@2026-03-02T12:01Z: attempt 1 succeeded")
        daemon.wait_for("1 run is queued again")
        if ending == signal.SIGKILL:
            daemon.wait_for("the daemon before was killed; 1 attempt is lost, 1 run is queued")
            daemon.wait_for("first@.*: attempt 1 lost")
        _end(daemon, signal.SIGTERM)
        assert not _lines(daemon, "first@.* started")


def test_a_lost_attempt_is_tried_again_only_where_that_is_asked_for(tmp_path: Path) -> None:
    command = "test $CRONJOB_ATTEMPT = 2 || exec sleep 300"
    table = (
        f"* * * * * name=again retry=1,1s retry-on=lost {ME} {command}\n"
        f"* * * * * name=never retry=1,1s {ME} {command}\n"
    )
    with ClockDaemon(tmp_path, table, NOON + 30 * SECOND) as daemon:
        _past_the_minute(daemon)
        daemon.wait_for("attempt 1 started", 2)
        _end(daemon)
    with ClockDaemon(tmp_path, table, NOON + MINUTE + 2 * SECOND) as daemon:
        daemon.wait_for("2 attempts are lost")
        daemon.wait_for("attempt 1 lost", 2)
        daemon.wait_for("again@2026-03-02T12:01Z: attempt 2 succeeded")
        _end(daemon, signal.SIGTERM)
        assert not _lines(daemon, "never@.*attempt 2")


def test_an_attempt_that_ended_before_the_daemon_could_note_it_is_lost(tmp_path: Path) -> None:
    """Nobody may say that it succeeded."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    table = f"* * * * * name=job {ME} read line < {fifo}\n"
    with ClockDaemon(tmp_path, table, NOON + 30 * SECOND) as daemon:
        _past_the_minute(daemon)
        (line,) = daemon.wait_for(f"{RUN}: attempt 1 started")
        pid = re.search(r"pid (\d+)", line)
        assert pid
        ended = os.pidfd_open(int(pid[1]))
        daemon.signal(signal.SIGSTOP)
        fifo.write_text("go on\n")
        assert select.select([ended], [], [], 30)[0]
        os.close(ended)
        _end(daemon)
    with ClockDaemon(tmp_path, table, NOON + MINUTE + 2 * SECOND) as daemon:
        daemon.wait_for("1 attempt is lost")
        daemon.wait_for(f"{RUN}: attempt 1 lost")


def test_a_run_whose_entry_is_gone_after_a_restart_is_over(tmp_path: Path) -> None:
    with ClockDaemon(
        tmp_path, f"* * * * * name=job retry=1,10s {ME} false\n", NOON + 30 * SECOND
    ) as daemon:
        _past_the_minute(daemon)
        daemon.wait_for(f"{RUN}: retry 1 of 1")
        _end(daemon)
    with ClockDaemon(tmp_path, f"0 0 1 1 * name=other {ME} true\n", NOON + MINUTE) as daemon:
        daemon.wait_for("job.*its entry is in no table any more|job.*vanished|job.*no table")
        _end(daemon, signal.SIGTERM)
        assert not _lines(daemon, "is taken up")
