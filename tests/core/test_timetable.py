from datetime import datetime, timedelta

import pytest

from cronjob.core.timetable import Timetable
from cronjob.testing import entries_of

at = datetime.fromisoformat
NOON = at("2026-03-02T12:00Z")


def planned(text: str, after: datetime = NOON) -> Timetable:
    return Timetable().planned(entries_of(text), after)


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
    assert [(node.labels, node.fire and f"{node.fire.at:%H:%M}") for node in taken] == [
        (("b",), "12:30"),
        (("a",), "13:00"),
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
        seen += [(minute, node.labels) for node in taken]
    assert seen == [(60, ("often",)), (60, ("daily",)), (90, ("often",)), (120, ("often",))]
    assert timetable.next_at == NOON + timedelta(minutes=150)


def test_other_tables_leave_the_next_fire_time_of_known_schedules_alone() -> None:
    early = planned("0 13 * * * name=a root true\n", NOON - timedelta(days=1))
    assert fire_times(early) == {"a": "01 13:00"}
    entries = entries_of("0 13 * * * name=other root x\n0 14 * * * name=new root y\n")
    assert fire_times(early.planned(entries, NOON)) == {"other": "01 13:00", "new": "02 14:00"}
    assert fire_times(early.planned(entries, NOON, keep=False)) == {
        "other": "02 13:00",
        "new": "02 14:00",
    }


def test_schedules_that_left_the_tables_leave_the_timetable() -> None:
    timetable = planned("0 13 * * * name=a root true\n0 14 * * * name=b root true\n")
    entries = entries_of("0 14 * * * name=b root true\n")
    assert fire_times(timetable.planned(entries, NOON)) == {"b": "02 14:00"}


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


@pytest.mark.parametrize(
    ("since", "until", "labels"),
    [
        ("2026-03-02T12:00Z", "2026-03-02T13:00Z", ["half", "hour"]),
        ("2026-03-02T12:00Z", "2026-03-02T12:59:59Z", ["half"]),
        ("2026-03-02T13:00Z", "2026-03-02T13:29:59Z", []),  # `since` itself is dealt with
        ("2026-03-02T12:00Z", "2026-03-02T12:00Z", []),
        ("2026-01-01T00:00Z", "2026-03-02T12:00Z", ["half", "hour"]),  # both once
    ],
)
def test_missed_names_each_node_that_had_a_fire_time_in_between(
    since: str, until: str, labels: list[str]
) -> None:
    timetable = planned("0 * * * * name=hour root true\n30 * * * * name=half root true\n")
    missed = timetable.missed(at(since), at(until))
    assert sorted(label for node in missed for label in node.labels) == labels
