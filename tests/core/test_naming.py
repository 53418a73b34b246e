from datetime import timedelta

import pytest

from cronjob import parse_table
from cronjob.core.entry import Style
from cronjob.core.naming import drawn_delay


def names(text: str) -> list[str]:
    return [entry.name for entry in parse_table(text, source="t").entries]


def errors(text: str, style: Style = "system") -> list[str]:
    return [str(problem) for problem in parse_table(text, source="t", style=style).errors]


def test_a_given_name_may_not_be_one_that_was_generated_above() -> None:
    (generated,) = names("0 0 * * * root x\n")
    text = f"0 0 * * * root x\n1 1 * * * name={generated} root y\n"
    assert errors(text) == [f't:2:11: the name "{generated}" is already used on line 1']
    assert names(text) == [generated]


def test_a_generated_name_avoids_one_that_was_given_above() -> None:
    (generated,) = names("0 0 * * * root x\n")
    text = f"1 1 * * * name={generated} root y\n0 0 * * * root x\n"
    assert names(text) == [generated, f"{generated}~2"]


def test_identical_lines_are_counted() -> None:
    first, second, third = names("0 0 * * * root x\n" * 3)
    assert (second, third) == (f"{first}~2", f"{first}~3")


def test_the_name_cannot_be_a_default_and_the_place_is_its_own() -> None:
    assert errors("@defaults retry=1 name=x\n") == [
        "t:1:19: @defaults cannot give a name: names are one entry's own"
    ]


@pytest.mark.parametrize("line", ["@defaults tz=Mars/Olympus", "CRON_TZ=Mars/Olympus"])
def test_an_unknown_zone_stops_the_entries_below_it_that_have_none_of_their_own(line: str) -> None:
    text = (
        f"{line}\n0 9 * * * name=stopped root x\n0 9 * * * name=own tz=Asia/Tokyo root x\n"
        "@defaults tz=Asia/Tokyo\n0 9 * * * name=below root x\n"
    )
    assert names(text) == ["own", "below"]
    assert errors(text)[1].startswith("t:2:1: not run: ")
    assert errors(text)[1].endswith(" on line 1 names an unknown time zone")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("nice=-5", "nice below 0 is not allowed in a user table"),
        ("priority=1", "priority above 0 is not allowed in a user table"),
        ("slots=0", "slots=0 is not allowed in a user table"),
    ],
)
def test_a_user_table_cannot_push_others_aside(fields: str, message: str) -> None:
    assert errors(f"0 0 * * * {fields} x\n", "user") == [f"t:1:11: {message}"]
    assert errors(f"0 0 * * * {fields} root x\n") == []


def test_a_drawn_delay_is_a_stable_part_of_the_jitter_that_differs_between_hosts() -> None:
    jitter = timedelta(minutes=10)
    delays = {drawn_delay(jitter, f"host{i}", "root", "job") for i in range(50)}
    assert len(delays) == 50
    assert all(timedelta() <= delay < jitter for delay in delays)
    assert drawn_delay(jitter, "host1", "root", "job") in delays
