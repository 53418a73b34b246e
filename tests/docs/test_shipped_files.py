"""The files that an administrator installs: the unit and the example table."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cronjob import parse_table
from cronjob.cli import _parser
from cronjob.cli.slots import default_slots
from cronjob.core.config import KEYS, Config, _flat, read_config
from cronjob.core.fields import FIELDS
from tests.docs.manpage import PAGES, ROOT

UNIT = ROOT / "systemd/cronjob.service"
TABLE = ROOT / "etc/cronjob.tab"
CONFIG = ROOT / "etc/cronjob.toml"
COLUMNS = r"(?:@[a-z]+|(?:[\d*][\d*/,-]*\s+){5})"


def _unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # documented
    parser.read(UNIT, encoding="utf-8")
    return parser


def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    text = UNIT.read_text(encoding="utf-8").replace("/usr/local/bin/cronjob", sys.executable)
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.MULTILINE))
    ended = subprocess.run(
        ["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False, timeout=60
    )
    lines = (ended.stdout + ended.stderr).splitlines()
    assert [line for line in lines if UNIT.name in line] == []


def test_the_unit_starts_the_daemon_with_options_that_it_has() -> None:
    program, *arguments = _unit()["Service"]["ExecStart"].split()
    assert program.endswith("/cronjob")
    options = _parser().parse_args(arguments)
    assert (options.state, options.runtime) == ("${STATE_DIRECTORY}", "${RUNTIME_DIRECTORY}")


def test_the_unit_reloads_by_the_signal_that_the_daemon_handles() -> None:
    assert _unit()["Service"]["ExecReload"] == '/bin/sh -c "kill -HUP $MAINPID"'


def test_the_directories_of_the_unit_are_the_defaults_for_root() -> None:
    service = _unit()["Service"]
    assert service["StateDirectory"] == service["RuntimeDirectory"] == "cronjob"


def test_what_a_killed_daemon_leaves_word_of_outlives_its_unit() -> None:
    assert _unit()["Service"]["RuntimeDirectoryPreserve"] == "yes"


def test_the_unit_names_the_manual_pages_that_there_are() -> None:
    named = _unit()["Unit"]["Documentation"].split()
    expected = (f"man:{path.stem}({path.suffix[1:]})" for path in PAGES)
    assert named == list(expected)


def test_the_example_table_has_no_entries_and_no_problems() -> None:
    table = parse_table(TABLE.read_bytes(), source=str(TABLE))
    assert (table.entries, table.settings, table.problems) == ((), (), ())


def test_the_commented_examples_of_the_table_are_good_lines() -> None:
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    examples = [line[2:] for line in lines if re.match(rf"# {COLUMNS}\s+\w+=", line)]
    settings = [line[2:] for line in lines if re.match(r"# [A-Z]+=", line)]
    table = parse_table("\n".join([*settings, *examples]) + "\n", source=str(TABLE))
    assert [str(problem) for problem in table.problems] == []
    assert len(table.entries) == len(examples) == 4
    assert len(table.settings) == len(settings) == 2


def test_the_fields_that_the_example_table_explains_are_known() -> None:
    named = re.findall(r"^#   ([a-z]+)=|  ([a-z]+)=N ", TABLE.read_text(), re.MULTILINE)
    names = {first or second for first, second in named}
    assert {"name", "tz", "retry", "timeout", "jitter", "slots", "priority"} <= names
    assert names <= FIELDS.keys()


def test_the_example_config_says_nothing_and_its_comments_are_the_defaults() -> None:
    text = CONFIG.read_text(encoding="utf-8")
    assert read_config(tomllib.loads(text)) == Config()
    said = tomllib.loads(re.sub(r"^#(?=[a-z-]+ = )", "", text, flags=re.MULTILINE))
    # Behind a blank stands an example, where no value would say the default.
    every = tomllib.loads(re.sub(r"^# ?(?=[a-z-]+ = )", "", text, flags=re.MULTILINE))
    read_config(every)
    assert {name for name, _ in _flat(every)} == KEYS.keys()
    assert said.pop("slots") == default_slots() or (os.cpu_count() or 1) > 4
    assert read_config(said) == Config()


def test_the_demo_table_is_without_a_problem() -> None:
    text = (ROOT / "etc/demo.tab").read_text(encoding="utf-8").replace("@USER@", "root")
    table = parse_table(text, source="etc/demo.tab")
    assert not table.problems
    assert [entry.name for entry in table.entries][-1] == "at-boot"
