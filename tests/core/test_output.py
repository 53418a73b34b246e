import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cronjob.core.output import (
    BYTES_A_WINDOW,
    HEAD,
    LINES_A_WINDOW,
    LONGEST_LINE,
    TAIL,
    WINDOW,
    Keeper,
    Kept,
    LineTeller,
)


class Heard:
    """A teller and all that it told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.dropped: list[tuple[int, int]] = []
        self.teller = LineTeller(self.lines.append, lambda *counts: self.dropped.append(counts))

    def add(self, data: bytes, now: float = 0.0) -> None:
        self.teller.add(data)
        while self.teller.advance(now, 100):
            pass


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"one\ntwo\n", ["one", "two"]),
        (b"no newline at the end", ["no newline at the end"]),
        (b"\n\nx\n", ["", "", "x"]),
        (b"caf\xc3\xa9 \xff\n", ["caf\xe9 \udcff"]),
        (b"nul\0byte\n", ["nul\0byte"]),
    ],
)
@pytest.mark.parametrize("step", [1, 2, 1000])
def test_output_is_told_line_by_line_with_every_byte_kept(
    data: bytes, lines: list[str], step: int
) -> None:
    heard = Heard()
    for start in range(0, len(data), step):
        heard.add(data[start : start + step])
    heard.teller.finish(0.0)
    assert heard.lines == lines


@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("step", [1000, LONGEST_LINE, 1 << 20])
def test_an_endless_line_is_told_in_bounded_parts(end: bytes, step: int) -> None:
    heard = Heard()
    data = b"x" * (3 * LONGEST_LINE + 5) + end
    for start in range(0, len(data), step):
        heard.add(data[start : start + step])
    heard.teller.finish(0.0)
    assert [len(line) for line in heard.lines] == [LONGEST_LINE] * 3 + [5]


def test_no_more_lines_are_told_at_once_than_wanted() -> None:
    heard = Heard()
    heard.teller.add(b"line\n" * 5)
    assert heard.teller.advance(0.0, 3)
    assert len(heard.lines) == 3
    assert not heard.teller.advance(0.0, 3)
    assert len(heard.lines) == 5


@pytest.mark.parametrize(
    ("flood", "told", "dropped"),
    [
        (b"y\n" * (LINES_A_WINDOW + 7), LINES_A_WINDOW, (7, 7)),
        (b"x" * (BYTES_A_WINDOW + 5) + b"\n", BYTES_A_WINDOW // LONGEST_LINE, (1, 5)),
        (
            b"x" * (BYTES_A_WINDOW + LONGEST_LINE + 5) + b"\n",
            BYTES_A_WINDOW // LONGEST_LINE,
            (1, LONGEST_LINE + 5),
        ),
    ],
)
def test_a_flood_is_bounded_and_what_was_dropped_is_counted(
    flood: bytes, told: int, dropped: tuple[int, int]
) -> None:
    heard = Heard()
    for start in range(0, len(flood), 1 << 16):
        heard.add(flood[start : start + (1 << 16)])
    assert len(heard.lines) == told
    assert heard.dropped == []
    heard.teller.finish(1.0)
    assert heard.dropped == [dropped]


def test_the_next_window_begins_with_the_count_of_the_one_before() -> None:
    heard = Heard()
    heard.add(b"y\n" * (LINES_A_WINDOW + 1))
    heard.add(b"still dropped\n", WINDOW - 0.1)
    assert heard.dropped == []
    heard.add(b"heard\n", WINDOW)
    assert heard.dropped == [(2, 14)]
    assert heard.lines[-1] == "heard"
    heard.teller.finish(WINDOW)
    assert heard.dropped == [(2, 14)]


def test_two_windows_that_touch_stay_below_journalds_limit_for_the_whole_daemon() -> None:
    heard = Heard()
    heard.add(b"first\n", 0.0)
    heard.add(b"y\n" * 100_000, WINDOW - 0.1)
    heard.add(b"y\n" * 100_000, WINDOW + 0.1)
    assert len(heard.lines) < 10_000


@given(st.lists(st.binary(max_size=40)), st.integers(1, 5))
def test_what_is_told_is_what_was_printed(parts: list[bytes], most: int) -> None:
    heard = Heard()
    for part in parts:
        heard.teller.add(part)
        heard.teller.advance(0.0, most)
    heard.teller.finish(0.0)
    *lines, partial = b"".join(parts).split(b"\n")
    told = [os.fsencode(line) for line in heard.lines]
    assert told == lines + [partial] * bool(partial)


@pytest.mark.parametrize(
    ("size", "left_out"), [(0, 0), (5, 0), (HEAD, 0), (HEAD + TAIL, 0), (HEAD + TAIL + 9, 9)]
)
@pytest.mark.parametrize("step", [1000, 1 << 20])
def test_a_head_and_a_tail_are_kept_and_the_rest_is_counted(
    size: int, left_out: int, step: int
) -> None:
    data = bytes(number % 251 for number in range(size))
    keeper = Keeper()
    for start in range(0, size, step):
        keeper.add(data[start : start + step])
    kept = keeper.kept()
    assert kept.left_out == left_out
    assert kept.head == data[:HEAD]
    assert kept.tail == data[HEAD + left_out :]


def test_what_is_held_of_a_flood_is_bounded() -> None:
    keeper = Keeper()
    for _ in range(1000):
        keeper.add(b"x" * 65536)
        assert len(keeper.kept().head) + len(keeper.kept().tail) <= HEAD + TAIL
    assert keeper.kept().left_out == 1000 * 65536 - HEAD - TAIL


@pytest.mark.parametrize(
    ("kept", "lines"),
    [
        (Kept(), []),
        (Kept(b"one\ntw", b"o\n"), [b"one", b"two"]),
        (Kept(b"one\ntw", b"e\nend", 7), [b"one", b"tw", b"... 7 bytes left out", b"e", b"end"]),
    ],
)
def test_what_was_kept_is_told_with_a_word_on_what_was_not(kept: Kept, lines: list[bytes]) -> None:
    assert list(kept.lines()) == lines
