"""A history that cannot be written: the daemon starts what it would start, and writes it later."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cronjob.core.outcome import RunOutcome
from cronjob.core.query import HistoryQuery, RunRow
from cronjob.host.history.database import NAME
from cronjob.host.history.reading import open_reader
from cronjob.host.identity import own_name
from tests.system.daemon_process import ClockDaemon, DaemonProcess

ME = own_name()
JOB = f"0 0 1 1 * name=job {ME} true\n"
NOON = datetime.fromisoformat("2026-03-02T12:00:00Z")
BACK = "the history is written again"


def _can_mount() -> bool:
    words = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(words, capture_output=True).returncode == 0


needs_mounts = pytest.mark.skipif(not _can_mount(), reason="this user may not mount anything")


class SmallDisk(DaemonProcess):
    """A daemon whose state directory is a small file system that only it sees."""

    def command(self, *options: str) -> list[str]:
        """The same, in a mount namespace of its own."""
        (self.directory / "state").mkdir()
        script = f'mount -t tmpfs -o size=1m,mode=700 none "{self.state}" && exec "$0" "$@"'
        return ["unshare", "--mount", "sh", "-c", script, *super().command(*options)]

    @property
    def state(self) -> Path:
        """The path of the directory, as the daemon has it."""
        return self.directory / "state"

    @property
    def seen(self) -> Path:
        """The same directory, from here."""
        return Path(f"/proc/{self.pid}/root{self.state}")


def _run(daemon: DaemonProcess) -> int:
    """Ask for a run of the job; its exit status."""
    words = ["run", "--wait", "--runtime", str(daemon.directory / "run"), "job"]
    return subprocess.run([sys.executable, "-m", "cronjob", *words], check=False).returncode


def _runs(state: Path) -> list[RunRow]:
    """What the history has, which is whole."""
    with closing(sqlite3.connect(f"file:{state / NAME}?mode=ro", uri=True)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with open_reader(str(state)) as reader:
        rows = reader.history(HistoryQuery(limit=None))
    return [row for row in rows if isinstance(row, RunRow)]


def _fill(path: Path) -> None:
    """Write until there is no room."""
    with open(path, "wb", buffering=0) as ballast:
        for size in (4096, 1):
            try:
                while ballast.write(b"x" * size):
                    pass
            except OSError:
                continue


@needs_mounts
def test_a_daemon_starts_on_a_full_disk(tmp_path: Path) -> None:
    class FullDisk(SmallDisk):
        def command(self, *options: str) -> list[str]:
            *mount, script = super().command(*options)[:5]
            fill = f'head -c 2m /dev/zero >"{self.state}/ballast" 2>/dev/null; exec "$0" "$@"'
            script = script.replace('exec "$0" "$@"', f"{{ {fill}; }}")
            return [*mount, script, *super(SmallDisk, self).command(*options)]

    with FullDisk(tmp_path, JOB) as daemon:
        daemon.wait_for("going on without it")
        assert _run(daemon) == 0
        (daemon.seen / "ballast").unlink()
        daemon.wait_for(BACK)
        (row,) = _runs(shutil.copytree(daemon.seen, tmp_path / "copy"))
        assert row.outcome is RunOutcome.SUCCEEDED


@needs_mounts
def test_a_full_disk_costs_no_run_and_its_record_comes_later(tmp_path: Path) -> None:
    with SmallDisk(tmp_path, JOB) as daemon:
        assert _run(daemon) == 0
        _fill(daemon.seen / "ballast")
        assert [_run(daemon) for _ in range(3)] == [0, 0, 0]
        daemon.wait_for("error: .*history.db: database or disk is full; going on without it")
        (daemon.seen / "ballast").unlink()
        daemon.wait_for(BACK)
        rows = _runs(shutil.copytree(daemon.seen, tmp_path / "copy"))
        assert [row.outcome for row in rows] == [RunOutcome.SUCCEEDED] * 4
        assert len([line for line in daemon.log if "going on without it" in line]) == 1


def test_a_locked_history_costs_no_run_and_its_record_comes_later(tmp_path: Path) -> None:
    with DaemonProcess(tmp_path, JOB) as daemon:
        with closing(sqlite3.connect(tmp_path / "state" / NAME)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert _run(daemon) == 0
            daemon.wait_for("error: .*history.db: database is locked; going on without it")
            assert _run(daemon) == 0
        daemon.wait_for(BACK)
        assert [row.outcome for row in _runs(tmp_path / "state")] == [RunOutcome.SUCCEEDED] * 2


def test_a_history_that_is_deleted_is_begun_anew(tmp_path: Path) -> None:
    with DaemonProcess(tmp_path, JOB) as daemon:
        assert _run(daemon) == 0
        for part in (tmp_path / "state").glob(f"{NAME}*"):
            part.unlink()
        assert _run(daemon) == 0
        daemon.wait_for("it has been taken away; there is none any more, and a new one is begun")
    assert [row.outcome for row in _runs(tmp_path / "state")] == [RunOutcome.SUCCEEDED]


def test_a_corrupt_history_is_set_aside_and_begun_anew(tmp_path: Path) -> None:
    with DaemonProcess(tmp_path, JOB) as daemon:
        assert _run(daemon) == 0
    path = tmp_path / "state" / NAME
    path.write_bytes(b"not a database" * 1000)
    with DaemonProcess(tmp_path, JOB) as daemon:
        daemon.wait_for(f"error: .*{NAME}.corrupt-.*, and a new one is begun")
        assert _run(daemon) == 0
    (aside,) = path.parent.glob(f"{NAME}.corrupt-*")
    assert aside.read_bytes().startswith(b"not a database")
    assert [row.outcome for row in _runs(tmp_path / "state")] == [RunOutcome.SUCCEEDED]


@needs_mounts
@pytest.mark.parametrize("used", [True, False])
def test_a_read_only_state_directory_costs_the_record_and_no_run(
    used: bool, tmp_path: Path
) -> None:
    class ReadOnly(DaemonProcess):
        def command(self, *options: str) -> list[str]:
            script = f'mount --bind -o ro "{tmp_path}/state" "{tmp_path}/state" && exec "$0" "$@"'
            return ["unshare", "--mount", "sh", "-c", script, *super().command(*options)]

    if used:
        with DaemonProcess(tmp_path, JOB):
            pass
    else:
        (tmp_path / "state").mkdir(mode=0o700)
    with ReadOnly(tmp_path, JOB) as daemon:
        daemon.wait_for("error: .*history.db: .*; going on without it")
        assert _run(daemon) == 0
    if used:
        assert _runs(tmp_path / "state") == []


def test_what_may_have_run_while_the_history_was_away_is_not_started_again(tmp_path: Path) -> None:
    """To run twice is worse than not to run, whatever its entry asks for."""
    done = tmp_path / "done"
    command = f"echo $CRONJOB_RUN >>{done}; exit 1"
    table = f"* * * * * name=job catchup=all retry=2,1h {ME} {command}\n"
    with ClockDaemon(tmp_path, table, NOON - timedelta(seconds=20)) as daemon:
        with closing(sqlite3.connect(tmp_path / "state" / NAME)) as other:
            other.execute("BEGIN IMMEDIATE")
            daemon.pass_time(timedelta(seconds=25))
            daemon.wait_for("job@2026-03-02T12:00Z: attempt 1 failed")
            daemon.wait_for("going on without it")
            os.kill(daemon.pid, signal.SIGKILL)
            daemon.wait()
        with ClockDaemon(tmp_path, table, NOON + timedelta(seconds=30)) as after:
            after.wait_for("missed fire times")
            after.pass_time(timedelta(minutes=1))
            after.wait_for("job@2026-03-02T12:01Z: attempt 1 failed")
    assert done.read_text().split() == ["job@2026-03-02T12:00Z", "job@2026-03-02T12:01Z"]
