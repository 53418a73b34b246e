"""One time column: what is accepted, what it means, and what is said of the rest."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cronjob.core.columns import (
    DAY_OF_MONTH,
    DAY_OF_WEEK,
    HOUR,
    MINUTE,
    MONTH,
    UNITS,
    ColumnError,
    Unit,
    parse_column,
)

EVERY_HOUR = tuple(range(24))
SEEDS = [f"host-{number}" for number in range(40)]


def error_of(text: str, unit: Unit, *, classic: bool = False) -> ColumnError:
    with pytest.raises(ColumnError) as caught:
        parse_column(text, unit, classic=classic)
    return caught.value


@pytest.mark.parametrize(
    ("unit", "text", "values", "canonical"),
    [
        (MINUTE, "5", (5,), "5"),
        (MINUTE, "007", (7,), "7"),
        (MINUTE, "1-3,7-9", (1, 2, 3, 7, 8, 9), "1,2,3,7,8,9"),
        (MINUTE, "5,1,5,3", (1, 3, 5), "1,3,5"),
        (MINUTE, "2-2", (2,), "2"),
        (MINUTE, "10-30/10", (10, 20, 30), "10,20,30"),
        (MINUTE, "10-31/10", (10, 20, 30), "10,20,30"),
        (MINUTE, "*/20", (0, 20, 40), "*/20"),
        (MINUTE, "*/30", (0, 30), "*/30"),
        (MINUTE, "*/59", (0, 59), "*/59"),
        (MINUTE, "*/15,7", (0, 7, 15, 30, 45), "*/60,7,15,30,45"),
        (MINUTE, "7,*/15", (0, 7, 15, 30, 45), "0,7,15,30,45"),
        (HOUR, "*", EVERY_HOUR, "*"),
        (HOUR, "*/1", EVERY_HOUR, "*"),
        (HOUR, "*,1", EVERY_HOUR, "*"),
        (HOUR, "1,*", EVERY_HOUR, ",".join(map(str, EVERY_HOUR))),
        (HOUR, "0-23", EVERY_HOUR, ",".join(map(str, EVERY_HOUR))),
        (DAY_OF_MONTH, "*/10", (1, 11, 21, 31), "*/10"),
        (MONTH, "jan", (1,), "1"),
        (MONTH, "DEC", (12,), "12"),
        (MONTH, "Jan-mar/2", (1, 3), "1,3"),
        (MONTH, "feb,6", (2, 6), "2,6"),
        (DAY_OF_WEEK, "mon-5", (1, 2, 3, 4, 5), "1,2,3,4,5"),
    ],
)
def test_a_column_allows_the_values_it_names(
    unit: Unit, text: str, values: tuple[int, ...], canonical: str
) -> None:
    column = parse_column(text, unit)
    assert (column.values, column.canonical, column.special) == (values, canonical, ())
    assert parse_column(text, unit, classic=True) == column


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0", (0,)),
        ("7", (0,)),
        ("sun", (0,)),
        ("7-0", (0,)),
        ("0-7", (0, 1, 2, 3, 4, 5, 6)),
        ("sun-sat", (0, 1, 2, 3, 4, 5, 6)),
        ("5-7", (0, 5, 6)),
        ("fri-sun", (0, 5, 6)),
        ("6-0", (0, 6)),
        ("sat-sun/2", (6,)),
        ("fri-sun/2", (0, 5)),
        ("1-7/2", (0, 1, 3, 5)),
        ("sun,fri-sun", (0, 5, 6)),
    ],
)
def test_sunday_is_0_and_7_and_may_end_a_range(text: str, values: tuple[int, ...]) -> None:
    assert parse_column(text, DAY_OF_WEEK).values == values


@pytest.mark.parametrize(
    ("text", "star"),
    [
        ("*", True),
        ("*/2", True),
        ("*/60", True),
        ("*,1", True),
        ("1,*", False),
        ("0-59", False),
        ("0,30", False),
        ("~", False),
    ],
)
def test_the_star_is_the_first_character_and_nothing_else(text: str, star: bool) -> None:
    assert parse_column(text, MINUTE).star is star


ALLOWED_MINUTES = "allowed are 0-59, ranges a-b, steps */n and a-b/n, and lists of them"


@pytest.mark.parametrize(
    ("unit", "text", "message"),
    [
        (MINUTE, "60", 'minute "60" is out of range 0-59'),
        (MINUTE, "4294967297", 'minute "4294967297" is out of range 0-59'),
        (MINUTE, "0-60", 'minute "60" is out of range 0-59'),
        (HOUR, "24", 'hour "24" is out of range 0-23'),
        (DAY_OF_MONTH, "0", 'day of month "0" is out of range 1-31'),
        (DAY_OF_MONTH, "32", 'day of month "32" is out of range 1-31'),
        (MONTH, "13", 'month "13" is out of range 1-12'),
        (DAY_OF_WEEK, "8", 'day of week "8" is out of range 0-7'),
        (MINUTE, "50-10", 'minute range "50-10" runs backwards; write 50-59,0-10'),
        (MINUTE, "59-0", 'minute range "59-0" runs backwards; write 59,0'),
        (MONTH, "mar-jan", 'month range "mar-jan" runs backwards; write 3-12,1'),
        (DAY_OF_WEEK, "fri-mon", 'day of week range "fri-mon" runs backwards; write 5-6,0-1'),
        (MINUTE, "9-5/2", 'minute range "9-5/2" runs backwards; write it as two ranges'),
        (MINUTE, "5/15", 'minute "5/15" has a step but no range; write 5-59/15'),
        (DAY_OF_WEEK, "1/2", 'day of week "1/2" has a step but no range; write 1-6/2'),
        (MINUTE, "60/2", f'minute "60/2" is not understood; {ALLOWED_MINUTES}'),
        (MINUTE, "5/0", f'minute "5/0" is not understood; {ALLOWED_MINUTES}'),
        (MINUTE, "*/0", 'minute "*/0" has a step of 0; a step is 1 or more'),
        (MINUTE, "1-5/00", 'minute "1-5/00" has a step of 0; a step is 1 or more'),
        (MINUTE, "*/2147483648", 'minute "*/2147483648": a step is 2147483647 at most'),
        (MINUTE, "1-9/99999999999999", 'minute "1-9/99999999999999": a step is 2147483647 at most'),
        (MINUTE, "", "minute list has an empty item"),
        (DAY_OF_MONTH, "?", 'day of month "?" is not cron\'s; write *'),
        (MINUTE, "*5", f'minute "*5" is not understood; {ALLOWED_MINUTES}'),
        (MINUTE, "٣", f'minute "٣" is not understood; {ALLOWED_MINUTES}'),
        (HOUR, "mon-fri", 'hour "mon" is not understood; allowed are 0-23, ranges a-b, '
         "steps */n and a-b/n, and lists of them"),
        (DAY_OF_WEEK, "monfri", 'day of week "monfri" is not understood; allowed are 0-7, sun-sat, '
         "ranges a-b, steps */n and a-b/n, and lists of them"),
        (MINUTE, "20~10", 'minute "20~10": the range to draw from runs backwards; '
         "write the smaller number first"),
        (MINUTE, "H(9-5)", 'minute "H(9-5)": the range must be within 0-59, '
         "the smaller number first"),
        (DAY_OF_WEEK, "H(0-7)", 'day of week "H(0-7)": the range must be within 0-6, '
         "the smaller number first"),
        (DAY_OF_WEEK, "5#6", 'day of week "5#6": a month has weeks 1 to 5'),
        (DAY_OF_MONTH, "15W,3", '"15W,3": a day with W must stand alone in its column'),
        (DAY_OF_WEEK, "5#3,1", '"5#3,1": a day with # or L does not mix with plain days'),
    ],
)  # fmt: skip
def test_a_message_says_what_was_found_and_what_is_allowed(
    unit: Unit, text: str, message: str
) -> None:
    assert str(error_of(text, unit)) == message


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        *((MINUTE, text) for text in ("-1", "+1", "1-", "-", "1 ", " 1", "1.", "5;x", "**", "*-5")),
        *((MINUTE, text) for text in ("1-5-7", "*/-5", "*/", "0x5", "10~20/2", "~~", "h", "L")),
        *((MINUTE, text) for text in ("٣-٥", "*/٣", "²", "$", "5L", "1#1", "1W", "H()", "H(1)")),
        *((MONTH, text) for text in ("january", "ja", "mon", "janfeb", "0-3")),
        *((DAY_OF_WEEK, text) for text in ("sunday", "jan", "L", "5W", "l5", "5#", "#1", "9#1")),
        *((DAY_OF_MONTH, text) for text in ("LW", "L-3", "0W", "32W", "W", "5L", "1#2", "l")),
    ],
)
def test_everything_else_is_refused(unit: Unit, text: str) -> None:
    assert re.match(rf'{unit.label} (range )?".*" is (not understood|out of)', str(
        error_of(text, unit)
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("60", 0),
        ("1,60", 2),
        ("1-5,*/10,x,7", 9),
        ("1,,2", 2),
        ("1,2,", 4),
        (",1", 0),
        ("0,58-1", 2),
    ],
)
def test_the_offset_is_that_of_the_first_bad_item(text: str, offset: int) -> None:
    assert error_of(text, MINUTE).offset == offset


@pytest.mark.parametrize(
    ("unit", "text", "only"),
    [
        (MINUTE, "*/60", 0),
        (MINUTE, "0-5/10", 0),
        (DAY_OF_MONTH, "*/40", 1),
        (DAY_OF_WEEK, "*/8", 0),
    ],
)
def test_a_step_beyond_its_range_matches_once_and_warns(unit: Unit, text: str, only: int) -> None:
    column = parse_column(text, unit)
    assert column.values == (only,)
    assert column.warnings == (
        f'{unit.label} "{text}": the step is larger than the range, so only {only} matches',
    )


@pytest.mark.parametrize("text", ["*/59", "59-59/1", "*/7", "0-5/5"])
def test_a_step_within_its_range_does_not_warn(text: str) -> None:
    assert parse_column(text, MINUTE).warnings == ()


@pytest.mark.parametrize(
    ("unit", "text", "special", "canonical"),
    [
        (DAY_OF_MONTH, "L", ("L",), "L"),
        (DAY_OF_MONTH, "L,15", ("L",), "15,L"),
        (DAY_OF_MONTH, "015W", ("15W",), "15W"),
        (DAY_OF_MONTH, "*,L", ("L",), "*,L"),
        (DAY_OF_MONTH, "*/15,L", ("L",), "*/15,L"),
        (DAY_OF_WEEK, "fri#3", ("5#3",), "5#3"),
        (DAY_OF_WEEK, "7#1", ("0#1",), "0#1"),
        (DAY_OF_WEEK, "5L", ("L5",), "L5"),
        (DAY_OF_WEEK, "LSUN", ("L0",), "L0"),
        (DAY_OF_WEEK, "1#1,2#2,1#1", ("1#1", "2#2"), "1#1,2#2"),
    ],
)
def test_days_counted_from_the_end_are_understood_but_not_in_classic_tables(
    unit: Unit, text: str, special: tuple[str, ...], canonical: str
) -> None:
    column = parse_column(text, unit)
    assert (column.special, column.canonical) == (special, canonical)
    assert parse_column(canonical, unit) == column
    assert " is not understood; allowed are " in str(error_of(text, unit, classic=True))


@pytest.mark.parametrize("text", ["H", "H/15", "H(10-20)", "0,H"])
def test_h_is_refused_in_classic_tables(text: str) -> None:
    assert " is not understood; allowed are " in str(error_of(text, MINUTE, classic=True))


@pytest.mark.parametrize(
    ("unit", "text", "low", "high"),
    [
        (MINUTE, "~", 0, 59),
        (MINUTE, "10~20", 10, 20),
        (MINUTE, "50~", 50, 59),
        (MINUTE, "~9", 0, 9),
        (DAY_OF_WEEK, "mon~fri", 1, 5),
        (DAY_OF_WEEK, "~", 0, 6),
        (DAY_OF_WEEK, "3~", 0, 6),
        (MINUTE, "H", 0, 59),
        (MINUTE, "H(10-20)", 10, 20),
        (HOUR, "H", 0, 23),
        (DAY_OF_MONTH, "H", 1, 28),
        (MONTH, "H", 1, 12),
        (DAY_OF_WEEK, "H", 0, 6),
    ],
)
def test_a_drawn_value_is_stable_for_a_seed_and_within_its_range(
    unit: Unit, text: str, low: int, high: int
) -> None:
    drawn = [parse_column(text, unit, seed=seed).values for seed in SEEDS]
    assert drawn == [parse_column(text, unit, seed=seed).values for seed in SEEDS]
    assert all(len(values) == 1 and low <= values[0] <= high for values in drawn)
    assert len(set(drawn)) > (high - low) // 4


def test_a_draw_up_to_the_end_of_the_week_may_end_on_sunday() -> None:
    assert {parse_column("6~", DAY_OF_WEEK, seed=seed).values for seed in SEEDS} == {(6,), (0,)}
    assert parse_column("7~", DAY_OF_WEEK, seed="s").values == (0,)


def test_known_seeds_keep_the_values_they_have_drawn_before() -> None:
    # A change here would move entries of people who already run them.
    assert parse_column("H", MINUTE, seed="s").values == (42,)
    assert parse_column("H/15", MINUTE, seed="s").values == (12, 27, 42, 57)
    assert parse_column("~", DAY_OF_WEEK, seed="s").values == (3,)


@pytest.mark.parametrize(("text", "step", "high"), [("H/15", 15, 59), ("H(0-29)/10", 10, 29)])
def test_h_with_a_step_draws_where_the_steps_begin(text: str, step: int, high: int) -> None:
    drawn = [parse_column(text, MINUTE, seed=seed).values for seed in SEEDS]
    assert all(values == tuple(range(values[0], high + 1, step)) for values in drawn)
    assert {values[0] for values in drawn} <= set(range(step))
    assert len({values[0] for values in drawn}) > step // 2


def test_tilde_is_allowed_in_classic_tables_and_draws_the_same() -> None:
    for seed in SEEDS:
        classic = parse_column("10~40", MINUTE, classic=True, seed=seed)
        assert classic == parse_column("10~40", MINUTE, seed=seed)


def test_columns_of_one_entry_draw_independently() -> None:
    pairs = {
        parse_column("0~5", MINUTE, seed=seed).values == parse_column("0~5", HOUR, seed=seed).values
        for seed in SEEDS
    }
    assert pairs == {True, False}


@pytest.mark.parametrize("text", ["THU", "thu", "4", "Thu"])
def test_a_name_with_an_h_is_not_drawn(text: str) -> None:
    assert parse_column(text, DAY_OF_WEEK, seed="s").rule == "4"


@pytest.mark.parametrize("text", ["H", "5,H", "~", "1~9", "H/5"])
def test_a_drawn_column_keeps_its_text_as_its_rule(text: str) -> None:
    column = parse_column(text, MINUTE, seed="s")
    assert column.rule == text
    assert column.canonical == ",".join(map(str, column.values))


@st.composite
def valid_columns(draw: st.DrawFn, unit: Unit) -> str:
    number = st.integers(unit.low, unit.high)
    items = []
    for _ in range(draw(st.integers(1, 4))):
        shape = draw(st.sampled_from(["number", "range", "star"]))
        step = draw(st.sampled_from(["", "/1", "/2", "/3", "/7", "/99"]))
        low, high = sorted((draw(number), draw(number)))
        items.append(
            {"number": str(low), "range": f"{low}-{high}{step}", "star": f"*{step}"}[shape]
        )
    return ",".join(items)


@settings(deadline=None)
@given(st.data(), st.sampled_from(UNITS))
def test_the_canonical_text_parses_to_itself(data: st.DataObject, unit: Unit) -> None:
    column = parse_column(data.draw(valid_columns(unit)), unit)
    again = parse_column(column.canonical, unit)
    assert (again.values, again.star, again.canonical) == (
        column.values,
        column.star,
        column.canonical,
    )


@settings(deadline=None)
@given(st.data(), st.sampled_from(UNITS))
def test_equal_canonical_texts_mean_equal_values_and_star(data: st.DataObject, unit: Unit) -> None:
    one, other = (parse_column(data.draw(valid_columns(unit)), unit) for _ in range(2))
    same = (one.values, one.star) == (other.values, other.star)
    assert (one.canonical == other.canonical) is same


@settings(deadline=None)
@given(st.text(max_size=12), st.sampled_from(UNITS), st.booleans())
def test_any_text_is_a_column_or_a_column_error(text: str, unit: Unit, classic: bool) -> None:
    try:
        column = parse_column(text, unit, classic=classic, seed="s")
    except ColumnError as error:
        offset = error.offset
    else:
        offset = 0
        assert column.values or column.special
        assert set(column.values) <= set(range(unit.low, unit.top + 1))
    assert 0 <= offset <= len(text)
