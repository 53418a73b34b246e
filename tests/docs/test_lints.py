"""cronjob(1) and the lints say the same."""

import re
from pathlib import Path

from cronjob.cli import check
from cronjob.core.lint.codes import ENTRY_LINTS, SETTING_LINTS
from tests.docs.manpage import page, parts

SECTION = parts(parts(page("cronjob.1"), ".Sh")["DESCRIPTION"], ".Ss")["check"]
SOURCE = Path(check.__file__).read_text(encoding="utf-8")


def test_the_codes_of_the_page_are_those_of_the_program_in_their_order() -> None:
    heads = [line.removeprefix(".It Cm ") for line in SECTION if line.startswith(".It Cm ")]
    assert heads == [*ENTRY_LINTS, *SETTING_LINTS, *re.findall(r'path, "([a-z-]+)"\)', SOURCE)]


def test_the_members_of_an_object_in_json_are_those_that_check_writes() -> None:
    start, end = SECTION.index(".It Fl -json"), SECTION.index(".It Fl -config Ar file")
    named = [line.split()[1] for line in SECTION[start:end] if line.startswith(".Cm ")]
    assert named == re.findall(r'^            "(\w+)": problem', SOURCE, re.MULTILINE)
