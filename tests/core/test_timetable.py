from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from cronjob.core.timetable import Timetable
from cronjob.testing import entries_of

at = datetime.fromisoformat
NOON = at("2026-03-02T12:00Z")
HOUR = timedelta(hours=1)


def planned(text: str, after: datetime = NOON) -> Timetable:
    timetable, skipped = Timetable().planned(entries_of(text), after)
    assert not skipped
    return timetable


def fire_times(timetable: Timetable) -> dict[str, str]:
    """Each entry's next fire time, by label."""
    return {
        label: f"{node.fire.at:%d %H:%M}" if node.fire else "never"
        for node in timetable.nodes.values()
        for label in node.labels
    }


def test_a_thousand_entries_with_one_schedule_are_one_node() -> None:
    timetable = planned("".join(f"0 * * * * name=e{i} root true\n" for i in range(1000)))
    (node,) = timetable.nodes.values()
    assert len(node.labels) == 1000
    assert len(timetable.heap) == 1


@pytest.mark.parametrize(
    ("one", "other", "nodes"),
    [
        ("*/30 1 * * *", "0,30 1 * * *", 2),  # equal sets, but a star follows real time
        ("0,30 1 * * *", "30,0 1 * * *", 1),
        ("0 0 * * *", "@daily", 1),
        ("0 0 * * 0", "0 0 * * sun", 1),
        ("0 9 * * *", "0 9 * * * tz=Europe/Paris", 2),
        ("0 9 * * * tz=UTC", "0 9 * * *", 1),
        ("0 9 * * * tz=Europe/Paris", "0 9 * * * tz=Europe/Berlin", 2),
    ],
)
def test_schedules_share_a_node_exactly_if_text_with_stars_and_zone_agree(
    one: str, other: str, nodes: int
) -> None:
    assert len(planned(f"{one} root true\n{other} root true\n").nodes) == nodes


def test_it_looks_again_at_the_earliest_of_all_fire_times() -> None:
    assert planned("0 14 * * * root true\n5 13 * * * root true\n").next_at == at(
        "2026-03-02T13:05Z"
    )


@pytest.mark.parametrize("text", ["", "@reboot root true\n", "0 0 30 2 * root true\n"])
def test_without_anything_that_fires_there_is_nothing_to_wait_for(text: str) -> None:
    timetable = planned(text)
    assert timetable.next_at is None
    assert timetable.take(NOON) == (timetable, ())


def test_reboot_entries_have_no_node() -> None:
    assert fire_times(planned("@reboot name=up root true\n0 14 * * * name=b root true\n")) == {
        "b": "02 14:00"
    }


def test_take_returns_what_is_due_as_it_was_and_plans_the_next_fire_time() -> None:
    timetable = planned(
        "0 13 * * * name=a root true\n*/30 * * * * name=b root true\n1 13 * * * name=c root true\n"
    )
    after, taken = timetable.take(at("2026-03-02T13:00Z"))
    assert [(one.node.labels, f"{one.fire.at:%H:%M}", one.alone) for one in taken] == [
        (("b",), "12:30", False),
        (("a",), "13:00", True),
    ]
    assert fire_times(after) == {"a": "03 13:00", "b": "02 13:30", "c": "02 13:01"}
    assert after.next_at == at("2026-03-02T13:01Z")


def test_take_leaves_what_is_not_due_and_changes_nothing_it_was_given() -> None:
    timetable = planned("0 13 * * * name=a root true\n")
    assert timetable.take(at("2026-03-02T12:59:59.999999Z")) == (timetable, ())
    before = repr(timetable)
    timetable.take(at("2026-03-02T13:00Z"))
    assert repr(timetable) == before


def test_a_fire_time_is_taken_once_and_the_next_one_in_its_turn() -> None:
    timetable = planned("0 13 * * * name=daily root true\n*/30 * * * * name=often root true\n")
    seen = []
    for minute in range(60, 121):
        timetable, taken = timetable.take(NOON + timedelta(minutes=minute))
        seen += [(minute, one.node.labels) for one in taken]
    assert seen == [(60, ("often",)), (60, ("daily",)), (90, ("often",)), (120, ("often",))]
    assert timetable.next_at == NOON + timedelta(minutes=150)


