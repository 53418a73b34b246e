"""Tables and lines whose meaning to other crons is known: all are read as they read them.

Where we differ on purpose, the case is listed by its id with the reason.
"""

import base64
import csv
import os
from pathlib import Path

import pytest

from cronjob.core.columns import DAY_OF_WEEK, MONTH, UNITS, ColumnError, Unit, parse_column
from cronjob.core.entry import Style, Table
from cronjob.core.schedule import NICKNAMES
from cronjob.core.table import parse_table
from tests.core.vectors import first_ten, load

# --- one column ---------------------------------------------------------------------------------

#: cronie accepts these.
REFUSED_BY_US = {
    "parse-506": "a reversed range is an empty set in cronie and never runs",
    "parse-509": "a reversed range",
    "parse-510": "a reversed range",
    "parse-527": "a reversed range",
    "parse-559": "`-` before an entry, cronie's mark of one that is not logged",
    "parse-560": "`-` before an entry",
    "parse-586": "a number beyond 32 bits wraps in cronie",
}
#: No set to compare with.
NOT_COMPARED = {
    "parse-507": "`fri-sun/2` is an empty set in cronie; here Friday and Sunday",
    "parse-528": "`~` is drawn",
    "parse-529": "`~` is drawn",
    "parse-575": "a sixth column is a matter of the table",
}
KEYS = ("minute", "hour", "dom", "month", "dow")
STARS = ("MIN_STAR", "HR_STAR", "DOM_STAR", "", "DOW_STAR")  # cronie keeps none of the month

Reading = list[tuple[tuple[int, ...], bool]]


def our_reading(expr: str) -> Reading | None:
    """Values and star of the five columns; None when they are refused."""
    columns = NICKNAMES.get(expr, expr).split()
    if len(columns) != 5:
        return None
    try:
        read = [
            parse_column(text, unit, classic=True)
            for text, unit in zip(columns, UNITS, strict=True)
        ]
    except ColumnError:
        return None
    stars = zip(read, UNITS, strict=True)
    return [(column.values, column.star and unit is not MONTH) for column, unit in stars]


def cronie_values(values: list[int] | str, unit: Unit) -> tuple[int, ...]:
    if isinstance(values, str):  # "*"
        return tuple(range(unit.low, unit.top + 1))
    return tuple(sorted({value % 7 if unit is DAY_OF_WEEK else value for value in values}))


def test_sets_and_stars_are_those_of_cronie() -> None:
    mismatches = []
    for case in load("parse.jsonl"):
        expr, cronie = case["expr"], case["cronie"]
        if case["id"] in NOT_COMPARED or expr == "@reboot":
            continue
        expected: Reading | None = None
        if cronie is not None and case["id"] not in REFUSED_BY_US:
            expected = [
                (cronie_values(cronie[key], unit), star in cronie["flags"])
                for key, unit, star in zip(KEYS, UNITS, STARS, strict=True)
            ]
        found = our_reading(expr)
        if expr in NICKNAMES and found and expected:  # whose stars cronie sets by hand
            found, expected = (
                [(values, False) for values, _ in each] for each in (found, expected)
            )
        if found != expected:
            mismatches.append(f"{case['id']} {expr}: {found} is not {expected}")
    assert not mismatches, first_ten(mismatches)


# --- one line -----------------------------------------------------------------------------------


def test_environment_lines_are_those_of_cronie() -> None:
    mismatches = []
    for case in load("env_line.jsonl"):
        for classic in (True, False):
            table = parse_table(case["line"] + "\n", source="t", style="user", classic=classic)
            found = [f"{setting.name}={setting.value}" for setting in table.settings]
            if found != ([] if case["result"] is None else [case["result"]]):
                mismatches.append(f"{case} but {found}")
    assert not mismatches, first_ten(mismatches)


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
            if alive != [1, around.count(b"\n")]:
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
