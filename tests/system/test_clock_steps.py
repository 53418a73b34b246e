"""A real daemon whose clocks are set, or whose time passes at once, as when a machine sleeps."""

import signal
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cronjob.host.identity import own_name
from tests.system.daemon_process import ClockDaemon

ME = own_name()
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

at = datetime.fromisoformat


def _table(*lines: str) -> str:
    return "".join(f"{columns} name={name} {ME} true\n" for name, columns in map(_split, lines))


def _split(line: str) -> tuple[str, str]:
    name, _, columns = line.partition(": ")
    return name, columns


def _started(daemon: ClockDaemon, count: int) -> list[str]:
    """The runs that have started, by name and time, once there are `count` of them."""
    daemon.wait_for(r"attempt 1 succeeded", count)
    daemon.stop()
    return sorted(daemon.starts())


# -- forward: by a hand on the clock, or by a sleep of the machine, in which CLOCK_MONOTONIC stands


@pytest.mark.parametrize(
    ("by", "wild", "fixed"),
    [
        (2 * MINUTE, ["12:01", "12:02"], ["12:01"]),
        (HOUR, ["13:00"], ["12:40"]),
    ],
)
def test_after_a_step_forward_starts_what_the_bands_say(
    by: timedelta, wild: list[str], fixed: list[str], tmp_path: Path
) -> None:
    table = _table("wild: * * * * *", "fixed: 1,20,40 12 * * *")
    with ClockDaemon(tmp_path, table, at("2026-03-02T12:00:30Z")) as daemon:
        daemon.set_clock(by)
        daemon.wait_for("the clock went forward by")
        started = _started(daemon, len(wild) + len(fixed))
    assert started == [f"fixed@2026-03-02T{time}Z" for time in fixed] + [
        f"wild@2026-03-02T{time}Z" for time in wild
    ]


def test_after_a_step_forward_of_hours_all_is_missed_and_said_and_the_next_minute_starts(
    tmp_path: Path,
) -> None:
    table = _table("wild: * * * * *", "fixed: 20 12 * * *")
    with ClockDaemon(tmp_path, table, at("2026-03-02T12:00:30Z")) as daemon:
        daemon.set_clock(5 * HOUR)
        daemon.wait_for("2 entries missed fire times .* woken 4h 59m late")
        daemon.pass_until(at("2026-03-02T17:00:59.9Z"))
        assert _started(daemon, 1) == ["wild@2026-03-02T17:01Z"]


# -- back ----------------------------------------------------------------------------------------

BOTH = _table("wild: */30 * * * *", "fixed: 0,30 5,9,10 * * *")


def _run_at_ten(daemon: ClockDaemon) -> None:
    """Let both entries run."""
    daemon.pass_until(at("2026-03-02T09:59:59.9Z"))
    daemon.wait_for("succeeded", 2)


def _set_back(daemon: ClockDaemon, by: timedelta, said: str) -> None:
    """Set the clock back, and see it noticed."""
    daemon.set_clock(-by)
    daemon.wait_for(f"the clock went back by {said}")


def _end(daemon: ClockDaemon, ending: signal.Signals) -> None:
    daemon.signal(ending)
    daemon.wait()


def test_after_a_short_step_back_fixed_entries_are_quiet_until_it_is_made_up_for(
    tmp_path: Path,
) -> None:
    with ClockDaemon(tmp_path, BOTH, at("2026-03-02T09:59:30Z")) as daemon:
        _run_at_ten(daemon)
        _set_back(daemon, 30 * MINUTE, "30m")
        daemon.pass_until(at("2026-03-02T09:59:59.9Z"))
        daemon.wait_for("wild@2026-03-02T10:00Z#2: attempt 1 succeeded")
        daemon.pass_until(at("2026-03-02T10:29:59.9Z"))
        assert _started(daemon, 5) == [
            "fixed@2026-03-02T10:00Z",
            "fixed@2026-03-02T10:30Z",
            "wild@2026-03-02T10:00Z",
            "wild@2026-03-02T10:00Z#2",
            "wild@2026-03-02T10:30Z",
        ]


