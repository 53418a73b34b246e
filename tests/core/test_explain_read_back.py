"""An explanation, read back by somebody else, allows what the schedule does."""

from datetime import UTC, date, datetime, time, timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from cronjob import Schedule
from cronjob.core.explain.schedule import explain
from tests.core.drawing import EXAMPLES
from tests.core.reader import allows, read_times

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LAST = timedelta(days=1) - timedelta(microseconds=1)


def column(low: int, high: int) -> st.SearchStrategy[str]:
    """Column texts of every plain shape."""
    numbers = st.integers(low, high)
    steps = st.integers(1, high + 2)
    ranges = st.tuples(numbers, numbers).map(sorted).map(lambda ends: f"{ends[0]}-{ends[1]}")
    item = st.one_of(
        numbers.map(str), ranges, st.tuples(ranges, steps).map(lambda pair: f"{pair[0]}/{pair[1]}")
    )
    star = st.one_of(st.just("*"), steps.map(lambda step: f"*/{step}"))
    lists = st.lists(item, min_size=1, max_size=4).map(",".join)
    return st.one_of(star, lists, st.tuples(star, lists).map(",".join))


expressions = st.tuples(
    column(0, 59), column(0, 23), column(1, 31), column(1, 12), column(0, 7)
).map(" ".join)
days = st.dates(date(2024, 1, 1), date(2031, 12, 31))


@settings(max_examples=EXAMPLES, deadline=None)
@given(expressions, st.lists(days, min_size=1, max_size=6))
@example("0 0 */2 * 1", [date(2026, 11, day) for day in range(1, 31)])
@example("0 0 13 6-8 5", [date(2026, 6, day) for day in range(1, 31)])
@example("0 0 1-31 * 1", [date(2026, 11, 21)])
def test_the_first_sentence_read_back_is_the_schedule(expression: str, asked: list[date]) -> None:
    schedule = Schedule.parse(expression, zone=UTC)
    sentence = explain(schedule, NOW)[0]
    times = read_times(sentence)
    for day in asked:
        start = datetime.combine(day, time(), UTC)
        fires = schedule.between(start - timedelta(microseconds=1), start + LAST)
        assert {fire.nominal.time() for fire in fires} == (
            times if allows(sentence, day) else set()
        )


@settings(max_examples=EXAMPLES, deadline=None)
@given(expressions, st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]))
def test_equal_canonical_texts_are_explained_alike(expression: str, zone: str) -> None:
    schedule = Schedule.parse(expression, zone=zone)
    again = Schedule.parse(schedule.canonical, zone=zone)
    assert explain(again, NOW) == explain(schedule, NOW)


_ordinal = st.tuples(st.integers(0, 7), st.integers(1, 5)).map(lambda pair: f"{pair[0]}#{pair[1]}")
_last = st.integers(0, 7).map(lambda day: f"L{day}")
special_dom = st.one_of(
    st.just("L"), st.integers(1, 31).map(lambda day: f"{day}W"), st.just("1,L"), st.just("H")
)
special_dow = st.one_of(_ordinal, _last, st.tuples(_last, _ordinal).map(",".join), st.just("*"))


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.one_of(column(0, 59), st.just("H"), st.just("~")),
    st.one_of(column(0, 23), st.just("H/7")),
    st.one_of(
        st.tuples(special_dom, st.just("*")),
        st.tuples(st.sampled_from(["*", "*/2"]), special_dow),
        st.tuples(st.sampled_from(["L", "1,L", "H"]), st.just("1-5")),
    ),
    column(1, 12),
    st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Apia", "Africa/Casablanca"]),
)
def test_every_schedule_has_an_explanation_in_sentences(
    minute: str, hour: str, days: tuple[str, str], month: str, zone: str
) -> None:
    text = " ".join((minute, hour, days[0], month, days[1]))
    for line in explain(Schedule.parse(text, zone=zone, seed="here"), NOW):
        assert line[0].isupper()
        assert line.endswith(".")
        assert "  " not in line
        assert ".." not in line
