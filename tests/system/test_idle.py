"""A daemon with nothing to do does nothing."""

import os
import select
from pathlib import Path

from cronjob.host.identity import own_name
from tests.system.daemon_process import DaemonProcess

SECONDS = float(os.environ.get("CRONJOB_IDLE_SECONDS", "6"))


def _switches(pid: int) -> int:
    """Context switches of all threads of a process, wanted and forced ones."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if "ctxt_switches" in line:
                total += int(line.split()[1])
    return total


def test_nothing_wakes_up_between_two_fire_times(tmp_path: Path) -> None:
    table = f"0 0 1 1 * {own_name()} true\n"
    with DaemonProcess(tmp_path, table, environment={"WATCHDOG_USEC": ""}) as daemon:
        pids = (daemon.pid, daemon.launcher_pid)
        ended = os.pidfd_open(daemon.pid)
        select.select([ended], [], [], 1)  # let the check of the users and of the log be over
        before = [_switches(pid) for pid in pids]
        assert not select.select([ended], [], [], SECONDS)[0]
        after = [_switches(pid) for pid in pids]
        os.close(ended)
    print(f"\ncontext switches in {SECONDS:.0f} s (daemon, launcher): {before} -> {after}")
    assert before == after
