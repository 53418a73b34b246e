"""cronjob.tab(5) and the parser say the same."""

import inspect
import re
from datetime import UTC, datetime

import pytest

from cronjob import Schedule, Table, parse_table
from cronjob.core import table as reader
from cronjob.core.columns import UNITS
from cronjob.core.fields import FIELDS, RETRY_KINDS, Fields, parse_field
from cronjob.core.fieldtext import MOST_FIELDS
from cronjob.core.gates import RESOURCES
from cronjob.core.schedule import NICKNAMES, REBOOT
from cronjob.host import environment
from cronjob.host.environment import DEFAULT_PATH, DEFAULT_SHELL
from tests.docs.manpage import arguments, literal, page, parts, plain

SECTIONS = parts(page("cronjob.tab.5"), ".Sh")
DESCRIBED = SECTIONS["FIELDS"]
PROSE = " ".join(line.lstrip(".") for lines in SECTIONS.values() for line in lines)


def _names(lines: list[str]) -> list[str]:
    return [match[1] for line in lines if (match := re.match(r"\.It Cm (\S+) Ns =", line))]


def _parsed(lines: list[str], *, source: str = "t.tab") -> Table:
    return parse_table("\n".join(lines) + "\n", source=source)


def test_every_field_is_described_and_no_other() -> None:
    assert sorted(_names(DESCRIBED)) == sorted(FIELDS)


def test_the_choices_of_the_fields_are_those_of_the_parser() -> None:
    for line in DESCRIBED:
        if match := re.match(r"\.It Cm (\S+) Ns = Ns Li (.* \| .*)", line):
            for choice in match[2].split(" | "):
                assert parse_field(match[1], choice) == choice


@pytest.mark.parametrize(
    ("name", "default"), [("overlap", "allow"), ("catchup", "none"), ("log", "always"), ("ok", "0")]
)
def test_the_default_of_a_field_is_said(name: str, default: str) -> None:
    said = " ".join(DESCRIBED).split(f".It Cm {name} Ns")[1].split(".It ")[0]
    assert re.search(rf"The default is (?:\.Li )?{default} ?[.,]", said)
    assert getattr(Fields(), name) == parse_field(name, default)


def test_every_kind_of_gate_is_described() -> None:
    said = " ".join(DESCRIBED)
    for gate in ("load<", "mem>", *(f"psi.{resource}<" for resource in RESOURCES), "ac"):
        assert f"Li {gate}" in said


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("retry", "0, 30s and 1h"),
        ("retry-on", "failure"),
        ("retry-until", "next"),
        ("grace", "10s"),
        ("jitter", "0s"),
        ("priority", "0"),
        ("slots", "1, and 0 for @reboot"),
        ("timeout", "no timeout"),
    ],
)
def test_the_default_of_a_field_is_said_and_is_the_default(name: str, default: str) -> None:
    start = next(n for n, line in enumerate(DESCRIBED) if line.startswith(f".It Cm {name} Ns"))
    end = next((n for n in range(start + 1, len(DESCRIBED)) if DESCRIBED[n][:3] == ".It"), None)
    said = " ".join(re.sub(r"^\.Li ", "", line) for line in DESCRIBED[start:end])
    said = said.replace(" ,", ",").replace(" .", ".")
    if name == "retry-until":
        assert "next, the default" in said
    else:
        assert re.search(rf"[Dd]efaults? (?:is|are) {re.escape(default)}", said)
    (entry,) = _parsed(["@daily root true"]).entries
    value = getattr(entry.fields, name.replace("-", "_"))
    if name == "slots":
        assert (entry.slots, _parsed(["@reboot root true"]).entries[0].slots) == (1, 0)
    elif name == "timeout":
        assert value is None
    else:
        assert value == parse_field(name, "0,30s..1h" if name == "retry" else default)


