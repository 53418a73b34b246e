"""Which schedule an argument means: five columns, an @name, or the label of an entry."""

import argparse
import sys
from collections.abc import Collection
from dataclasses import dataclass
from datetime import tzinfo

from cronjob.cli.sources import read_tables
from cronjob.cli.zones import zone_option
from cronjob.core.entry import Entry, label_entries
from cronjob.core.nearest import nearest_label
from cronjob.core.schedule import Schedule
from cronjob.core.words import counted
from cronjob.errors import CronjobError, ScheduleError, quoted
from cronjob.host.clock import system_zone
from cronjob.host.identity import host_identity

_COLUMNS = 5


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

    Columns have blanks or begin with @ or *; all else is a label.  What is wrong with the tables
    goes to standard error.  Raises `ScheduleError` for bad columns or a bad zone, and
    `UnknownEntryError`.
    """
    text, zone = options.subject, None if options.tz is None else zone_option(options.tz)
    if text[:1] in ("@", "*") or len(text.split()) != 1:
        return Subject(_schedule(text, zone or _system_zone()))
    tables, _ = read_tables(options)
    entries = label_entries(tables)
    if text not in entries:
        raise UnknownEntryError(_unknown(text, entries))
    return Subject(entries[text].schedule, text, entries[text], zone)


def _schedule(text: str, zone: tzinfo) -> Schedule:
    try:
        return Schedule.parse(text, zone=zone, seed=host_identity())
    except ScheduleError as error:
        if len(text.split()) <= (1 if text.startswith("@") else _COLUMNS):
            raise
        raise ScheduleError(
            f"{error}, without the fields, the user and the command of a line; --tz names the zone"
        ) from None


def _system_zone() -> tzinfo:
    zone, problem = system_zone()
    if problem:
        print(f"cronjob: {problem}", file=sys.stderr)
    return zone


def _unknown(label: str, entries: Collection[str]) -> str:
    number = counted(len(entries), "entry", "entries")
    near = nearest_label(label, entries)
    known = f"; the nearest of {number} is {near}" if near else f" among {number}"
    return (
        f"no entry is called {quoted(label)}{known}; cronjob list shows them all, and a schedule "
        "is one argument in quotes, like '30 2 * * *'"
    )
