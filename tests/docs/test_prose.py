"""The manual pages as texts: their macros, their sentences, their cross references."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.manpage import PAGES, arguments, page, parts

SECTIONS = {
    "cronjob.1": (
        *("NAME", "SYNOPSIS", "DESCRIPTION", "TABLES", "SIGNALS", "OPERATION", "LOG", "SECURITY"),
        *("ENVIRONMENT", "FILES", "EXIT STATUS", "SEE ALSO"),
    ),
    "cronjob.tab.5": (
        *("NAME", "DESCRIPTION", "TIME COLUMNS", "FIELDS", "SETTINGS", "COMMAND"),
        *("TIME ZONES AND CLOCK CHANGES", "RETRIES", "SLOTS", "OVERLAP", "CATCH-UP", "GATES"),
        *("MAIL AND HOOKS", "EXAMPLES", "DIAGNOSTICS", "SEE ALSO", "STANDARDS"),
    ),
    "cronjob.toml.5": ("NAME", "DESCRIPTION", "KEYS", "EXAMPLES", "DIAGNOSTICS", "SEE ALSO"),
}
each_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.name))


def test_the_pages_are_those_that_the_unit_names() -> None:
    assert [path.name for path in PAGES] == sorted(SECTIONS)


@each_page
def test_a_page_has_its_sections_in_order(path: Path) -> None:
    assert tuple(parts(page(path.name), ".Sh"))[1:] == SECTIONS[path.name]


@each_page
@pytest.mark.parametrize(
    "linter", [("mandoc", "-Tlint", "-W", "warning"), ("groff", "-mandoc", "-ww", "-z")]
)
def test_a_linter_finds_nothing(path: Path, linter: tuple[str, ...]) -> None:
    if shutil.which(linter[0]) is None:
        pytest.skip(f"{linter[0]} is not installed")
    ended = subprocess.run([*linter, path], capture_output=True, text=True, check=False)
    assert ended.stdout + ended.stderr == ""


@each_page
def test_a_line_of_prose_holds_one_sentence_at_most(path: Path) -> None:
    prose = [line for line in page(path.name) if not line.startswith((".", "$", "#"))]
    assert not [line for line in prose if re.search(r"[a-z)]\. [A-Z]", line)]


@each_page
def test_a_page_explains_without_belittling(path: Path) -> None:
    assert not re.search(r"\b(?:just|simply|easily|obviously)\b", path.read_text())


@each_page
def test_see_also_is_in_order_and_every_section_reference_exists(path: Path) -> None:
    lines = page(path.name)
    also = [line.split()[1:3] for line in parts(lines, ".Sh")["SEE ALSO"]]
    assert also == sorted(also, key=lambda pair: (pair[1], pair[0]))
    titles = {line[4:] for line in lines if line.startswith((".Sh ", ".Ss "))}
    named = {line[4:].removesuffix(" .") for line in lines if line.startswith(".Sx ")}
    assert named <= titles


@each_page
def test_a_page_names_the_others(path: Path) -> None:
    others = {known.stem for known in PAGES if known != path}
    assert others <= arguments(page(path.name), "Xr")
