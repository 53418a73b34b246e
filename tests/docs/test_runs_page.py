"""docs/explanation/runs.md shows the moves that the code allows, and all outcomes."""

import re
from pathlib import Path

from cronjob.core.diagram import STATES, WORDS, diagram
from cronjob.core.outcome import RunOutcome
from cronjob.core.run import MOVES, Move, RunState

PAGE = (Path(__file__).parents[2] / "docs/explanation/runs.md").read_text(encoding="utf-8")


def test_the_picture_is_drawn_from_the_table_of_moves() -> None:
    assert f"```mermaid\n{diagram()}```\n" in PAGE


def test_the_picture_has_every_move_and_the_words_of_every_state() -> None:
    assert diagram().count(" --> ") == len(MOVES) + 2
    assert set(STATES) == set(RunState)
    assert set(WORDS) == set(Move)


def test_the_page_explains_every_outcome() -> None:
    (table,) = re.findall(r"\| outcome \| means \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE)
    named = [name for row in table.splitlines() for name in re.findall(r"`([a-z-]+)`", row)]
    assert set(RunOutcome) <= set(named)
