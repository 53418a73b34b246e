"""`cronjob history`: what has run, what was missed, and how it ended."""

import argparse
import json
import sys
from datetime import datetime

from cronjob.cli.past import ask_past
from cronjob.cli.rows import listing
from cronjob.cli.unanswered import AskError, complain
from cronjob.core.outcome import RunOutcome
from cronjob.core.request import HistoryRequest, RequestError
from cronjob.errors import ScheduleError, printable, quoted


def show_history(options: argparse.Namespace) -> int:
    """Print a line for each run, and for each interval without any; the newest first."""
    try:
        request = HistoryRequest(
            entry=options.entry,
            since=_instant(options.since, "--since"),
            until=_instant(options.until, "--until"),
            outcomes=_outcomes(options.outcome),
            limit=options.limit,
        )
    except (ScheduleError, RequestError) as error:
        print(f"cronjob: {error}", file=sys.stderr)
        return 2
    try:
        (told,) = ask_past(options, request)
    except AskError as error:
        return complain(error)
    rows = told["rows"]
    if options.json:
        print(json.dumps(rows, indent=2))
    elif rows:
        print(listing(rows), end="")
    else:
        of = f" of {printable(options.entry)}" if options.entry else ""
        picky = request.since or request.until or request.outcomes
        text = f"nothing{of} is recorded" + (" that was asked for" if picky else "")
        print(f"cronjob: {text}", file=sys.stderr)
    return 0


def _outcomes(given: list[str] | None) -> tuple[str, ...]:
    """Those of all options, each of which may be a list with commas.  Raises `RequestError`."""
    if given is None:
        return ()
    names = tuple(name for one in given for name in one.split(","))
    if unknown := [name for name in names if name not in RunOutcome.__members__.values()]:
        allowed = ", ".join(RunOutcome)
        raise RequestError(f"--outcome {quoted(unknown[0])} is no outcome; allowed are {allowed}")
    return names


def _instant(text: str | None, option: str) -> datetime | None:
    """A time, or so long before now: `2h`.  Raises `ScheduleError`."""
    if text is None:
        return None
    # Only who asks for it pays for these.
    from cronjob.cli.instants import parse_instant
    from cronjob.core.fields import FieldError, parse_duration
    from cronjob.host.clock import SystemClock, system_zone

    try:
        return SystemClock().now() - parse_duration(text)
    except FieldError:
        pass
    try:
        return parse_instant(text, system_zone()[0], option)
    except ScheduleError as error:
        raise ScheduleError(f"{error}; or a duration like 2h, back from now") from None
