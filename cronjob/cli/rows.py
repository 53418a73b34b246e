"""Rows of the history for people: what `history` lists, and `status` of what failed lately."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from cronjob.cli.columns import aligned
from cronjob.core.words import counted, listed, seconds
from cronjob.errors import printable

_HEAD = ("FIRE TIME", "RUN", "OUTCOME", "ATTEMPTS", "LASTED", "HOW")


def listing(rows: Iterable[dict[str, Any]]) -> str:
    """Runs and missed fire times in columns, one line each."""
    return aligned([_HEAD, *map(_cells, rows)])


def local(instant: str) -> str:
    """`Sat 2026-11-21 02:30:00+0100`, in the zone of the reader."""
    return f"{datetime.fromisoformat(instant).astimezone():%a %F %T%z}"


def how(attempt: dict[str, Any]) -> str:
    """How an attempt ended: `exit status 3`, `signal 9`, or why it has neither."""
    if attempt["why"]:
        return str(attempt["why"])
    status, signal = attempt["exit_status"], attempt["signal"]
    parts = [f"exit status {status}"] if status is not None else []
    parts += [f"signal {signal}"] if signal else []
    parts += ["out of memory"] if attempt["out_of_memory"] else []
    return ", ".join(parts)


def waited(attempt: dict[str, Any]) -> str:
    """`waited 2m for load<4 and 3s for a slot`; empty for no wait."""
    parts = [f"{seconds(wait['seconds'])} for {wait['for']}" for wait in attempt["waits"]]
    return f"waited {listed(parts)}" if parts else ""


def prospect(row: dict[str, Any]) -> str:
    """What a run that is not over does, or waits for."""
    latest = row["latest"]
    if row["state"] == "running":
        return f"attempt {latest['number']} since {local(latest['launched'])}"
    if row["retry_at"]:
        return f"waits for attempt {row['attempts'] + 1} at {local(row['retry_at'])}"
    return "has not begun"


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(map(printable, _run_cells(row) if row["run"] else _missed_cells(row)))


def _run_cells(row: dict[str, Any]) -> tuple[str, ...]:
    latest = row["latest"]
    lasted = seconds(latest["seconds"]) if latest and latest["seconds"] is not None else ""
    return (
        local(row["fire_time"]),
        row["run"],
        row["outcome"] or row["state"],
        str(row["attempts"] or ""),
        lasted,
        "; ".join(_parts(row)),
    )


def _parts(row: dict[str, Any]) -> Iterator[str]:
    """What is said of a run: how it ended, why so, and what it is besides."""
    latest = row["latest"]
    if not row["outcome"]:
        yield prospect(row)
    ended = how(latest) if latest and latest["outcome"] else ""
    if row["outcome"] == "gave-up" and latest and latest["outcome"] != "failed":
        ended = ", ".join(filter(None, (latest["outcome"], ended)))
    if row["outcome"] and ended:
        yield ended
    if row["why"] and row["why"] != ended:
        yield row["why"]
    if latest and (wait := waited(latest)):
        yield wait
    if row["caught_up"]:
        yield "caught up"
    if row["asked"]:
        yield "asked for"


def _missed_cells(row: dict[str, Any]) -> tuple[str, ...]:
    until = f" until {local(row['last'])}" if row["count"] > 1 else ""
    what = f"{counted(row['count'], 'fire time')}{until}: {row['why']}"
    return (local(row["first"]), row["entry"], row["outcome"], "", "", what)