def test_other_tables_leave_the_next_fire_time_of_known_schedules_alone() -> None:
    early = planned("0 13 * * * name=a root true\n", NOON - timedelta(days=1))
    assert fire_times(early) == {"a": "01 13:00"}
    entries = entries_of("0 13 * * * name=other root x\n0 14 * * * name=new root y\n")
    later, skipped = early.planned(entries, NOON)
    assert fire_times(later) == {"other": "01 13:00", "new": "02 14:00"}
    assert not skipped


def test_schedules_that_left_the_tables_leave_the_timetable() -> None:
    timetable = planned("0 13 * * * name=a root true\n0 14 * * * name=b root true\n")
    entries = entries_of("0 14 * * * name=b root true\n")
    assert fire_times(timetable.planned(entries, NOON)[0]) == {"b": "02 14:00"}


@pytest.mark.parametrize(
    ("wildcards_only", "expected"),
    [
        (True, {"fixed": "02 13:00", "wildcard": "02 10:30"}),
        (False, {"fixed": "02 11:00", "wildcard": "02 10:30"}),
    ],
)
def test_after_a_step_back_wildcards_are_planned_anew_and_fixed_ones_if_asked(
    wildcards_only: bool, expected: dict[str, str]
) -> None:
    timetable = planned(
        "0 11,13 * * * name=fixed root true\n*/30 * * * * name=wildcard root true\n"
    )
    again = timetable.replanned(at("2026-03-02T10:10Z"), wildcards_only=wildcards_only)
    assert fire_times(again) == expected
    assert again.next_at == at("2026-03-02T10:30Z")


class City(tzinfo):
    """A zone of which only the name stays when its rules change: hours east of UTC."""

    key = "Test/City"

    def __init__(self, hours: float) -> None:
        self.hours = hours

    def utcoffset(self, _: datetime | None) -> timedelta:
        return timedelta(hours=self.hours)

    def dst(self, _: datetime | None) -> timedelta:
        return timedelta()

    def tzname(self, _: datetime | None) -> str:
        return self.key


def moved(columns: str, hours: float, *, before: float = 1.0) -> tuple[str, str]:
    """The next fire time after a day, once the zone has other rules, and since when it skips."""
    text = f"{columns} name=a root true\n"
    timetable, _ = Timetable().planned(
        entries_of(text, zone=City(before)), NOON - timedelta(days=1)
    )
    timetable, _ = timetable.take(NOON)
    after, skipped = timetable.planned(entries_of(text, zone=City(hours)), NOON)
    since = "".join(f"{one.since:%d %H:%M}" for one in skipped)
    return fire_times(after)["a"], since


@pytest.mark.parametrize(
    ("columns", "hours", "fire", "skips_since"),
    [  # it is noon in UTC, and was 13:00 in the city
        ("30 12 * * *", 1, "03 11:30", ""),  # the same rules in another object
        ("30 13 * * *", 1, "02 12:30", ""),
        ("30 12 * * *", 0, "03 12:30", ""),  # the wall shows 12:00 again: 12:30 has been
        ("0 13 * * *", 0, "03 13:00", ""),  # even this one, which is a moment ago
        ("30 13 * * *", 0, "02 13:30", ""),  # but this one has not
        ("30 12 * * *", 2, "03 10:30", ""),  # the wall shows 14:00: 12:30 is over and was taken
        ("30 13 * * *", 2, "03 11:30", "02 11:00"),  # what was to come has passed
        ("0 14 * * *", 2, "03 12:00", "02 11:00"),
        ("30 14 * * *", 2, "02 12:30", ""),
        ("*/30 * * * *", 0.25, "02 12:15", ""),  # a wildcard follows real time
        ("*/30 * * * *", 2, "02 12:30", ""),
    ],
)
def test_a_fixed_schedule_goes_on_on_the_wall_when_the_rules_of_its_zone_change(
    columns: str, hours: float, fire: str, skips_since: str
) -> None:
    assert moved(columns, hours) == (fire, skips_since)


def test_other_rules_move_only_the_schedules_of_their_zone() -> None:
    text = "0 13 * * * name=city root true\n0 13 * * * name=utc tz=UTC root true\n"
    timetable, _ = Timetable().planned(entries_of(text, zone=City(0)), NOON)
    after, skipped = timetable.planned(entries_of(text, zone=City(-2)), NOON)
    assert fire_times(after) == {"city": "02 15:00", "utc": "02 13:00"}
    assert not skipped
    assert {node.schedule.zone for node in after.nodes.values()} != {
        node.schedule.zone for node in timetable.nodes.values()
    }


