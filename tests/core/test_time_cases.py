"""Each row of the table of changing clocks, played by the engine."""

import pytest

from cronjob.core.zone import named_zone
from tests.core.time_cases import CASES, TimeCase, played


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_a_changing_clock_starts_what_the_table_says(case: TimeCase) -> None:
    assert played(case) == case.starts


def test_no_title_is_there_twice() -> None:
    titles = [case.title for case in CASES]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_a_row_names_its_zone_and_says_why(case: TimeCase) -> None:
    assert named_zone(case.zone)
    assert case.why.endswith(".")
