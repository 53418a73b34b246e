"""Arbitrary bytes give entries or problems: never another exception, and never a long wait.

CRONJOB_FUZZ=1000000 reads so many broken tables; CRONJOB_FUZZ_SEED chooses others.
"""

import os
from collections.abc import Callable
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cronjob.core.entry import Style, Table
from cronjob.core.fields import FIELDS
from cronjob.core.table import LONGEST_LINE, MOST_PROBLEMS, parse_table
from tests.core.mangled import tables

COUNT = int(os.environ.get("CRONJOB_FUZZ", "3000"))
SEED = int(os.environ.get("CRONJOB_FUZZ_SEED", "1"))
KINDS: list[tuple[Style, bool]] = [
    ("system", False),
    ("system", True),
    ("user", False),
    ("user", True),
]


def check(table: Table, lines: int) -> None:
    """What holds for every table, however it came to be."""
    bad = {problem.line for problem in table.errors}
    names = {entry.name for entry in table.entries}
    assert len(names) == len(table.entries)
    assert all(1 <= problem.line <= lines and problem.column >= 1 for problem in table.problems)
    assert all(str(problem).isprintable() for problem in table.problems)
    assert bad.isdisjoint(entry.line for entry in table.entries)
    assert all(entry.command.strip(" \t") for entry in table.entries)
    assert all((entry.user is None) is (table.style == "user") for entry in table.entries)


@pytest.mark.parametrize(("style", "classic"), KINDS)
def test_broken_tables_are_entries_or_problems(style: Style, classic: bool) -> None:
    share = max(COUNT // len(KINDS), 1)
    for data in tables(share, SEED + KINDS.index((style, classic))):
        try:
            check(
                parse_table(data, source="t", style=style, classic=classic), data.count(b"\n") + 1
            )
        except Exception as error:
            raise AssertionError(f"{data!r} as {style}, classic={classic}") from error


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(KINDS))
def test_any_bytes_are_entries_or_problems(data: bytes, kind: tuple[Style, bool]) -> None:
    style, classic = kind
    check(parse_table(data, source="t", style=style, classic=classic), data.count(b"\n") + 1)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(categories=["L", "N", "P", "Z", "C", "S"])), st.sampled_from(KINDS))
def test_any_str_is_entries_or_problems_even_where_it_is_no_text(
    text: str, kind: tuple[Style, bool]
) -> None:
    style, classic = kind
    check(parse_table(text, source="t", style=style, classic=classic), text.count("\n") + 1)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(FIELDS)), st.text(st.characters(exclude_characters="\n\0")))
def test_any_value_of_a_field_is_read_or_refused(name: str, value: str) -> None:
    line = f'0 0 * * * retry=1 {name}="{value}" root x\n'
    check(parse_table(line, source="t"), 1)


# --- time ---------------------------------------------------------------------------------------

LONG = LONGEST_LINE - 200


def filled(before: str, piece: str, after: str = "") -> str:
    return before + piece * (LONG // len(piece)) + after


#: Lines at the cap that could make a careless reader look at each part again and again.
LONG_LINES = [
    filled("", "*"),
    filled("", " ", "x"),
    filled("A", " ", "x"),
    filled("A=", " ", '"x'),
    filled('A="', "x "),
    filled("", "\"'"),
    filled("", "\r"),
    filled("", "9", " * * * * root x"),
    filled("", ",", " * * * * root x"),
    filled("", "1,", "1 * * * * root x"),
    filled("", "5-6/30,", "1 * * * * root x"),
    filled("0 0 ", "L,", "L * * root x"),
    filled("0 0 * * * ", "ab=1 ", "root x"),
    "0 0 * * * " + " ".join(f"k{number}=1" for number in range(15_000)) + " root x",
    filled("0 0 * * * retry=1 retry-on=", "0-255,", "1 root x"),
    filled("0 0 * * * timeout=", "1s", " root x"),
    filled("0 0 * * * timeout=PT", "9", "S root x"),
    filled("0 0 * * * when=", "load<4,", "ac root x"),
    filled("0 0 * * * tz=", "a/", " root x"),
    filled("0 0 * * * root ", "\\"),
    filled("0 0 * * * root ", "\\%"),
    filled("0 0 * * * root x", "%"),
    filled("0 0 * * * root ", "A=1 "),
    filled("0 0 * * * root ", "-n ", "x"),
]
PER_LINE = 1.0  #: seconds of CPU for the 128 KiB


@pytest.mark.parametrize("line", LONG_LINES, ids=lambda line: line[:30].replace("\0", ""))
def test_a_line_at_the_cap_is_read_in_no_time(line: str) -> None:
    for style, classic in KINDS:
        started = process_time()
        check(parse_table(line + "\n", source="t", style=style, classic=classic), 1)
        assert process_time() - started < PER_LINE


#: Tables in which each line could cost more than the one before.
GROWING: list[Callable[[int], str]] = [
    lambda number: f"A{number}=b",
    lambda number: f"A{number}=b" if number % 2 else "0 0 * * * root x",
    lambda _: "0 0 * * * root x",
    lambda _: "0 0 * * * name=a root x",
    lambda number: f"0 0 * * * name=n{number} root x",
    lambda number: "@defaults retry=3" if number % 2 else "0 0 * * * root x",
    lambda number: f"H H * * * root x{number}",
    lambda number: f"0 0 * * * timout{number}=1 root x",
]


@pytest.mark.parametrize("line", GROWING)
def test_ten_times_the_lines_take_about_ten_times_as_long(line: Callable[[int], str]) -> None:
    def spent(count: int) -> float:
        text = "".join(f"{line(number)}\n" for number in range(count))
        started = process_time()
        parse_table(text, source="t")
        return process_time() - started

    spent(1000)
    tries = (spent(10_000) < 30 * max(spent(1000), 0.005) for _ in range(3))
    assert any(tries)  # something else may have come between


def test_the_problems_of_a_file_of_garbage_are_bounded() -> None:
    table = parse_table(b"\xff\xfe\n" * 20_000, source="t")
    assert len(table.problems) == MOST_PROBLEMS + 1


def test_the_columns_of_the_broken_tables_are_still_often_good() -> None:
    """The long mode is worth nothing if nearly all of its tables stop at the first word."""
    kept = [len(parse_table(data, source="t").entries) for data in tables(1000, SEED)]
    assert 300 < sum(1 for count in kept if count) < 950
