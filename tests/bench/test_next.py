"""What `next` costs beside the one call of croniter that it replaces.

Both are asked for the fire times after the same instants, in turns, in one process; croniter gets
the wall time of each and knows nothing of zones.  Cold means that nobody asked for those dates
before; warm means that the same instants are asked for again.  CRONJOB_BENCH=full takes longer.
"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from time import process_time

from croniter import croniter

from cronjob.core.schedule import Schedule
from tests.bench.yardstick import leeway

ROUNDS = 60 if os.environ.get("CRONJOB_BENCH") == "full" else 12
ASKED = 40  # instants a round
MOST = 2.0  # times the call of croniter
TRIES = 3
FIRST = datetime(2000, 1, 1, 0, 0, 17, tzinfo=UTC)
APART = timedelta(days=1, hours=7, minutes=13)

CASES = [
    ("* * * * *", "Europe/Berlin"),
    ("*/5 * * * *", "America/New_York"),
    ("30 2 * * *", "Europe/Berlin"),
    ("0,30 8-18 * * *", "Asia/Kathmandu"),
    ("0 9 * * 1-5", "America/New_York"),
    ("0 0 13 * 5", "UTC"),
    ("0 0 1 * *", "America/Sao_Paulo"),
    ("15 6 1,15 1-6 *", "Australia/Lord_Howe"),
    ("0 0 29 2 *", "Europe/Dublin"),
]


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of CPU per question, the median of all rounds."""

    cold: float
    warm: float
    croniter: float

    @property
    def ratio(self) -> float:
        return self.cold / self.croniter


def timed(asked: int, started: float) -> float:
    return (process_time() - started) / asked * 1e6


def undisturbed(text: str, zone: str) -> Cost:
    """The cost; measured again, at other times, when something else may have had a part in it."""
    for turn in range(TRIES):
        cost = measured(text, zone, FIRST + turn * ROUNDS * ASKED * APART)
        if cost.ratio <= MOST:
            break
    return cost


def measured(text: str, zone: str, first: datetime) -> Cost:
    schedule = Schedule.parse(text, zone=zone)
    lists = " ".join(
        "*" if column.full else ",".join(map(str, column.values)) for column in schedule.columns
    )
    bare = croniter(lists, day_or=not (schedule.columns[2].star or schedule.columns[4].star))
    ours, again, theirs = list[float](), list[float](), list[float]()
    for number in range(ROUNDS):
        start = first + number * ASKED * APART
        instants = [start + n * APART for n in range(ASKED)]
        walls = [at.astimezone(schedule.zone).replace(tzinfo=None) for at in instants]
        for costs in (ours, again):
            started = process_time()
            for at in instants:
                schedule.next(at)
            costs.append(timed(ASKED, started))
        started = process_time()
        for wall in walls:
            bare.get_next(datetime, start_time=wall)
        theirs.append(timed(ASKED, started))
    return Cost(median(ours), median(again), median(theirs))


def test_next_costs_at_most_twice_the_call_of_croniter_that_it_replaces() -> None:
    print(f"\n{'columns':18}{'zone':22}{'cold us':>8}{'warm us':>9}{'croniter us':>13}{'ratio':>7}")
    costs = {}
    for case in CASES:
        costs[case] = cost = undisturbed(*case)
        print(
            f"{case[0]:18}{case[1]:22}{cost.cold:8.1f}{cost.warm:9.1f}"
            f"{cost.croniter:13.1f}{cost.ratio:7.2f}"
        )
    worst = max(cost.ratio for cost in costs.values())
    middle = median(cost.ratio for cost in costs.values())
    print(
        f"ratio of cold to croniter: median {middle:.2f}, worst {worst:.2f}; "
        f"at most {MOST:.2f} allowed"
    )
    assert worst <= MOST


def test_a_year_of_every_minute_is_listed_in_seconds() -> None:
    schedule = Schedule.parse("* * * * *", zone="Europe/Berlin")
    start = datetime(2027, 1, 1, tzinfo=UTC)
    days = 365 if ROUNDS > 12 else 73
    started = process_time()
    found = schedule.between(start, start + timedelta(days=days))
    year = (process_time() - started) * 365 / days
    print(f"\na year of `* * * * *` in Europe/Berlin: {year:.2f} s CPU, at most 5 s allowed")
    assert len(found) == days * 24 * 60
    assert year < 5 * leeway()