class Gapped(City):
    """An hour east, and two from 12:30 UTC on 2 March 2026 on."""

    def utcoffset(self, moment: datetime | None) -> timedelta:
        assert moment is not None
        wall = moment.replace(tzinfo=None) + timedelta(hours=moment.fold)
        return timedelta(hours=2 if wall >= datetime(2026, 3, 2, 14, 30) else 1)  # noqa: DTZ001 # a wall time

    def fromutc(self, moment: datetime) -> datetime:
        return moment + timedelta(hours=2 if moment.replace(tzinfo=UTC) >= CHANGE else 1)


CHANGE = at("2026-03-02T12:30Z")


@pytest.mark.parametrize(
    ("columns", "fire"), [("45 13 * * *", "02 12:30"), ("0 13 * * *", "03 11:00")]
)
def test_new_rules_may_bring_a_gap(columns: str, fire: str) -> None:
    text = f"{columns} name=a root true\n"
    timetable, _ = Timetable().planned(entries_of(text, zone=City(1)), NOON - timedelta(days=1))
    timetable, _ = timetable.take(NOON)
    after, skipped = timetable.planned(entries_of(text, zone=Gapped(1)), NOON)
    assert fire_times(after) == {"a": fire}
    assert not skipped


def test_what_never_fires_is_kept_so_that_a_reload_need_not_look_again() -> None:
    text = "0 0 30 2 * name=never root x\n0 12 * * * name=noon root x\n"
    timetable = planned(text)
    assert fire_times(timetable) == {"never": "never", "noon": "03 12:00"}
    again, _ = timetable.planned(entries_of(text), NOON + timedelta(days=1))
    assert fire_times(again) == fire_times(timetable)  # nothing was planned anew
    assert fire_times(again.replanned(NOON, wildcards_only=False))["never"] == "never"


def test_a_last_fire_time_leaves_a_schedule_without_one() -> None:
    end = at("9998-12-31T23:00Z")
    timetable, taken = planned("59 23 31 12 * name=last root x\n", end).take(end + HOUR)
    assert [one.node.labels for one in taken] == [("last",)]
    assert (timetable.next_at, fire_times(timetable)) == (None, {"last": "never"})


def test_new_rules_after_a_step_back_repeat_nothing_of_what_was_taken_together() -> None:
    text = "0,30 10-12 * * * name=a root true\n"
    timetable, _ = Timetable().planned(entries_of(text, zone=City(0)), NOON - 3 * HOUR)
    timetable, _ = timetable.take(NOON)  # all from 10:00 on
    after, skipped = timetable.planned(entries_of(text, zone=City(0)), NOON - HOUR)
    assert fire_times(after) == {"a": "02 12:30"}
    assert not skipped


def test_the_upcoming_nodes_come_in_the_order_of_their_times() -> None:
    lines = (f"{i * 37 % 60} {i % 24} {i % 28 + 1} * * name=e{i} root x\n" for i in range(200))
    timetable = planned("".join(lines))
    times = [time for time, _ in timetable.upcoming()]
    assert times == sorted(time for time, _, _ in timetable.heap)
    assert len(times) == 200
    assert not list(Timetable().upcoming())


def test_to_lift_and_to_follow_is_to_take_with_the_look_ahead_put_off() -> None:
    text = "".join(f"0 13-{13 + n} * * * name=e{n} root true\n" for n in range(5))
    timetable = planned(text + "30 14 * * * name=later root true\n")
    now = at("2026-03-02T13:00:05Z")
    lifted = timetable.lift(now)
    assert [node.labels for node in lifted.lifted] == [(f"e{n}",) for n in (0, 1, 2, 3, 4)]
    assert fire_times(lifted) == {"later": "02 14:30"}
    some, nodes = lifted.follow(3)
    assert fire_times(some) == {"e0": "03 13:00", "e1": "02 14:00", "e2": "02 14:00"} | {
        "later": "02 14:30"
    }
    assert nodes == tuple(some.nodes[node.schedule.key] for node in lifted.lifted[:3])
    after, _ = some.follow(9)
    assert after.lifted == ()
    assert fire_times(after) == fire_times(timetable.take(now)[0])
    assert after.follow(9) == (after, ())
