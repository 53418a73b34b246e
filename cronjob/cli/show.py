"""`cronjob show`: all that is kept of one run."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from cronjob.cli.columns import aligned
from cronjob.cli.past import Line, ask_past
from cronjob.cli.rows import how, local, prospect, waited
from cronjob.cli.unanswered import AskError, complain
from cronjob.core.request import ShowRequest
from cronjob.core.words import counted, seconds, sized
from cronjob.errors import printable

_HEAD = ("ATTEMPT", "STARTED", "LASTED", "OUTCOME", "CPU", "RSS", "PID", "HOW")


def show_run(options: argparse.Namespace) -> int:
    """Print a run, its attempts and what they printed."""
    try:
        run, *printed = ask_past(options, ShowRequest(options.run))
    except AskError as error:
        return complain(error)
    outputs = _outputs(printed)
    if options.json:
        print(json.dumps(_with_outputs(run, outputs), indent=2))
        return 0
    print("\n".join(_words(run)))
    for number, parts in outputs.items():
        print(f"\noutput of attempt {number}:\n")
        sys.stdout.writelines(f"  {line}\n" for line in shown_lines(parts))
    return 0


def shown_lines(parts: list[Line]) -> Iterator[str]:
    """Output line by line, with nothing in it that a terminal would obey."""
    for part in parts:
        if "left_out" in part:
            yield f"... {counted(part['left_out'], 'byte')} left out"
            continue
        text = part["output"].decode("utf-8", "surrogateescape")
        for line in text.removesuffix("\n").split("\n"):
            yield printable(line.removesuffix("\r").expandtabs())


def _outputs(lines: list[Line]) -> dict[int, list[Line]]:
    """What the attempts printed, by their number; those that printed nothing are left out."""
    found: dict[int, list[Line]] = {}
    number = 0
    for line in lines:
        if "attempt" in line:
            number = line["attempt"]
        elif "output" in line or "left_out" in line:
            found.setdefault(number, []).append(line)
    return found


def _with_outputs(run: Line, outputs: dict[int, list[Line]]) -> Line:
    """The run, each of its attempts with its `output`: texts, and numbers of bytes left out."""
    for attempt in run["ladder"]:
        attempt["output"] = [
            part.get("left_out") or part["output"].decode("utf-8", "surrogateescape")
            for part in outputs.get(attempt["number"], ())
        ]
    return run


def _words(run: dict[str, Any]) -> Iterator[str]:
    yield aligned(list(_facts(run))).rstrip("\n")
    if run["ladder"]:
        yield ""
        yield aligned([_HEAD, *map(_cells, run["ladder"])]).rstrip("\n")
    if run["notices"]:
        yield ""
        yield noticed(run["notices"]).rstrip("\n")


def _facts(run: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The run itself, what it is called and how that reads."""
    yield "run", printable(run["run"])
    why = f": {run['why']}" if run["why"] else ""
    yield "outcome", printable(f"{run['outcome']}{why}" if run["outcome"] else prospect(run))
    yield "command", printable(run["command"])
    yield "user", printable(run["user"] or "")
    yield "table", printable(run["source"])
    if run["host"]:
        yield "host", printable(run["host"])
    if run["asked"]:
        yield "asked for", local(run["fire_time"])
    else:
        caught_up = ", caught up" if run["caught_up"] else ""
        at, nominal = local(run["fire_time"]), run["nominal"].replace("T", " ")
        asked = "" if nominal in at else f", the table says {nominal}"
        yield "fire time", f"{at}{asked}{caught_up}"
    yield "begun", local(run["begun"])
    if run["over"]:
        yield "over", local(run["over"])


def _cells(attempt: dict[str, Any]) -> tuple[str, ...]:
    ended = attempt["outcome"] is not None
    parts = [how(attempt) if ended else "", waited(attempt)]
    if attempt["left_behind"]:
        parts.append(f"left {counted(attempt['left_behind'], 'process', 'processes')} behind")
    return (
        str(attempt["number"]),
        local(attempt["launched"]),
        seconds(attempt["seconds"]) if attempt["seconds"] is not None else "",
        attempt["outcome"] or "running",
        seconds(attempt["cpu_seconds"]) if attempt["max_rss"] else "",
        sized(attempt["max_rss"]) if attempt["max_rss"] else "",
        str(attempt["pid"] or ""),
        printable("; ".join(filter(None, parts))),
    )


def noticed(notices: Iterable[dict[str, Any]]) -> str:
    """The mails and hooks of a run in columns, one line each."""
    return aligned([("NOTICE", "WHEN", "TO", "PROBLEM"), *map(_notice_cells, notices)])


def _notice_cells(notice: dict[str, Any]) -> tuple[str, ...]:
    when = local(notice["sent"]) if notice["sent"] else "not yet"
    to = notice["target"] or notice["user"] or ""
    return (notice["kind"], when, *map(printable, (to, notice["problem"])))
