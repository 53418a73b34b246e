"""The page on time is the table of cases, in words."""

from tests.core.time_cases import CASES
from tests.docs.time_page import PAGE, SECTIONS, page


def test_the_page_is_what_its_program_prints() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "python -m tests.docs.time_page > docs/explanation/time.md"
    )


def test_the_page_has_every_case() -> None:
    assert [case for _, cases in SECTIONS for case in cases] == CASES
