"""What a daemon started does not outlive it, however it ends."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.system.daemon_process import DaemonProcess, is_alive, processes_with

ROUNDS = int(os.environ.get("CRONJOB_ROUNDS", "3"))
JOBS = 20
ALLOWED = 0.2  #: seconds from the daemon's death to that of the last process

#: Each writes the pids of all it starts, then waits.
COMMANDS = (
    "sh -c 'echo $$ >> {pids}; sleep 300'",
    "echo $$ >> {pids}; setsid sh -c 'echo $$ >> {pids}; exec sleep 300' & sleep 300",
    "(setsid sh -c 'echo $$ >> {pids}; sleep 300 & echo $! >> {pids}; wait' &) ; "
    "echo $$ >> {pids}; sleep 300",
    "trap '' TERM HUP INT; echo $$ >> {pids}; sleep 300; sleep 300",
)
NAME = f"survivor{os.getpid()}-"
#: pids that each of the commands writes
WRITTEN = (1, 2, 3, 1)


def _table(user: str, folder: Path) -> str:
    lines = [
        f"@reboot name={NAME}{i} slots=1 {user} " + COMMANDS[i % 4].format(pids=folder / f"pids{i}")
        for i in range(JOBS)
    ]
    return "\n".join(lines) + "\n"


def _pids(folder: Path) -> list[int]:
    return [int(pid) for i in range(JOBS) for pid in _words(folder / f"pids{i}")]


def _words(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def _wait_until_all_run(folder: Path) -> list[int]:
    expected = sum(WRITTEN[i % 4] for i in range(JOBS))
    limit = time.monotonic() + 30
    while len(pids := _pids(folder)) < expected:
        assert time.monotonic() < limit, f"{len(pids)} of {expected} processes came up"
        os.sched_yield()
    return pids


def _survival(pids: list[int]) -> float:
    """Seconds until none of the processes is alive any more."""
    begin = time.monotonic()
    while any(map(is_alive, pids)) or processes_with(f"CRONJOB_RUN={NAME}"):
        assert time.monotonic() - begin < 10, "processes survive"
    return time.monotonic() - begin


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_nothing_survives_a_daemon_that_is_killed(user: str, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can run commands as root or nobody")
    os.chmod(tmp_path, 0o1777)  # sticky, or the table in there would be refused
    for parent in list(tmp_path.parents)[:3]:
        os.chmod(parent, parent.stat().st_mode | 0o011)
    worst = 0.0
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        folder.chmod(0o1777)
        with DaemonProcess(folder, _table(user, folder), "--slots", "64") as daemon:
            pids = _wait_until_all_run(folder)
            assert len(processes_with(f"CRONJOB_RUN={NAME}")) >= JOBS
            os.kill(daemon.pid, signal.SIGKILL)
            worst = max(worst, _survival(pids))
    print(
        f"\nworst of {ROUNDS} as {user}: {worst * 1000:.0f} ms to the last of {len(pids)} processes"
    )
    assert worst <= ALLOWED