def test_after_a_step_back_of_hours_everything_is_planned_anew(tmp_path: Path) -> None:
    with ClockDaemon(tmp_path, BOTH, at("2026-03-02T09:59:30Z")) as daemon:
        _run_at_ten(daemon)
        _set_back(daemon, 5 * HOUR, "5h")
        daemon.pass_until(at("2026-03-02T05:29:59.9Z"))
        assert _started(daemon, 4)[1::2] == [
            "fixed@2026-03-02T10:00Z",
            "wild@2026-03-02T10:00Z",
        ]
        assert sorted(daemon.starts())[::2] == [
            "fixed@2026-03-02T05:30Z#2",
            "wild@2026-03-02T05:30Z#2",
        ]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_behind_the_high_water_mark_does_not_run_fixed_entries_twice(
    ending: signal.Signals, tmp_path: Path
) -> None:
    with ClockDaemon(tmp_path, BOTH, at("2026-03-02T09:59:30Z")) as daemon:
        _run_at_ten(daemon)
        _set_back(daemon, 30 * MINUTE, "30m")
        _end(daemon, ending)
    with ClockDaemon(tmp_path, BOTH, at("2026-03-02T09:59:30Z")) as daemon:
        daemon.pass_until(at("2026-03-02T09:59:59.9Z"))
        daemon.wait_for("succeeded")
        daemon.pass_until(at("2026-03-02T10:29:59.9Z"))
        assert _started(daemon, 3) == [
            "fixed@2026-03-02T10:30Z",
            "wild@2026-03-02T10:00Z#2",
            "wild@2026-03-02T10:30Z",
        ]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_during_the_repeated_hour_does_not_run_fixed_entries_twice(
    ending: signal.Signals, tmp_path: Path
) -> None:
    """02:30 comes at 00:30Z and again at 01:30Z."""
    table = "@defaults tz=Europe/Berlin\n" + _table("wild: */30 * * * *", "fixed: 30 2 * * *")
    with ClockDaemon(tmp_path, table, at("2025-10-26T00:29:30Z")) as daemon:
        daemon.pass_until(at("2025-10-26T00:29:59.9Z"))
        daemon.wait_for("succeeded", 2)
        _end(daemon, ending)
        assert sorted(daemon.starts()) == ["fixed@2025-10-26T00:30Z", "wild@2025-10-26T00:30Z"]
    with ClockDaemon(tmp_path, table, at("2025-10-26T01:29:30Z")) as daemon:
        daemon.pass_until(at("2025-10-26T01:29:59.9Z"))
        daemon.wait_for("wild@.* succeeded")
        daemon.pass_until(at("2025-10-26T01:59:59.9Z"))
        assert set(_started(daemon, 2)) == {"wild@2025-10-26T01:30Z", "wild@2025-10-26T02:00Z"}


# -- late ----------------------------------------------------------------------------------------


def test_a_daemon_that_was_stopped_for_minutes_starts_every_fire_time_and_sees_no_step(
    tmp_path: Path,
) -> None:
    table = _table("wild: * * * * *", "fixed: 3 12 * * *")
    with ClockDaemon(tmp_path, table, at("2026-03-02T12:00:30Z")) as daemon:
        daemon.signal(signal.SIGSTOP)
        daemon.pass_time(4 * MINUTE)
        daemon.signal(signal.SIGCONT)
        assert _started(daemon, 5) == [
            "fixed@2026-03-02T12:03Z",
            *(f"wild@2026-03-02T12:0{minute}Z" for minute in (1, 2, 3, 4)),
        ]
        assert not [line for line in daemon.log if "the clock went" in line]


def test_a_daemon_that_was_stopped_over_a_fire_time_starts_it_late(tmp_path: Path) -> None:
    """By the machine's own time: nothing but the two signals."""
    with ClockDaemon(tmp_path, _table("wild: * * * * *"), at("2026-03-02T12:00:52Z")) as daemon:
        daemon.signal(signal.SIGSTOP)
        daemon.read_until(at("2026-03-02T12:01:01Z") - (daemon.now - daemon.machine_now))
        assert daemon.starts() == []
        daemon.signal(signal.SIGCONT)
        assert _started(daemon, 1) == ["wild@2026-03-02T12:01Z"]
        assert not [line for line in daemon.log if "the clock went" in line]


def test_what_a_timer_was_armed_for_comes_at_its_time_by_the_clock_that_was_set(
    tmp_path: Path,
) -> None:
    with ClockDaemon(tmp_path, _table("wild: 5 * * * *"), at("2026-03-02T12:00:30Z")) as daemon:
        daemon.set_clock(at("2026-03-02T12:04:58Z") - daemon.now)
        assert _started(daemon, 1) == ["wild@2026-03-02T12:05Z"]
        step, start = daemon.wait_for("the clock went forward by|attempt 1 started", 2)
        assert "the clock went" in step
        assert at("2026-03-02T12:05Z") <= at(start.split()[0]) < at("2026-03-02T12:06Z")
