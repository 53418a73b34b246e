"""cronjob(1) and the program say the same."""

import argparse
import json
import re
from collections.abc import Callable
from inspect import getsource
from pathlib import Path
from typing import get_args

import pytest

from cronjob.cli import _parser, ending, main, run
from cronjob.cli.slots import default_slots
from cronjob.cli.tables import list_entries
from cronjob.cli.unanswered import NoDaemonError, RefusedError
from cronjob.cli.verbs import CONFIG
from cronjob.core import marks, retelling
from cronjob.core.outcome import Outcome
from cronjob.core.source import PLACES
from cronjob.host import directories, environment, identity, journal
from cronjob.host.history.database import path_in
from tests.docs.manpage import ROOT, arguments, literal, options, page, parts, plain

LINES = page("cronjob.1")
SECTIONS = parts(LINES, ".Sh")
VERBS = parts(SECTIONS["DESCRIPTION"], ".Ss")
SOURCES = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted((ROOT / "cronjob").rglob("*.py"))
)


def _verbs() -> dict[str, argparse.ArgumentParser]:
    actions = _parser()._actions
    (verbs,) = (action for action in actions if isinstance(action, argparse._SubParsersAction))
    return dict(verbs.choices)


def _options(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings}


def _synopsis() -> dict[str, list[str]]:
    """The macros of each line of the synopsis, by verb; "" without one."""
    text = "\n".join(SECTIONS["SYNOPSIS"])
    forms = [form.split("\n") for form in text.split(".Nm cronjob\n")[1:]]
    return {
        form[0].removeprefix(".Cm ") if form[0].startswith(".Cm ") else "": form for form in forms
    }


def test_the_verbs_of_the_page_are_those_of_the_program_in_their_order() -> None:
    assert list(VERBS)[1:] == list(_verbs())


@pytest.mark.parametrize("verb", list(_verbs()))
def test_a_verb_has_the_same_options_in_the_program_and_on_the_page(verb: str) -> None:
    common = {"-h", "--help"}
    assert options([line for line in VERBS[verb] if line.startswith(".It")]) == (
        _options(_verbs()[verb]) - common
    )
    assert options(_synopsis()[verb]) == _options(_verbs()[verb]) - common


def test_the_general_options_are_the_same_in_the_program_and_on_the_page() -> None:
    assert options([line for line in VERBS[""] if line.startswith(".It")]) == _options(_parser())


def test_every_option_that_is_named_anywhere_exists() -> None:
    known = _options(_parser()).union(*map(_options, _verbs().values()))
    assert options(LINES) <= known


@pytest.mark.parametrize("verb", list(_verbs()))
def test_the_positional_arguments_are_in_the_synopsis(verb: str) -> None:
    for action in _verbs()[verb]._actions:
        if not action.option_strings:
            assert f".Ar {str(action.metavar).lower()}" in "\n".join(_synopsis()[verb])


def test_the_choices_of_an_option_are_all_explained() -> None:
    for verb, parser in _verbs().items():
        for action in parser._actions:
            if action.option_strings and action.choices is not None:
                assert set(action.choices) <= arguments(VERBS[verb], "Cm")


def test_every_verb_has_an_example_that_the_program_accepts() -> None:
    for verb, lines in VERBS.items():
        commands = [line[2:] for line in literal(lines) if line.startswith("$ ")]
        assert bool(commands) == bool(verb)
        for command in commands:
            words = re.findall(r'"([^"]*)"|(\S+)', command)
            parsed = _parser().parse_args([quoted or bare for quoted, bare in words][1:])
            assert command.split()[1] == verb
            assert callable(parsed.verb)


def test_the_members_of_an_object_in_json_are_those_that_list_writes() -> None:
    source = Path(list_entries.__code__.co_filename).read_text(encoding="utf-8")
    written = set(re.findall(r'^            "(\w+)":', source, re.MULTILINE))
    assert written == arguments(VERBS["list"], "Cm") - {"daemon", "status"}


def test_the_members_of_an_object_in_json_and_the_marks_are_those_that_next_writes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    spring = ["--tz", "Europe/Berlin", "--from", "2027-03-28", "-n1", "--json"]
    members = set[str]()
    for expression in ("30 2 * * *", "*/30 2 * * *"):  # one with a mark, one with a loss
        assert main(["next", expression, *spring]) == 0
        members |= set(re.findall(r'"(\w+)":', capsys.readouterr().out))
    assert arguments(VERBS["next"], "Cm") - {"list"} == members | set(get_args(marks.Kind))


