"""`cronjob status`: what the daemon is doing."""

import argparse
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from cronjob.cli.client import ask
from cronjob.cli.columns import aligned
from cronjob.cli.rows import listing, local
from cronjob.cli.unanswered import AskError, complain
from cronjob.core.words import counted, seconds
from cronjob.errors import printable


def show_status(options: argparse.Namespace) -> int:
    """Ask the daemon, and print what it says."""
    try:
        told = ask(options.runtime, {"verb": "status"})
    except AskError as error:
        return complain(error)
    print(json.dumps(told, indent=2) if options.json else "\n".join(_words(told)))
    return 0


def now_of(row: dict[str, Any]) -> str:
    """What an unfinished run does now: `running 5m`, `waits for a slot, 1 run ahead, 3s`."""
    lasted = seconds(row["seconds"])
    if row["state"] == "running":
        return f"running {lasted}" + (f", {row['reason']}" if row["reason"] else "")
    if row.get("retry_at"):
        at = datetime.fromisoformat(row["retry_at"]).astimezone()
        return f"waits for attempt {row['attempt'] + 1} at {at:%T}"
    ahead = row.get("ahead")
    line = f", {counted(ahead, 'run')} ahead" if ahead is not None else ""
    return f"{row['reason']}{line}, {lasted}"


def _words(told: dict[str, Any]) -> Iterator[str]:
    entries = counted(told["entries"], "entry", "entries")
    tables = counted(told["tables"], "table")
    what = "stopping" if told["stopping"] else "running"
    yield f"{what}, pid {told['pid']}, {entries} of {tables}"
    yield f"{told['slots_used']} of {counted(told['slots'], 'slot')} taken"
    yield f"launched by {printable(told['launcher'])}"
    yield f"limits by {printable(told['limits'])}"
    if since := told["history_away_since"]:
        yield f"the history cannot be written since {local(since)}"
    yield from _rows("running", told["running"], told["running_count"])
    yield from _rows("waiting", told["waiting"], told["waiting_count"])
    if told["failed_lately"] is None:
        yield "the history cannot be read"
    elif told["failed_lately"]:
        yield ""
        yield "failed in the last day:"
        yield listing(told["failed_lately"]).rstrip("\n")
    if told["upcoming"]:
        yield ""
        rows = [("NEXT", "ENTRY")]
        rows += [(local(one["at"]), printable(one["entry"])) for one in told["upcoming"]]
        yield aligned(rows).rstrip("\n")


def _rows(what: str, rows: list[dict[str, Any]], count: int) -> Iterator[str]:
    if not count:
        return
    yield ""
    head = ("RUN", "ATTEMPT", "PID", "SLOTS", "USER", "NOW")
    yield aligned([head, *map(_cells, rows)]).rstrip("\n")
    if more := count - len(rows):
        yield f"and {counted(more, f'more run {what}', f'more runs {what}')}"


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    attempt, pid = (str(row[name] or "") for name in ("attempt", "pid"))
    tokens = row["tokens"] + row["offered"]
    slots = f"{row['slots']}+{tokens}" if tokens else str(row["slots"] or "")
    user = printable(row["user"] or "")
    return (printable(row["run"]), attempt, pid, slots, user, printable(now_of(row)))
