"""`cronjob list` and `cronjob check`: the tables, read without a daemon."""

import argparse
import json
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import TextIO

from cronjob.cli import TABLE
from cronjob.cli.columns import aligned
from cronjob.core.entry import Entry, Style, Table
from cronjob.core.schedule import FireTime
from cronjob.core.table import parse_table
from cronjob.core.zone import zone_name
from cronjob.errors import TableFileError, printable
from cronjob.host.clock import SystemClock, system_zone
from cronjob.host.identity import host_identity
from cronjob.host.tablefiles import read_table_file


def list_entries(options: argparse.Namespace) -> int:
    """Show every entry; problems go to standard error."""
    zone, problem = system_zone()
    if problem:
        print(f"cronjob: {problem}", file=sys.stderr)
    entries: list[Entry] = []
    code = 0
    for path in options.table or (TABLE,):
        try:
            text = read_table_file(path)
        except TableFileError as error:
            print(f"{printable(path)}: {error}", file=sys.stderr)
            code = 1
            continue
        table = parse_table(text, source=path, zone=zone, host=host_identity())
        code = max(code, _print_problems([table], sys.stderr))
        entries += table.entries
    now = SystemClock().now()
    rows = [(entry, next_start(entry, now)) for entry in entries]
    if options.next:
        rows.sort(key=lambda row: (row[1] is None, row[1].at if row[1] else now))
    print(_as_json(rows) if options.json else _as_text(rows), end="")
    return code


def next_start(entry: Entry, now: datetime) -> FireTime | None:
    """The next fire time that has not started, jitter counted."""
    return entry.schedule.next(now - entry.start_delay)


def check_tables(options: argparse.Namespace) -> int:
    """Print every problem of every file; 1 when one of them is an error."""
    zone, _ = system_zone()
    code = 0
    tables = []
    for path in options.files:
        try:
            text = _standard_input() if path == "-" else read_table_file(path)
        except TableFileError as error:
            print(f"{printable(path)}: {error}", file=sys.stderr)
            code = 1
            continue
        style: Style = "user" if options.user else "system"
        tables.append(parse_table(text, source=path, style=style, zone=zone))
    return max(code, _print_problems(tables, sys.stdout))


def _standard_input() -> bytes:
    if sys.stdin is None:  # descriptor 0 is closed
        raise TableFileError("cannot read the table: standard input is closed")
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise TableFileError(f"cannot read the table: {error.strerror}") from error


def _print_problems(tables: Iterable[Table], stream: TextIO) -> int:
    code = 0
    for table in tables:
        for problem in table.problems:
            print(problem, file=stream)
        if table.errors:
            code = 1
    return code


def _as_text(rows: list[tuple[Entry, FireTime | None]]) -> str:
    head = ("NEXT", "ZONE", "SCHEDULE", "USER", "NAME", "COMMAND")
    lines = [head]
    for entry, fire in rows:
        zone = entry.schedule.zone
        lines.append(
            (
                f"{fire.at.astimezone(zone):%a %F %H:%M}" if fire else _never(entry),
                zone_name(zone),
                entry.schedule.text,
                printable(entry.user or ""),
                entry.name,
                printable(entry.command),
            )
        )
    return aligned(lines)


def _never(entry: Entry) -> str:
    return "at boot" if entry.schedule.reboot else "never"


def _as_json(rows: list[tuple[Entry, FireTime | None]]) -> str:
    entries = [
        {
            "name": entry.name,
            "schedule": entry.schedule.text,
            "zone": zone_name(entry.schedule.zone),
            "user": entry.user,
            "command": entry.command,
            "stdin": entry.stdin,
            "fields": dict(entry.fields.written),
            "source": entry.source,
            "line": entry.line,
            "next": fire.at.isoformat().replace("+00:00", "Z") if fire else None,
            "start_delay": entry.start_delay.total_seconds(),
        }
        for entry, fire in rows
    ]
    return json.dumps(entries, indent=2) + "\n"
