"""What is made to be copied: copies do not see each other's changes."""

from datetime import UTC, datetime

import pytest

from cronjob.core.line import Line, Place
from cronjob.core.run import Run, RunState
from cronjob.core.schedule import FireTime
from cronjob.core.shelves import Shelves
from cronjob.testing import entries_of

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
ENTRY = entries_of("0 9 * * * name=a root true\n")["a"]


def run(key: str) -> Run:
    fire = FireTime(NINE, NINE.replace(tzinfo=None))
    return Run(key=key, label="a", entry=ENTRY, fire=fire, state=RunState.READY)


def runs_of(*keys: str) -> Shelves[Run]:
    runs = Shelves[Run]()
    for key in keys:
        runs[key] = run(key)
    return runs


def places(*numbers: int) -> tuple[Place, ...]:
    return tuple((0, 0.0, number, f"run {number}") for number in numbers)


def test_a_copy_may_change_and_the_other_stays() -> None:
    before = runs_of(*(f"run {n}" for n in range(1000)))
    after = before.copy()
    del after["run 7"]
    after["run 8"] = run("another")
    after["new"] = run("new")
    assert (len(before), len(after)) == (1000, 1000)
    assert before["run 7"] == run("run 7")
    assert before["run 8"] == run("run 8")
    assert "new" not in before
    assert "run 7" not in after
    assert after["run 8"] == run("another")
    assert before.get("new") is None


def test_the_copy_of_a_copy_does_not_write_through() -> None:
    first = runs_of("a")
    second = first.copy()
    second["b"] = run("b")
    third = second.copy()
    third["b"] = run("c")
    del third["a"]
    assert (dict(first), dict(second)) == ({"a": run("a")}, {"a": run("a"), "b": run("b")})
    assert dict(third) == {"b": run("c")}


def test_runs_are_told_in_the_order_of_their_keys() -> None:
    assert list(runs_of("c", "a", "b")) == ["a", "b", "c"]
    assert [found.key for found in runs_of("b", "a").values()] == ["a", "b"]
    assert repr(runs_of("b", "a")).startswith("Shelves({'a': Run(key='a'")


def test_writing_a_key_again_makes_it_no_longer() -> None:
    runs = runs_of("a", "a", "b")
    assert len(runs) == 2
    with pytest.raises(KeyError):
        del runs["c"]
    assert len(runs) == 2


def test_equal_runs_are_equal_whatever_their_past() -> None:
    long = runs_of("a", "b")
    del long["b"]
    assert long == runs_of("a")


def test_the_front_of_a_line_leaves_and_the_rest_moves_up() -> None:
    line = Line(places(1, 2, 3)).without(2)
    assert (list(line), len(line), line[0]) == ([*places(3)], 1, places(3)[0])
    assert line[-1] == places(3)[0]
    assert line.without(1) == Line()
    assert not line.without(1)


def test_newcomers_stand_where_they_belong() -> None:
    line = Line(places(1, 3, 5, 7)).without(1).joined_by(places(6, 4))
    assert line == Line(places(3, 4, 5, 6, 7))
    assert line.joined_by(places(9, 8)) == Line(places(3, 4, 5, 6, 7, 8, 9))
    assert Line().joined_by(places(2, 1)) == Line(places(1, 2))
    assert line.joined_by(()) == line


def test_whoever_leaves_from_the_middle_leaves_no_hole() -> None:
    line = Line(places(1, 2, 3, 4, 5)).without(1)
    assert line.without_turns({3, 5, 99}) == Line(places(2, 4))
    assert line.without_turns({2, 3, 4, 5}) == Line()


def test_a_line_has_no_place_behind_its_end() -> None:
    with pytest.raises(IndexError):
        Line(places(1, 2)).without(1)[1]
