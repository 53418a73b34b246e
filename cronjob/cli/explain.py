"""`cronjob explain`: what a schedule or an entry means, in words."""

import argparse
import sys
from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from cronjob.cli.lookup import Subject, UnknownEntryError, find_subject
from cronjob.cli.times import print_marked, start_of_search
from cronjob.core.explain.fields import command_words, field_words
from cronjob.core.explain.schedule import explain, nickname_words
from cronjob.core.marks import marked
from cronjob.core.zone import zone_name
from cronjob.errors import ScheduleError
from cronjob.host.clock import SystemClock

_SHOWN = 3  # fire times


def show_explanation(options: argparse.Namespace) -> int:
    """Print what it means and the next fire times; 1 when it never fires."""
    try:
        subject = find_subject(options)
    except ScheduleError as error:
        print(f"cronjob: {error}", file=sys.stderr)
        return 2
    except UnknownEntryError as error:
        print(f"cronjob: {error}", file=sys.stderr)
        return 1
    for line in _lines(subject, SystemClock().now()):
        print(line)
    if subject.schedule.reboot:
        return 0
    found = list(islice(marked(subject.schedule, start_of_search(subject)), _SHOWN))
    if found:
        print("\nThe next fire times:")
        print_marked(found, subject)
    return 0 if found else 1


def _lines(subject: Subject, now: datetime) -> Iterator[str]:
    schedule, entry = subject.schedule, subject.entry
    if entry is not None:
        yield f"{subject.label} ({entry.place})"
        yield from command_words(entry)
        yield ""
    yield f"{schedule.text} in {zone_name(schedule.zone)}"
    yield from filter(None, (nickname_words(schedule),))
    yield from explain(schedule, now)
    if entry is not None and (fields := list(field_words(entry))):
        yield from ("", *fields)
