"""`cronjob list`: the tables, read without a daemon."""

import argparse
import json
from datetime import datetime

from cronjob.cli.columns import aligned
from cronjob.cli.sources import read_tables
from cronjob.core.entry import Entry
from cronjob.core.schedule import FireTime
from cronjob.core.source import PLACES, Places
from cronjob.core.zone import zone_name
from cronjob.errors import printable
from cronjob.host.clock import SystemClock


def list_entries(options: argparse.Namespace, places: Places = PLACES) -> int:
    """Show every entry; problems go to standard error."""
    tables, code = read_tables(options, places)
    entries = [entry for table in tables for entry in table.entries]
    now = SystemClock().now()
    rows = [(entry, next_start(entry, now)) for entry in entries]
    if options.next:
        rows.sort(key=lambda row: (row[1] is None, row[1].at if row[1] else now))
    text = _as_json(rows) if options.json else _as_text(rows, places=len(tables) > 1)
    print(text, end="")
    return code


def next_start(entry: Entry, now: datetime) -> FireTime | None:
    """The next fire time that has not started, jitter counted."""
    return entry.schedule.next(now - entry.start_delay)


def _as_text(rows: list[tuple[Entry, FireTime | None]], *, places: bool) -> str:
    """The rows in columns; `places` says where each entry stands."""
    place = ["PLACE"] if places else []
    lines = [["NEXT", "ZONE", "SCHEDULE", "USER", "NAME", *place, "COMMAND"]]
    for entry, fire in rows:
        zone = entry.schedule.zone
        lines.append(
            [
                f"{fire.at.astimezone(zone):%a %F %H:%M}" if fire else _never(entry),
                zone_name(zone),
                entry.schedule.text,
                printable(entry.user or ""),
                entry.name,
                *([entry.place] if places else []),
                printable(entry.command),
            ]
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
