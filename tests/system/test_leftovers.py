"""What outlives a daemon and its launcher is ended by the next daemon before it starts anything."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

from cronjob.host.identity import own_name
from tests.system.daemon_process import HANG, DaemonProcess, is_alive, processes_with

ME = own_name()
ROUNDS = int(os.environ.get("CRONJOB_ROUNDS", "3"))
NAME = f"leftover{os.getpid()}-"
ALLOWED = 5.0  #: seconds from the start of the next daemon to the death of the last process

#: Each gets out of the session of its attempt; none dies with the launcher.
ESCAPES = (
    "setsid sh -c 'echo $$ >> {pids}; exec sleep 300' & wait",
    "(setsid sh -c 'echo $$ >> {pids}; (sleep 300 & echo $! >> {pids}); exec sleep 300' &); "
    "exec sleep 300",
    "trap '' TERM HUP INT; (trap '' TERM; echo $$ >> {pids}; sleep 300; sleep 300) & wait",
    "sh -c 'sleep 300 & echo $! >> {pids}; env -i sleep 300 & echo $! >> {pids}; wait' & wait",
)
WRITTEN = (1, 2, 1, 2)  #: pids that each of them writes


def _table(folder: Path) -> str:
    return "".join(
        f"@reboot name={NAME}{number} {ME} {command.format(pids=folder / f'pids{number}')}\n"
        for number, command in enumerate(ESCAPES)
    )


def _pids(folder: Path) -> list[int]:
    """What they wrote, once all of them have."""
    limit = time.monotonic() + HANG
    while True:
        texts = [path.read_text() for path in sorted(folder.glob("pids*"))]
        pids = [int(pid) for text in texts for pid in text.split()]
        if len(pids) == sum(WRITTEN) and all(text.endswith("\n") for text in texts):
            return pids
        assert time.monotonic() < limit, f"{len(pids)} processes came up"
        os.sched_yield()


def _kill_both(daemon: DaemonProcess) -> None:
    """Daemon and launcher at one stroke, so that neither can end what the other leaves."""
    both = (daemon.launcher_pid, daemon.pid)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in both:
            os.kill(pid, number)
    daemon.wait()


def _give_away(state: Path, pid: int) -> None:
    """Another process has the pids by now of which the history knows."""
    with contextlib.closing(sqlite3.connect(state / "history.db")) as database, database:
        database.execute(
            "UPDATE attempts SET pid = ?, ticks = (SELECT launcher_ticks FROM daemon)", (pid,)
        )
        database.execute("UPDATE daemon SET launcher_pid = ?", (pid,))


def test_the_next_daemon_ends_what_a_daemon_and_a_launcher_killed_together_left(
    tmp_path: Path,
) -> None:
    times = []
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        with DaemonProcess(folder, _table(folder)) as daemon:
            daemon.wait_for("attempt 1 started", len(ESCAPES))
            pids = _pids(folder)
            _kill_both(daemon)
            left = [pid for pid in pids if is_alive(pid)]
            assert left, "nothing got away, so this shows nothing"
        begin = time.monotonic()
        with DaemonProcess(folder, f"@reboot name=next {ME} true\n") as daemon:
            times.append(time.monotonic() - begin)
            assert not [pid for pid in left if is_alive(pid)]
            assert not processes_with(f"CRONJOB_RUN={NAME}")
            daemon.wait_for("the daemon before left behind")
            daemon.stop()
        ended = next(i for i, line in enumerate(daemon.log) if "the daemon before left" in line)
        assert ended < next(i for i, line in enumerate(daemon.log) if "started: 1 entry" in line)
    print(
        f"\ndaemon and launcher killed {ROUNDS} times: {len(left)} of {len(pids)} processes got "
        f"away; the next daemon was up, and they were gone, after {max(times) * 1000:.0f} ms"
    )
    assert min(times) <= ALLOWED


def test_a_stranger_that_has_a_pid_of_the_daemon_before_by_now_is_left_alone(
    tmp_path: Path,
) -> None:
    """As if the numbers had been given away again: the history says another start."""
    with DaemonProcess(tmp_path, f"@reboot name={NAME}job {ME} exec sleep 300\n") as daemon:
        daemon.wait_for("attempt 1 started")
        _kill_both(daemon)
    with subprocess.Popen(["sleep", "300"], start_new_session=True) as stranger:
        _give_away(tmp_path / "state", stranger.pid)
        with DaemonProcess(tmp_path, f"@reboot name=next {ME} true\n") as daemon:
            daemon.stop()
        assert stranger.poll() is None
        stranger.kill()


def test_the_daemon_waits_for_the_launcher_of_the_one_that_was_killed(tmp_path: Path) -> None:
    """Which is busy ending what it started; two of them would not know of each other's."""
    with DaemonProcess(tmp_path, f"@reboot name={NAME}job {ME} exec sleep 300\n") as daemon:
        daemon.wait_for("attempt 1 started")
        launcher = daemon.launcher_pid
        os.kill(launcher, signal.SIGSTOP)
        os.kill(daemon.pid, signal.SIGKILL)
        os.waitid(os.P_PID, daemon.pid, os.WEXITED | os.WNOWAIT)
        following = DaemonProcess(tmp_path, f"@reboot name=next {ME} true\n")
        following.wait_for("limits by")  # it has opened the history, and knows of the launcher
        assert processes_with(f"CRONJOB_RUN={NAME}")
        os.kill(launcher, signal.SIGCONT)
        with following:
            assert not is_alive(launcher)
            assert not processes_with(f"CRONJOB_RUN={NAME}")
            assert following.stop() == 0
