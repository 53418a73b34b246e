"""Tables and lines whose meaning to other crons is known: all are read as they read them.

Where we differ on purpose, the case is listed by its id with the reason.
"""

import base64
import csv
import os
from pathlib import Path
from typing import Any

import pytest

from cronjob.core.columns import DAY_OF_WEEK, MONTH, UNITS, Unit
from cronjob.core.command import split_stdin
from cronjob.core.entry import Style, Table
from cronjob.core.schedule import NICKNAMES
from cronjob.core.table import parse_table
from tests.core.vectors import first_ten, load

# --- time columns -------------------------------------------------------------------------------

REVERSED = "a range that runs backwards is an empty set there and never runs"
WRAPPED = "a number beyond 32 bits wraps around there"
DRAWN = "`~` is drawn anew at each load there"
SUNDAY = "a range of days of the week that ends on Sunday is an empty set there"
TRAILING = "text after a value is skipped without a word there"
NO_TILDE = "`~` is not understood, or not read, there"
UNLOGGED = "`-` before an entry is cronie's and refused there"

#: Where the sets and stars of an expression are not those of the other program, or it is refused.
COLUMN_DIFFERENCES = {
    "cronie": {
        "parse-506": REVERSED,
        "parse-507": "`fri-sun/2` is an empty set there; here Friday and Sunday",
        "parse-509": REVERSED,
        "parse-510": REVERSED,
        "parse-527": REVERSED,
        "parse-528": DRAWN,
        "parse-529": DRAWN,
        "parse-586": WRAPPED,
    },
    "debian-cron": {
        "parse-504": SUNDAY,
        "parse-505": SUNDAY,
        "parse-506": REVERSED,
        "parse-507": SUNDAY,
        "parse-509": REVERSED,
        "parse-510": REVERSED,
        "parse-511": TRAILING,
        "parse-512": TRAILING,
        "parse-513": TRAILING,
        "parse-515": TRAILING,
        "parse-516": TRAILING,
        "parse-527": REVERSED,
        "parse-528": NO_TILDE,
        "parse-529": NO_TILDE,
        "parse-530": NO_TILDE,
        "parse-531": NO_TILDE,
        "parse-559": UNLOGGED,
        "parse-560": UNLOGGED,
        "parse-561": TRAILING,
        "parse-569": TRAILING,
        "parse-573": TRAILING,
        "parse-586": WRAPPED,
    },
}
KEYS = ("minute", "hour", "dom", "month", "dow")
STARS = ("MIN_STAR", "HR_STAR", "DOM_STAR", "", "DOW_STAR")  # none is kept of the month

Reading = list[tuple[tuple[int, ...], bool]]


def our_reading(expr: str) -> Reading | None:
    """Values and star of the five columns, as a system table has them; None when refused."""
    table = parse_table(f"{expr} root cmd\n", source="t", classic=True)
    if not table.entries or table.entries[0].command != "cmd":
        return None
    columns = zip(table.entries[0].schedule.columns, UNITS, strict=True)
    return [(column.values, column.star and unit is not MONTH) for column, unit in columns]


def their_reading(columns: dict[str, Any] | None) -> Reading | None:
    if columns is None:
        return None
    return [
        (their_values(columns[key], unit), star in columns["flags"])
        for key, unit, star in zip(KEYS, UNITS, STARS, strict=True)
    ]


def their_values(values: list[int] | str, unit: Unit) -> tuple[int, ...]:
    if isinstance(values, str):  # "*"
        return tuple(range(unit.low, unit.top + 1))
    return tuple(sorted({value % 7 if unit is DAY_OF_WEEK else value for value in values}))


@pytest.mark.parametrize("program", COLUMN_DIFFERENCES)
def test_sets_and_stars_are_theirs_but_for_the_listed_expressions(program: str) -> None:
    different = {}
    for case in load("parse.jsonl"):
        if (expr := case["expr"]) == "@reboot":  # which has no columns
            continue
        ours, theirs = our_reading(expr), their_reading(case[program])
        if expr in NICKNAMES and ours and theirs:  # whose stars are set by hand there
            ours, theirs = ([(values, False) for values, _ in each] for each in (ours, theirs))
        if ours != theirs:
            different[case["id"]] = f"{expr}: {ours} is not {theirs}"
    assert_listed(different, COLUMN_DIFFERENCES[program])


