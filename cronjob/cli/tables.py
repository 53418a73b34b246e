"""`cronjob list`: the tables as a daemon would read them, and what one is doing with them."""

import argparse
import json
from datetime import datetime
from typing import Any, NamedTuple

from cronjob.cli.client import ask
from cronjob.cli.columns import aligned
from cronjob.cli.sources import read_tables
from cronjob.cli.status import now_of
from cronjob.core.entry import Entry, label_entries
from cronjob.core.schedule import FireTime
from cronjob.core.source import PLACES, Places
from cronjob.core.zone import zone_name
from cronjob.errors import CronjobError, printable
from cronjob.host.clock import SystemClock

DAEMON_SECONDS = 1.0  #: that a daemon may take to say what it is doing


class Row(NamedTuple):
    """An entry as it is listed."""

    label: str  #: by which the other verbs and the log call it
    entry: Entry
    fire: FireTime | None  #: its next start; None when there is none
    now: list[dict[str, Any]]  #: its unfinished runs, as a status tells them


def list_entries(options: argparse.Namespace, places: Places = PLACES) -> int:
    """Show every entry; problems go to standard error."""
    tables, code = read_tables(options, places)
    now = SystemClock().now()
    labelled = label_entries(tables).items()
    runs = _unfinished_runs(options.runtime)
    rows = [
        Row(label, entry, next_start(entry, now), runs.get((label, entry.source), []))
        for label, entry in labelled
    ]
    if options.next:
        rows.sort(key=lambda row: (row.fire is None, row.fire.at if row.fire else now))
    text = _as_json(rows) if options.json else _as_text(rows, places=len(tables) > 1)
    print(text, end="")
    return code


def next_start(entry: Entry, now: datetime) -> FireTime | None:
    """The next fire time that has not started, jitter counted."""
    return entry.schedule.next(now - entry.start_delay)


def _unfinished_runs(runtime: str | None) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """What runs and waits by label and table, if there is a daemon to say so."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    try:
        told = ask(runtime, {"verb": "status"}, seconds=DAEMON_SECONDS)
    except CronjobError:
        return {}
    for row in (*told["running"], *told["waiting"]):
        found.setdefault((row["entry"], row["source"]), []).append(row)
    return found


def _as_text(rows: list[Row], *, places: bool) -> str:
    """The rows in columns; `places` says where each entry stands."""
    place = ["PLACE"] if places else []
    doing = ["NOW"] if any(row.now for row in rows) else []
    lines = [["NEXT", "ZONE", "SCHEDULE", "USER", "NAME", *doing, *place, "COMMAND"]]
    for label, entry, fire, now in rows:
        zone = entry.schedule.zone
        lines.append(
            [
                f"{fire.at.astimezone(zone):%a %F %H:%M}" if fire else _never(entry),
                zone_name(zone),
                entry.schedule.text,
                printable(entry.user or ""),
                label,
                *([_doing(now)] if doing else []),
                *([entry.place] if places else []),
                printable(entry.command),
            ]
        )
    return aligned(lines)


def _doing(runs: list[dict[str, Any]]) -> str:
    if not runs:
        return ""
    more = f", and {len(runs) - 1} more" if len(runs) > 1 else ""
    return printable(now_of(runs[0])) + more


def _never(entry: Entry) -> str:
    return "at boot" if entry.schedule.reboot else "never"


def _as_json(rows: list[Row]) -> str:
    entries = [
        {
            "name": label,
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
            "now": now,
        }
        for label, entry, fire, now in rows
    ]
    return json.dumps(entries, indent=2) + "\n"
