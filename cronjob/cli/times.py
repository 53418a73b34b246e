"""`cronjob next`: when a schedule or an entry fires, and what clock changes do to it."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, tzinfo
from itertools import islice

from cronjob.cli.instants import parse_instant
from cronjob.cli.lookup import Subject, UnknownEntryError, find_subject
from cronjob.core.marks import Mark, Marked, marked
from cronjob.core.words import dated, lasting
from cronjob.core.zone import zone_name
from cronjob.errors import ScheduleError
from cronjob.host.clock import SystemClock


def show_next(options: argparse.Namespace) -> int:
    """Print the next fire times, in the schedule's own zone; 1 when there is none."""
    try:
        subject = find_subject(options)
        after = _after(options.start, subject)
    except ScheduleError as error:
        print(f"cronjob: {error}", file=sys.stderr)
        return 2
    except UnknownEntryError as error:
        print(f"cronjob: {error}", file=sys.stderr)
        return 1
    schedule = subject.schedule
    found = list(islice(marked(schedule, after), options.n))
    if options.json:
        print(json.dumps([_as_object(one, subject) for one in found], indent=2))
    elif schedule.reboot:
        print("@reboot has no times: it starts once per boot")
    else:
        print_marked(found, subject)
    if schedule.reboot or len(found) == options.n:
        return 0
    ever = "never fires" if not found else "does not fire again within 50 years"
    print(f"{schedule.text} {ever}", file=sys.stderr)
    return 0 if found else 1


def print_marked(found: Iterable[Marked], subject: Subject) -> None:
    """Print fire times with their marks, a line each, and a line for each loss between them."""
    for one in found:
        for loss in one.lost:
            print(f"{dated(loss.nominal)}  {loss.mark.text}")
        print("  ".join(_parts(one, subject)))


def start_of_search(subject: Subject) -> datetime:
    """The instant from which the first fire time is the next that has not started."""
    now = SystemClock().now()
    return now - subject.entry.start_delay if subject.entry else now


def _parts(one: Marked, subject: Subject) -> Iterator[str]:
    local = _local(one.fire.at, subject.schedule.zone)
    if subject.elsewhere is not None:
        local += f" = {_local(one.fire.at, subject.elsewhere)} {zone_name(subject.elsewhere)}"
    yield local
    if subject.entry and (delay := subject.entry.start_delay):
        yield f"starts {lasting(delay)} later (jitter)"
    if one.mark:
        yield one.mark.text


def _local(at: datetime, zone: tzinfo) -> str:
    """`Sun 2027-03-28 03:00+02:00`, with seconds when there are any."""
    local = at.astimezone(zone)
    return f"{local:%a} {local.isoformat(' ', 'seconds' if local.second else 'minutes')}"


def _as_object(one: Marked, subject: Subject) -> dict[str, object]:
    fire, zone, elsewhere = one.fire, subject.schedule.zone, subject.elsewhere
    delay = subject.entry.start_delay if subject.entry else timedelta()
    return {
        "at": fire.at.isoformat().replace("+00:00", "Z"),
        "local": fire.at.astimezone(zone).isoformat(),
        "nominal": fire.nominal.isoformat(),
        "zone": zone_name(zone),
        "elsewhere": fire.at.astimezone(elsewhere).isoformat() if elsewhere else None,
        "start_delay": delay.total_seconds(),
        "mark": _mark_object(one.mark) if one.mark else None,
        "lost": [
            {"nominal": loss.nominal.isoformat(), "count": loss.count, **_mark_object(loss.mark)}
            for loss in one.lost
        ],
    }


def _mark_object(mark: Mark) -> dict[str, str]:
    return {"kind": mark.kind, "text": mark.text}


def _after(text: str | None, subject: Subject) -> datetime:
    """The instant to search from: that of `--from`, else now."""
    if text is None:
        return start_of_search(subject)
    return parse_instant(text, subject.schedule.zone, "--from")
