import os
import select
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cronjob.core.zone import zone_name
from cronjob.host.clock import SystemClock, WallTimer, chance, system_zone


def readable(timer: WallTimer, seconds: float) -> bool:
    return bool(select.select([timer], [], [], seconds)[0])


def test_the_timer_becomes_readable_at_its_instant_and_not_before() -> None:
    clock, timer = SystemClock(), WallTimer()
    at = clock.now() + timedelta(milliseconds=80)
    assert timer.arm(at) is False
    assert readable(timer, 30)
    assert clock.now() >= at
    timer.acknowledge()
    assert not readable(timer, 0)
    timer.close()


def test_an_instant_in_the_past_is_due_at_once() -> None:
    timer = WallTimer()
    timer.arm(datetime(2000, 1, 1, tzinfo=UTC))
    assert readable(timer, 30)
    timer.close()


def test_a_disarmed_timer_stays_quiet() -> None:
    timer = WallTimer()
    timer.arm(SystemClock().now() + timedelta(milliseconds=20))
    timer.arm(None)
    assert not readable(timer, 0.1)
    timer.acknowledge()  # harmless when there is nothing to take note of
    timer.close()


def test_the_timer_is_not_inherited_by_commands() -> None:
    timer = WallTimer()
    assert not os.get_inheritable(timer.fileno())
    timer.close()


def test_the_two_clocks_of_a_moment_are_those_of_the_machine() -> None:
    before = time.clock_gettime(time.CLOCK_REALTIME), time.clock_gettime(time.CLOCK_MONOTONIC)
    moment = SystemClock().moment()
    after = time.clock_gettime(time.CLOCK_REALTIME), time.clock_gettime(time.CLOCK_MONOTONIC)
    assert before[0] - 1e-3 <= moment.now.timestamp() <= after[0] + 1e-3
    assert before[1] <= moment.monotonic <= after[1]
    assert moment.now.utcoffset() == timedelta()


def test_chance_lies_between_zero_and_one() -> None:
    drawn = [chance() for _ in range(100)]
    assert all(0 <= number < 1 for number in drawn)
    assert len(set(drawn)) > 1


@pytest.mark.parametrize(
    ("variable", "link", "named", "expected"),
    [
        ("Asia/Tokyo", "Europe/Paris", "Africa/Cairo", "Asia/Tokyo"),
        (":Asia/Tokyo", "Europe/Paris", "", "Asia/Tokyo"),
        ("", "Europe/Paris", "Africa/Cairo", "Europe/Paris"),
        ("", "", "Africa/Cairo\n", "Africa/Cairo"),
    ],
)
def test_the_system_zone_is_the_first_that_names_one(
    variable: str,
    link: str,
    named: str,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _machine(tmp_path, link, named)
    monkeypatch.setenv("TZ", variable)
    zone, problem = system_zone(str(tmp_path))
    assert (zone_name(zone), problem) == (expected, "")


def test_a_configured_zone_that_does_not_exist_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _machine(tmp_path, "Europe/Paris", "")
    monkeypatch.setenv("TZ", "Not/There")
    zone, problem = system_zone(str(tmp_path))
    assert zone_name(zone) == "Europe/Paris"
    assert problem.startswith('unknown time zone "Not/There"')


def test_an_unknown_system_zone_is_said_and_utc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _machine(tmp_path, "", "")
    monkeypatch.delenv("TZ", raising=False)
    zone, problem = system_zone(str(tmp_path))
    assert zone_name(zone) == "UTC"
    assert "time zone is not known" in problem


def _machine(root: Path, link: str, named: str) -> None:
    (root / "etc").mkdir()
    if link:
        (root / "etc/localtime").symlink_to(f"/usr/share/zoneinfo/{link}")
    if named:
        (root / "etc/timezone").write_text(named)
