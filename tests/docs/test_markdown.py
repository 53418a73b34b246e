"""The Markdown pages: their links, their index, the words of the glossary."""

import re
from pathlib import Path

import pytest

from cronjob.core.outcome import Outcome
from tests.docs.manpage import ROOT

MARKDOWN = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
GLOSSARY = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
each_page = pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))


def _without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@each_page
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _without_code(path.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = path.parent / name if name else path
        assert there.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(_anchor, headings), target


@each_page
def test_a_page_begins_with_its_one_title(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    titles = re.findall(r"^# .*$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    assert text.startswith("# ")
    assert len(titles) == 1


def test_every_page_is_reached_from_the_readme() -> None:
    reached, pages = set[Path](), [ROOT / "README.md"]
    while pages:
        page = pages.pop()
        reached.add(page)
        links = re.findall(r"\]\(([^)\s:#]+)\)", page.read_text(encoding="utf-8"))
        targets = {(page.parent / link).resolve() for link in links}
        pages += [one for one in targets - reached if one.is_file()]
    assert {*MARKDOWN, *(ROOT / "docs/man").iterdir()} <= reached


def test_every_decision_is_in_the_index_with_its_title() -> None:
    folder = ROOT / "docs/decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    for page in sorted(folder.glob("[0-9]*.md")):
        title = page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        number, _, words = title.partition(" ")
        assert page.name.startswith(number)
        assert f"- [{number}]({page.name}) {words}" in index.splitlines()


def test_the_outcomes_in_the_glossary_are_those_of_the_program() -> None:
    (row,) = (line for line in GLOSSARY.splitlines() if line.startswith("| **outcome**"))
    assert row.split("`")[1].split() == [str(outcome) for outcome in Outcome]


def test_no_word_of_the_glossary_is_defined_twice() -> None:
    rows = [line for line in GLOSSARY.splitlines() if line.startswith("| **")]
    words = [word for row in rows for word in re.findall(r"\*\*(.+?)\*\*", row.split("|")[1])]
    assert len(words) == len(set(words))


@each_page
def test_the_modules_that_a_page_names_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for name in re.findall(r"\b((?:core|host|cli)/[a-z_]+)(?:\.py)?\b", text):
        there = ROOT / "cronjob" / name
        assert there.with_suffix(".py").exists() or there.is_dir(), name


def test_how_it_works_names_modules_that_are_there() -> None:
    text = (ROOT / "docs/explanation/how-it-works.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:core|host|native)/[a-z_]+(?:\.c)?", text)) - {"native/child"}
    assert len(named) > 30
    for name in named:
        path = ROOT / "cronjob" / name
        assert path.with_suffix(path.suffix or ".py").exists() or path.is_dir(), name
