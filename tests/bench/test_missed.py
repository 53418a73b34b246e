"""What a daemon spends on its start after a year in which it was not there."""

from datetime import UTC, datetime, timedelta
from time import process_time

from cronjob.core.missed import Absence
from cronjob.core.schedule import Schedule
from tests.bench.yardstick import leeway

SECONDS = 3.0
DAYS = ("* * *", "* * 1-5", "1,15 * *", "*/2 * *", "* * 0")


def test_a_year_of_thousands_of_schedules_is_counted_within_its_limit() -> None:
    schedules = [
        Schedule.parse(f"{n % 60} {n // 60 % 24} {DAYS[n % 5]}", zone="Europe/Berlin")
        for n in range(3600)
    ]
    until = datetime(2026, 3, 2, 10, tzinfo=UTC)
    started = process_time()
    absence = Absence(until - timedelta(days=365), until, "no daemon was running")
    rows = [absence.missed(schedule, ("a",)) for schedule in schedules]
    spent = process_time() - started
    print(f"\na year of {len(rows)} schedules: {spent:.2f} s CPU, at most {SECONDS:.0f} s allowed")
    assert all(rows)
    assert spent < SECONDS * leeway()
