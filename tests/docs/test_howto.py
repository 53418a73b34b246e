"""The how-to pages: what they tell people to type works."""

import re
import tomllib
from pathlib import Path

import pytest

from cronjob.cli import _parser
from cronjob.core.config import read_config
from cronjob.core.table import parse_table
from tests.docs.manpage import ROOT

PAGES = sorted((ROOT / "docs/howto").glob("*.md"))
each_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.name))


def _blocks(path: Path, language: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [block for found, block in fences if found == language]


@each_page
def test_every_command_is_one_that_the_program_takes(path: Path) -> None:
    lines = [line for block in _blocks(path, "console") for line in block.splitlines()]
    commands = [
        match[1] for line in lines if (match := re.search(r"(?:\$ |\| )cronjob (.*)", line))
    ]
    assert commands
    for command in commands:
        words = [quoted or bare for quoted, bare in re.findall(r'"([^"]*)"|(\S+)', command)]
        assert callable(_parser().parse_args(words).verb)


@each_page
def test_every_configuration_is_a_good_one(path: Path) -> None:
    for block in _blocks(path, "toml"):
        read_config(tomllib.loads(block))


@each_page
def test_every_line_of_a_table_is_a_good_one(path: Path) -> None:
    for block in _blocks(path, ""):
        table = parse_table(block, source=path.name)
        assert not table.problems
        assert table.entries


def test_every_page_is_linked_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"(docs/howto/{path.name})" in text for path in PAGES)