def test_the_items_of_retry_on_are_those_of_the_parser() -> None:
    items = [line for line in SECTIONS["RETRIES"] if line.startswith(".It Li ")]
    kinds = {line.split()[2] for line in items if line.split()[2][0] != "\\"}
    assert kinds == set(RETRY_KINDS)
    for text in ("75", "64-78", "!75", "!64-78", "failure,!75"):
        parse_field("retry-on", text)


def test_the_durations_of_the_page_are_understood() -> None:
    line = next(line for line in DESCRIBED if line.startswith(".Li 90s"))
    for text in [*re.findall(r"[0-9a-z]+\d*[smhd]\b", line.removeprefix(".Li ")), "PT5M"]:
        parse_field("timeout", text)


def test_the_table_of_the_time_columns_has_their_ranges_and_names() -> None:
    rows = [line.split(" Ta ") for line in SECTIONS["TIME COLUMNS"] if line.startswith(".It ")]
    shown = [(row[0][4:].replace("-", " "), row[1], row[2]) for row in rows[1:] if len(row) == 3]
    assert shown == [
        (unit.label, f"{unit.low}-{unit.high}", f"{unit.names[0]}-{unit.names[-1]}")
        if unit.names
        else (unit.label, f"{unit.low}-{unit.high}", '""')
        for unit in UNITS
    ]


def test_the_names_of_schedules_stand_for_what_is_said() -> None:
    rows = [line.split(" Ta ") for line in SECTIONS["TIME COLUMNS"] if line.startswith(".It Li @")]
    said = {row[0].removeprefix(".It Li "): row[1] for row in rows}
    assert said == {**NICKNAMES, REBOOT: "once per boot"}


@pytest.mark.parametrize(
    ("column", "text", "days"),
    [
        # 2027-02-01 is a Monday, and February has four whole weeks.
        ("both", "13 * 5", [5, 12, 13, 19, 26]),
        ("star", "*/2 * 1", [1, 15]),
        ("last", "L * *", [28]),
        ("nearest", "13W * *", [12]),
        ("nearest in the same month", "28W * *", [26]),
        ("nearest after", "14W * *", [15]),
        ("last weekday", "* * 5L", [26]),
        ("last weekday", "* * L5", [26]),
        ("nth", "* * tue#2", [9]),
        ("sunday", "* * 7", [7, 14, 21, 28]),
        ("to sunday", "* * sat-sun", [6, 7, 13, 14, 20, 21, 27, 28]),
        ("step", "1-10/4 * *", [1, 5, 9]),
    ],
)
def test_the_day_columns_match_the_days_that_the_page_says(
    column: str, text: str, days: list[int]
) -> None:
    schedule = Schedule.parse(f"0 0 {text}", zone="UTC")
    begin, end = datetime(2027, 1, 31, 12, tzinfo=UTC), datetime(2027, 2, 28, 12, tzinfo=UTC)
    assert [fire.at.day for fire in schedule.between(begin, end)] == days, column


def test_drawn_values_lie_where_the_page_says() -> None:
    drawn = [
        Schedule.parse("H H(1-5) H 3~5 *", zone="UTC", seed=str(seed)).columns for seed in range(99)
    ]
    assert {columns[1].values[0] for columns in drawn} == {1, 2, 3, 4, 5}
    assert max(columns[2].values[0] for columns in drawn) <= 28
    assert {columns[3].values[0] for columns in drawn} == {3, 4, 5}


def test_the_limits_of_a_table_are_those_of_the_parser() -> None:
    system, user = reader.CAPS["system"], reader.CAPS["user"]
    assert f"at most {reader.LONGEST_LINE} bytes" in PROSE
    assert f"at most {system.size // 1024**2} MiB and {system.lines} lines" in PROSE
    assert f"a user table {user.size // 1024**2} MiB and {user.entries} entries" in PROSE
    assert f"at most {MOST_FIELDS} fields" in PROSE
    assert f"After {reader.MOST_PROBLEMS} problems" in PROSE