def assert_listed(different: dict[str, str], listed: dict[str, str]) -> None:
    """What differs is what is listed: nothing more, and nothing that does not differ any more."""
    unlisted = [f"{key} {different[key]}" for key in different.keys() - listed.keys()]
    assert not unlisted, first_ten(sorted(unlisted))
    assert not sorted(listed.keys() - different.keys())


# --- environment lines and percent signs --------------------------------------------------------

SETTING_DIFFERENCES: dict[str, dict[str, str]] = {
    "cronie": {},
    "debian-cron": {
        "env-615": "an empty value needs quotes there",
        "env-631": "quotes inside of quotes are stripped there",
        "env-635": "blanks before a closing quote are stripped there",
    },
}


@pytest.mark.parametrize("program", SETTING_DIFFERENCES)
@pytest.mark.parametrize("classic", [True, False])
def test_environment_lines_are_theirs_but_for_the_listed_ones(program: str, classic: bool) -> None:
    different = {}
    for case in load("env_line.jsonl"):
        if case["engine"] != program:
            continue
        table = parse_table(case["line"] + "\n", source="t", style="user", classic=classic)
        found = [f"{setting.name}={setting.value}" for setting in table.settings]
        if found != ([] if case["result"] is None else [case["result"]]):
            different[case["id"]] = f"{case['line']!r}: {found} is not {case['result']!r}"
    assert_listed(different, SETTING_DIFFERENCES[program])


PERCENT_DIFFERENCES: dict[str, dict[str, str]] = {
    "cronie": {},
    "debian-cron": {
        "pct-650": "two backslashes become one there",
        "pct-652": "two backslashes become one there",
    },
}


@pytest.mark.parametrize("program", PERCENT_DIFFERENCES)
def test_percent_signs_are_theirs_but_for_the_listed_ones(program: str) -> None:
    different = {}
    for case in load("percent.jsonl"):
        theirs = case["command"], case["stdin"]
        if case["engine"] == program and (ours := split_stdin(case["text"])) != theirs:
            different[case["id"]] = f"{case['text']!r}: {ours} is not {theirs}"
    assert_listed(different, PERCENT_DIFFERENCES[program])


# --- one small table ----------------------------------------------------------------------------

#: Cases that the crons leave to choice and that we refuse; the others of them are accepted.
CHOSEN_TO_REFUSE = {
    "b0001": "`-1` is `-` before an entry to cronie",
    "b0348": "`-` before an entry",
    "b0008": "a reversed range",
    "b0055": "a reversed range",
    "b0101": "a reversed range",
    "b0102": "a reversed range",
    "b0103": "a reversed range",
    "b0149": "a reversed range",
    "b0151": "a reversed range",
    "b0198": "a reversed range",
    "b0535": "a reversed range",
    "b0073": "a number beyond 32 bits",
    "b0074": "a number beyond 32 bits",
    "b0122": "a number beyond 32 bits",
    "b0170": "a number beyond 32 bits",
    "b0216": "a number beyond 32 bits",
    "b0217": "a number beyond 32 bits",
    "b0028": "a step beyond 31 bits",
    "b0075": "a step beyond 31 bits",
    "b0123": "a step beyond 31 bits",
    "b0171": "a step beyond 31 bits",
    "b0323": "no command before the `%`",
    "b0476": "no command before the `%`",
    "b0533": "no command before the `%`",
    "b0518": "no command after the user",
    "b0357": "an environment line without a name",
    "b0358": "an environment line without a name",
    "b0359": "an environment line without a name",
    "b0380": "an unknown zone in CRON_TZ",
    "b0496": "a line over 128 KiB",
    "b0497": "a line over 128 KiB",
    "b0499": "a line over 128 KiB",
    "b0501": "a line over 128 KiB",
}


