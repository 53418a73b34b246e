"""The pool of slots, seen from what the commands themselves wrote."""

import time
from datetime import datetime
from pathlib import Path

from tests.system.daemon_process import DaemonProcess

ENTRIES = 200
SLOTS = 8
ALLOWED = 10.0  #: seconds from the first start to the last; half a one where nothing else runs

#: CLOCK_MONOTONIC is the first number of /proc/uptime: what a command can read without a program.
STAMP = "read up rest < /proc/uptime; echo $up >> {file}"


def _stamps(folder: Path, suffix: str) -> list[float]:
    return sorted(float(path.read_text()) for path in folder.glob(f"*.{suffix}"))


def _times_of(lines: list[str]) -> list[float]:
    return [datetime.fromisoformat(line.split()[0]).timestamp() for line in lines]


def test_two_hundred_entries_due_at_once_start_without_pauses(tmp_path: Path) -> None:
    table = "".join(f"@reboot name=t{i} slots=1 {_user()} true\n" for i in range(ENTRIES))
    with DaemonProcess(tmp_path, table, "--slots", str(SLOTS)) as daemon:
        daemon.wait_for("attempt 1 succeeded", ENTRIES)
        starts = _times_of(daemon.wait_for("attempt 1 started", ENTRIES))
        last = max(starts) - min(starts)
        print(f"\nlast of {ENTRIES} starts {last:.2f} s after the first, {SLOTS} slots")
        assert last <= ALLOWED


def test_never_more_run_at_once_than_there_are_slots(tmp_path: Path) -> None:
    begin, end = (STAMP.format(file=f"{tmp_path}/$CRONJOB_NAME.{x}") for x in ("begin", "end"))
    command = f"{begin}; sleep 0.1; {end}"
    table = "".join(f"@reboot name=t{i} slots=1 {_user()} {command}\n" for i in range(ENTRIES))
    with DaemonProcess(tmp_path, table, "--slots", str(SLOTS)) as daemon:
        daemon.wait_for("attempt 1 succeeded", ENTRIES)
        waits = daemon.wait_for("waits for a slot: 8 of 8 are taken", ENTRIES - SLOTS)
        assert len(waits) == ENTRIES - SLOTS
        assert len(daemon.wait_for("waited .* for a slot", ENTRIES - SLOTS)) == ENTRIES - SLOTS
    begins, ends = _stamps(tmp_path, "begin"), _stamps(tmp_path, "end")
    assert len(begins) == len(ends) == ENTRIES
    assert _most_at_once(begins, ends) <= SLOTS


def test_the_next_free_slot_goes_to_the_highest_priority(tmp_path: Path) -> None:
    order = tmp_path / "order"
    lines = [f"@reboot name=first slots=1 {_user()} sleep 0.3"]
    for name, priority in (("low", -1), ("middle", 0), ("high", 1)):
        command = f"echo {name} >> {order}"
        lines.append(f"@reboot name={name} slots=1 priority={priority} {_user()} {command}")
    with DaemonProcess(tmp_path, "\n".join(lines) + "\n", "--slots", "1") as daemon:
        daemon.wait_for("attempt 1 succeeded", 4)
    # `high` is at the head of the line from the beginning, so `first` follows it.
    assert order.read_text().split() == ["high", "middle", "low"]


def _most_at_once(begins: list[float], ends: list[float]) -> int:
    """Stamps have 10 ms; an end and a begin in the same one count as apart."""
    events = sorted([(at, 1) for at in begins] + [(at, -1) for at in ends])
    running = most = 0
    for _, change in events:
        running += change
        most = max(most, running)
    return most


def _user() -> str:
    from cronjob.host.identity import own_name

    return own_name()


def test_the_clock_of_the_stamps_is_the_monotonic_one() -> None:
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    assert abs(uptime - time.clock_gettime(time.CLOCK_BOOTTIME)) < 1