def test_the_members_of_an_object_in_json_are_those_that_simulate_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "some.tab"
    table.write_text("*/20 * * * * name=a retry=1,1m root x\n* * * * * name=b root x\n")
    span = ["--from", "2027-03-28T01:00Z", "--to", "2027-03-28T09:00Z", "--table", str(table)]
    options = ["--slots", "1", "--fail", "a=2", "--step-clock", "2027-03-28T02:00Z=+5h"]
    assert main(["simulate", *span, *options, "--json", "--summary"]) == 0
    assert main(["simulate", *span, *options, "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    members = {member for one in told for member in one}
    events = {one["event"] for one in told}
    kinds = {"summary", "entry-summary"}
    named = arguments(VERBS["simulate"], "Cm") - {"daemon", "list", "next"}
    assert named == members | kinds
    assert events - kinds <= arguments(SECTIONS["LOG"], "Cm")
    assert {"missed", "gave-up", "run-waiting", "clock-stepped"} <= events


def _written(*functions: Callable[..., object]) -> set[str]:
    """The members that these functions write."""
    return {name for one in functions for name in re.findall(r'"(\w+)":', getsource(one))}


def test_the_members_of_an_object_in_json_are_those_that_history_and_show_write() -> None:
    rows = _written(retelling._run_object, retelling._missed_object)
    assert arguments(VERBS["history"], "Cm") - {"next", "show"} == rows
    parts = _written(retelling.detail_object, retelling.attempt_object, retelling._notice_object)
    assert arguments(VERBS["show"], "Cm") - {"history"} == {*parts, "output"}


def test_the_outcomes_of_an_attempt_are_all_named() -> None:
    section = SECTIONS["LOG"][: SECTIONS["LOG"].index("The events are:")]
    assert arguments(section, "Cm") == {str(outcome) for outcome in Outcome}


def test_the_events_of_the_journal_are_those_that_the_program_reports() -> None:
    section = SECTIONS["LOG"][SECTIONS["LOG"].index("The events are:") :]
    reported = set(re.findall(r'\bReport\(\s*"([a-z-]+)"', SOURCES))
    reported |= set(re.findall(r'_tell\([^"]*?, "([a-z-]+)"', SOURCES))
    reported |= set(re.findall(r'_say_once\([^"]*?, "([a-z-]+)"', SOURCES))
    reported |= set(re.findall(r'_report_loaded\("([a-z-]+)"\)', SOURCES))
    assert arguments(section, "Cm") == reported


def test_the_fields_of_the_journal_are_those_that_the_program_writes() -> None:
    in_page = arguments(SECTIONS["LOG"], "Ev")
    report = (ROOT / "cronjob/core/report.py").read_text(encoding="utf-8")
    assert in_page == {*re.findall(r'"(CRONJOB_[A-Z_]+)"', report), "CRONJOB_EVENT"}
    assert "CRONJOB_EVENT=" in (ROOT / "cronjob/host/journal.py").read_text(encoding="utf-8")


def test_the_environment_is_that_which_the_program_reads() -> None:
    read = set(re.findall(r'os\.environ(?:\.get\(|\[)"([A-Z_]+)"', SOURCES)) - {"LD_LIBRARY_PATH"}
    assert arguments(SECTIONS["ENVIRONMENT"], "Ev") == read | {"HOME"}  # HOME by expanduser


def test_the_files_are_those_that_the_program_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    heads = [line for line in SECTIONS["FILES"] if line.startswith(".It")]
    named = arguments(heads, "Pa")
    used = {PLACES.table, CONFIG, journal.SOCKET, *environment.DEFAULTS_FILES}
    used |= {PLACES.directory, PLACES.crontab, PLACES.cron_d, PLACES.passwd, *PLACES.cron_pids}
    used |= set(PLACES.spools.values())
    assert PLACES.config == CONFIG
    used |= {"/etc/localtime", "/etc/timezone", "/etc/machine-id"}
    monkeypatch.setattr("os.geteuid", lambda: 0)
    used.add(path_in(directories.default_state()))
    used.add(f"{directories.default_runtime()}/{directories.HISTORY_AWAY}")
    used.add(f"{directories.default_runtime()}/{directories.BOOTED}")
    used |= {
        f"{directories.default_state()}/state.lock",
        f"{directories.default_runtime()}/runtime.lock",
    }
    used.add(f"{directories.default_runtime()}/{directories.CONTROL_SOCKET}")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "~")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    used |= {directories.default_state(), directories.default_runtime()}
    assert named == used
    assert '"/etc/machine-id"' in Path(identity.__file__).read_text(encoding="utf-8")


def test_an_ordinary_user_has_directories_of_their_own_by_the_xdg_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/there")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/here")
    assert directories.default_state() == "/there/cronjob"
    assert directories.default_runtime() == "/here/cronjob"


def test_the_exit_statuses_are_those_of_the_program() -> None:
    heads = [plain(line) for line in SECTIONS["EXIT STATUS"] if line.startswith(".It")]
    shared, own = ["0", "1", "2", "3", "130"], ["75", "124", "125"]
    assert heads == [f".It {status}" for status in (*shared, *own)]
    assert tuple(map(int, own)) == (ending.NOT_BEGUN, ending.TIMED_OUT, ending.FAILED)
    assert (run.SKIPPED_AT_ONCE, RefusedError.status, NoDaemonError.status) == (1, 1, 3)


def test_the_default_number_of_slots_is_as_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for cpus, slots in ((1, 16), (4, 16), (5, 20), (64, 256)):
        monkeypatch.setattr("os.cpu_count", lambda cpus=cpus: cpus)
        assert default_slots() == slots