def test_bad_tables_are_refused_and_good_ones_accepted() -> None:
    mismatches = []
    for case in load("bad.jsonl.gz"):
        data = base64.b64decode(case["data"])
        table = parse_table(data, source="t", style=case["style"], classic=True)
        refuse = case["id"] in CHOSEN_TO_REFUSE or case["suggest"].startswith("reject")
        if bool(table.errors) is not refuse:
            mismatches.append(f"{case['id']} {data[:60]!r}: {[str(p) for p in table.problems]}")
    assert not mismatches, first_ten(mismatches)


def test_what_is_chosen_was_left_to_choice() -> None:
    left = {case["id"] for case in load("bad.jsonl.gz") if case["suggest"] == "choice"}
    assert set(CHOSEN_TO_REFUSE) < left


#: User tables over 1 MiB, which are rejected as a whole.
TOO_LARGE = {"b0497", "b0499", "b0500", "b0501", "b0502"}


def test_a_bad_table_leaves_the_good_lines_around_it_alive() -> None:
    good = {"system": b"7 7 7 7 7 root good\n", "user": b"7 7 7 7 7 good\n"}
    mismatches = []
    for case in load("bad.jsonl.gz"):
        line, data = good[case["style"]], base64.b64decode(case["data"])
        around = line + data + (b"" if data.endswith(b"\n") else b"\n")
        # What follows a bad CRON_TZ depends on it.
        around += b"CRON_TZ=UTC\n" + line
        for classic in (True, False):
            table = parse_table(around, source="t", style=case["style"], classic=classic)
            alive = [entry.line for entry in table.entries if entry.command == "good"]
            assert table.rejected is (case["id"] in TOO_LARGE)
            if alive != ([] if table.rejected else [1, around.count(b"\n")]):
                mismatches.append(f"{case['id']} {data[:60]!r}: {alive}")
            if any(problem.line < 1 or problem.column < 1 for problem in table.problems):
                mismatches.append(f"{case['id']}: a problem without a place")
    assert not mismatches, first_ten(mismatches)


# --- real tables --------------------------------------------------------------------------------


def real_tables() -> list[dict[str, str]]:
    """The rows of the manifest; none when the tables, which are other people's, are not here."""
    folder = os.environ.get("CRONJOB_CORPUS")
    if not folder:
        pytest.skip("CRONJOB_CORPUS does not name a folder with manifest.tsv and real/")
    with (Path(folder) / "manifest.tsv").open(newline="") as manifest:
        rows = list(csv.DictReader(manifest, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [{**row, "path": str(Path(folder) / row["file"])} for row in rows]


def counts(table: Table) -> tuple[int, int, str]:
    bad_lines = sorted({problem.line for problem in table.errors})
    return len(table.entries), len(table.settings), ",".join(map(str, bad_lines))


@pytest.mark.parametrize("classic", [True, False])
def test_real_tables_have_the_entries_settings_and_bad_lines_that_cron_finds(
    classic: bool,
) -> None:
    rows = real_tables()
    mismatches = []
    for row in rows:
        assert row["style"] in ("system", "user")
        table = parse_table(
            Path(row["path"]).read_bytes(),
            source=row["file"],
            style="system" if row["style"] == "system" else "user",
            classic=classic,
        )
        expected = int(row["jobs"]), int(row["env"]), row["bad_lines"]
        if counts(table) != expected:
            mismatches.append(f"{row['file']}: {counts(table)} is not {expected}")
    assert len(rows) >= 148
    assert not mismatches, first_ten(mismatches)


def test_real_tables_mean_the_same_as_classic_and_as_our_own() -> None:
    for row in real_tables():
        data = Path(row["path"]).read_bytes()
        style: Style = "system" if row["style"] == "system" else "user"
        ours, classic = (
            parse_table(data, source="t", style=style, classic=classic) for classic in (False, True)
        )
        assert [(entry.schedule.key, entry.user, entry.command) for entry in ours.entries] == [
            (entry.schedule.key, entry.user, entry.command.rstrip("\r"))
            for entry in classic.entries
        ], row["file"]
