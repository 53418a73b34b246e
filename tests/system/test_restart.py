"""What a daemon does about the time when none was running."""

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cronjob.host.identity import own_name
from cronjob.host.statefile import boot_identity
from tests.system.daemon_process import DaemonProcess

ME = own_name()


def _now() -> datetime:
    return datetime.fromtimestamp(time.clock_gettime(time.CLOCK_REALTIME), UTC)


def _left_by_another(folder: Path, planned: datetime, stopped: datetime | None) -> None:
    """The state file of a daemon that has just gone."""
    (folder / "state").mkdir()
    state = {
        "version": 1,
        "boot": boot_identity(),
        "planned": planned.isoformat(),
        "stopped": stopped.isoformat() if stopped else None,
        "waiting": [],
        "interrupted": [],
    }
    (folder / "state" / "state.json").write_text(json.dumps(state))


def test_a_fire_time_that_fell_into_a_restart_is_not_lost(tmp_path: Path) -> None:
    due = _now().replace(second=0, microsecond=0)
    _left_by_another(tmp_path, due - timedelta(seconds=1), stopped=_now())
    with DaemonProcess(tmp_path, f"* * * * * name=job {ME} true\n") as daemon:
        daemon.wait_for(rf"job@{due:%Y-%m-%dT%H:%M}Z: attempt 1 succeeded")


def test_fire_times_missed_by_a_longer_absence_are_said_once_and_not_made_up_for(
    tmp_path: Path,
) -> None:
    last = _now() - timedelta(days=3)
    _left_by_another(tmp_path, last, stopped=last)
    table = f"0 */6 * * * name=often {ME} true\n0 0 1 1 * name=yearly {ME} true\n"
    with DaemonProcess(tmp_path, table) as daemon:
        (line,) = daemon.wait_for("missed fire times")
        assert "warning: 1 entry missed fire times of 1 schedule between" in line
        assert f"between {last:%Y-%m-%d %H:%M:%S}Z and" in line
        assert line.endswith("no daemon was running")
    assert not [line for line in daemon.log if "attempt" in line and "often" in line]


def test_a_killed_daemon_does_not_start_a_fire_time_again(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    table = f"@reboot name=job {ME} echo ran >> {ran}; sleep 300\n"
    for _ in range(2):
        with DaemonProcess(tmp_path, table) as daemon:
            if not ran.exists():
                daemon.wait_for("attempt 1 started")
                while not (ran.exists() and ran.read_text()):
                    os.sched_yield()
            os.kill(daemon.pid, 9)
    assert ran.read_text() == "ran\n"


def test_a_state_file_that_makes_no_sense_is_said_and_the_daemon_goes_on(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "state.json").write_text("not JSON")
    with DaemonProcess(tmp_path, f"@reboot name=job {ME} true\n") as daemon:
        daemon.wait_for("state.json cannot be used")
        daemon.wait_for("attempt 1 succeeded")


def test_a_state_directory_that_cannot_be_written_costs_the_record_and_no_run(
    tmp_path: Path,
) -> None:
    (tmp_path / "state" / "state.json.new").mkdir(parents=True)
    with DaemonProcess(tmp_path, f"@reboot name=job {ME} true\n") as daemon:
        daemon.wait_for("error: cannot write .*state.json: Is a directory; going on without")
        daemon.wait_for("attempt 1 succeeded")
