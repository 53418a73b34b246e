"""The rules of a zone, or the zone of the system, change while the daemon runs."""

from datetime import datetime, timedelta, tzinfo

from cronjob.core.events import Announce
from cronjob.core.missed import Missed
from cronjob.testing import Simulation, entries_of

at = datetime.fromisoformat
NOON = at("2026-03-02T12:00Z")
HOUR = timedelta(hours=1)
TABLE = (
    "30 12 * * * name=before root x\n"
    "30 13 * * * name=after  root x\n"
    "*/30 * * * * name=wild  root x\n"
    "30 13 * * * name=utc tz=UTC root x\n"
)


class Place(tzinfo):
    """A zone at a fixed number of hours east of UTC, under any name."""

    def __init__(self, key: str, hours: int) -> None:
        self.key, self.hours = key, hours

    def utcoffset(self, _: datetime | None) -> timedelta:
        return self.hours * HOUR

    def dst(self, _: datetime | None) -> timedelta:
        return timedelta()

    def tzname(self, _: datetime | None) -> str:
        return self.key


def at_noon(hours: int = 1) -> Simulation:
    """A daemon in a city one hour east, where 13:00 has struck."""
    entries = entries_of(TABLE, zone=Place("Test/City", hours))
    simulation = Simulation(entries, start=at("2026-03-02T11:00Z"))
    simulation.run_until(NOON + timedelta(seconds=10))
    return simulation


def starts(simulation: Simulation, label: str) -> list[str]:
    return [f"{started:%H:%M}" for started, _, _ in simulation.starts(label)]


def rows(simulation: Simulation) -> list[Missed]:
    told = [effect for _, effect in simulation.timeline if isinstance(effect, Announce)]
    return [row for effect in told for row in effect.missed]


def test_a_database_that_says_the_same_changes_nothing() -> None:
    simulation = at_noon()
    awake = simulation.state.awake
    simulation.reload(entries_of(TABLE, zone=Place("Test/City", 1)))
    assert simulation.state.awake == awake
    simulation.run_until(at("2026-03-03T11:45Z"))
    assert starts(simulation, "before") == ["11:30", "11:30"]
    assert starts(simulation, "after") == ["12:30"]
    assert starts(simulation, "wild")[:4] == ["11:30", "12:00", "12:30", "13:00"]
    assert rows(simulation) == []


def test_a_wall_clock_that_the_database_puts_back_repeats_no_fixed_entry() -> None:
    simulation = at_noon()
    simulation.reload(entries_of(TABLE, zone=Place("Test/City", 0)))
    simulation.run_until(at("2026-03-02T14:10Z"))
    assert starts(simulation, "before") == ["11:30"]  # 12:30 comes again, and is not run again
    assert starts(simulation, "after") == ["13:30"]
    assert starts(simulation, "wild") == ["11:30", *("12:00", "12:30", "13:00", "13:30", "14:00")]
    assert rows(simulation) == []


def test_a_wall_clock_that_the_database_puts_forward_says_what_it_jumps_over() -> None:
    simulation = at_noon()
    now = simulation.clock.now()
    simulation.reload(entries_of(TABLE, zone=Place("Test/City", 2)))
    simulation.run_until(at("2026-03-02T14:10Z"))
    assert starts(simulation, "after") == []
    assert starts(simulation, "utc") == ["13:30"]
    passed = at("2026-03-02T11:30Z")
    why = "the rules of their time zone changed"
    assert rows(simulation) == [Missed(("after",), passed, passed, 1, why)]
    (report,) = simulation.reports("missed")
    assert report.text == (
        "1 entry missed fire times of 1 schedule between 2026-03-02 11:00:10Z and "
        f"{now:%F %T}Z: {why}"
    )


def test_after_a_step_back_new_rules_do_not_wake_what_is_quiet() -> None:
    simulation = at_noon()
    simulation.jump_wall(-HOUR)
    simulation.reload(entries_of(TABLE, zone=Place("Test/City", 1)))
    simulation.run_until(at("2026-03-02T12:40Z"))
    assert starts(simulation, "before") == ["11:30"]
    assert starts(simulation, "after") == ["12:30"]


def test_another_zone_of_the_system_plans_its_entries_anew() -> None:
    simulation = at_noon()
    simulation.reload(entries_of(TABLE, zone=Place("Test/Town", 0)))
    simulation.run_until(at("2026-03-02T13:40Z"))
    assert starts(simulation, "before") == ["11:30", "12:30"]  # 12:30 in the city, then in the town
    assert starts(simulation, "after") == ["13:30"]
    assert starts(simulation, "utc") == ["13:30"]
    assert rows(simulation) == []


def test_a_run_that_waits_when_the_rules_change_keeps_its_fire_time() -> None:
    simulation = Simulation(
        entries_of("0 13 * * * name=late jitter=30m root x\n", zone=Place("Test/City", 1)),
        start=at("2026-03-02T11:00Z"),
    )
    simulation.run_until(NOON)
    simulation.reload(
        entries_of("0 13 * * * name=late jitter=30m root x\n", zone=Place("Test/City", 2))
    )
    simulation.run_until(NOON + HOUR)
    assert [key for _, key, _ in simulation.starts()] == ["late@2026-03-02T12:00Z"]