def test_the_examples_are_many_and_without_a_problem() -> None:
    table = _parsed(literal(SECTIONS["EXAMPLES"]))
    assert [str(problem) for problem in table.problems] == []
    assert len(table.entries) >= 8
    mail = next(entry for entry in table.entries if entry.command.startswith("mail"))
    assert mail.stdin == "It is Friday.\nCome at noon.\n"
    tar = next(entry for entry in table.entries if entry.command.startswith("tar"))
    assert "$(date +%F)" in tar.command
    assert [entry.fields.retry.limit for entry in table.entries[-2:]] == [1, 0]
    assert str(table.entries[-1].schedule.zone) == "Europe/Berlin"


def test_the_diagnostics_are_what_these_lines_get() -> None:
    lines = [
        "61 * * * * root true",
        "* * * * * retri=3 root true",
        "0 22-2 * * * root true",
        "5/15 * * * * root true",
        "* * * * * * root true",
        "@daily mail=often root true",
        "@daily catchup-within=1d root true",
        "@daily retry-on=75 root true",
    ]
    assert [str(found) for found in _parsed(lines).problems] == literal(SECTIONS["DIAGNOSTICS"])


def test_the_surroundings_of_a_command_are_those_that_are_said() -> None:
    named = arguments(SECTIONS["COMMAND"], "Pa")
    assert named == {DEFAULT_SHELL, DEFAULT_PATH, "/", *environment.DEFAULTS_FILES}
    source = inspect.getsource(environment)
    marked = set(re.findall(r'"(CRONJOB_[A-Z_]+)": ', source))
    assert {name for name in arguments(SECTIONS["COMMAND"], "Ev") if "_" in name} == marked


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("A=b", "A", "b"),
        ("A = b # c  ", "A", "b # c"),
        ('A=" b "', "A", " b "),
        ("A='\"b\"'", "A", '"b"'),
        ("A=", "A", ""),
        (r"A=$B\n", "A", r"$B\n"),
        ("'A'=b", "A", "b"),
    ],
)
def test_settings_are_read_as_the_page_says(line: str, name: str, value: str) -> None:
    table = _parsed([line])
    assert [(found.name, found.value) for found in table.settings] == [(name, value)]
    assert not table.problems


@pytest.mark.parametrize(
    ("text", "command", "stdin"),
    [
        ("a", "a", ""),
        ("a%", "a", ""),
        ("a%b%c", "a", "b\nc\n"),
        (r"a \% b", "a % b", ""),
        (r"a \\%b", r"a \\", "b\n"),
        (r"printf \\n", r"printf \\n", ""),
    ],
)
def test_percent_signs_are_read_as_the_page_says(text: str, command: str, stdin: str) -> None:
    (entry,) = _parsed([f"@daily root {text}"]).entries
    assert (entry.command, entry.stdin) == (command, stdin)


@pytest.mark.parametrize(
    "line",
    [
        *("*5 * * * * root true", "5;x * * * * root true", "4294967297 * * * * root true"),
        *("0 0 * * fri-mon root true", "- * * * * * root true", "@daily root -q true"),
        *("=x", "@daily root %x", "@daily a:b true", "@daily root a\0b", "A=b\n\r"),
        *("@daily retry=1,10m retry-until=5m root true", "@daily catchup-within=1d root true"),
        *("@daily * true", "*/2147483648 * * * * root true", "@daily root -n -n true"),
        *("CRON_TZ=Mars/Olympus", "@daily tz=Mars/Olympus root true"),
        *("0 0 1,15W * * root true", "0 0 13 * 5#2 root true", "0 0 * * 1,5L root true"),
        *("@defaults name=x", "@daily retry=1 retry=2 root true", "@daily foo=1 root true"),
        *("* * * * * jitter=60s root true", "@daily jitter=0 root true"),
    ],
)
def test_what_the_page_calls_an_error_is_one(line: str) -> None:
    assert _parsed([line]).errors


def test_the_page_has_no_escape_that_these_tests_do_not_know() -> None:
    for lines in SECTIONS.values():
        for line in lines:
            plain(line)
