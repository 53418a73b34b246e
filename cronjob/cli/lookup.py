"""Which schedule an argument means: five columns, an @name, or the label of an entry."""

import argparse
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from difflib import get_close_matches

from cronjob.cli.sources import read_tables
from cronjob.core.entry import Entry, label_entries
from cronjob.core.fields import NAME
from cronjob.core.schedule import Schedule
from cronjob.core.words import counted
from cronjob.core.zone import named_zone
from cronjob.errors import CronjobError, quoted
from cronjob.host.clock import system_zone
from cronjob.host.identity import host_identity

_LABEL = re.compile(rf"{NAME}(?:~\d+)*", re.ASCII)


class UnknownEntryError(CronjobError):
    """No table has an entry of that label; the message suggests one."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a verb is asked about."""

    schedule: Schedule
    label: str = ""  #: empty without an entry
    entry: Entry | None = None
    elsewhere: tzinfo | None = None  #: where the fire times of an entry are to be told as well


def find_subject(options: argparse.Namespace) -> Subject:
    """The schedule that `options.subject` means: an entry's, or columns in the zone `options.tz`.

    What looks like a label is one; columns have blanks or begin with @ or *.  What is wrong with
    the tables goes to standard error.  Raises `ScheduleError` for bad columns or a bad zone, and
    `UnknownEntryError`.
    """
    text, zone = options.subject, named_zone(options.tz) if options.tz else None
    if not _LABEL.fullmatch(text):
        return Subject(Schedule.parse(text, zone=zone or _system_zone(), seed=host_identity()))
    tables, _ = read_tables(options)
    entries = label_entries(tables)
    if text not in entries:
        raise UnknownEntryError(_unknown(text, entries))
    return Subject(entries[text].schedule, text, entries[text], zone)


def _system_zone() -> tzinfo:
    zone, problem = system_zone()
    if problem:
        print(f"cronjob: {problem}", file=sys.stderr)
    return zone


def _unknown(label: str, entries: Mapping[str, Entry]) -> str:
    number = counted(len(entries), "entry", "entries")
    close = get_close_matches(label, entries, n=1)
    known = f"; the nearest of {number} is {close[0]}" if close else f" among {number}"
    return (
        f"no entry is called {quoted(label)}{known}; cronjob list shows them all, and a schedule "
        "is one argument in quotes, like '30 2 * * *'"
    )
