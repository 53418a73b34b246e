"""Which of the fire times that were missed are made up for.

`catchup=latest` makes up for the last one of an interval, `catchup=all` for the newest hundred;
what is older than `catchup-within`, or was before the entry had its schedule, never is.  However
long the interval is, no more of it is looked at than is made up for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from cronjob.core.entry import Entry
from cronjob.core.fields import CatchUp
from cronjob.core.missed import Absence, Missed
from cronjob.core.schedule import FireTime, Schedule
from cronjob.core.words import lasting

MOST = 100  #: fire times of an entry that are made up for at once
_INSTANT = timedelta(microseconds=1)


class Terms(NamedTuple):
    """What decides about the missed fire times of an entry; entries of equal terms are as one."""

    mode: CatchUp
    within: timedelta | None  #: how old they may be
    since: datetime  #: they are later than this
    recorded: frozenset[datetime] = frozenset()  #: those that have their run already


class MadeUp(NamedTuple):
    """What becomes of the missed fire times of one schedule and of entries of equal terms."""

    labels: tuple[str, ...]
    starts: tuple[FireTime, ...] = ()  #: ascending
    missed: Missed | None = None  #: all the others
    capped: bool = False  #: whether there were more than `MOST`


def alike(
    labels: Iterable[str],
    entries: Mapping[str, Entry],
    after: datetime,
    since: Mapping[str, datetime] | None = None,
    recorded: Mapping[str, frozenset[datetime]] | None = None,
) -> dict[Terms, tuple[str, ...]]:
    """The labels by the terms of their entries, for what was missed `after` that.

    By label, `since` has when the entry came into force, and `recorded` what has its run.
    """
    found: dict[Terms, list[str]] = {}
    for label in labels:
        fields, done = entries[label].fields, (recorded or {}).get(label, frozenset())
        begin = max(since[label], after) if since is not None else after
        terms = Terms(fields.catchup, fields.catchup_within, begin, done)
        found.setdefault(terms, []).append(label)
    return {terms: tuple(group) for terms, group in found.items()}


def made_up(
    schedule: Schedule,
    labels: tuple[str, ...],
    terms: Terms,
    absence: Absence,
    until: datetime,
    now: datetime,
    *,
    started: bool,
) -> MadeUp:
    """Decide about the fire times in `terms.since < at <= until`, a part of the absence.

    `started` says that a fire time later than `until` has come, and starts.
    """
    starts, capped, why = _starts(schedule, terms, absence, until, now, started=started)
    last = starts[0].at - _INSTANT if starts else until
    row = absence.missed(schedule, labels, terms.since, last, terms.recorded)
    if row is not None and why:
        row = replace(row, why=f"{row.why}; {why}")
    return MadeUp(labels, starts, row, capped)


def _starts(
    schedule: Schedule,
    terms: Terms,
    absence: Absence,
    until: datetime,
    now: datetime,
    *,
    started: bool,
) -> tuple[tuple[FireTime, ...], bool, str]:
    """What is made up for, whether there is more of it, and why the others are not."""
    if terms.mode is CatchUp.NONE:
        return (), False, ""
    since, why = terms.since, ""
    if terms.within is not None and now - since > terms.within:
        since = now - terms.within - _INSTANT
        why = f"older than catchup-within, {lasting(terms.within)}"
    if terms.mode is CatchUp.LATEST:
        latest = tuple(absence.newest(schedule, 1, since, until))
        ran = started or any(fire.at in terms.recorded for fire in latest)
        return () if ran else latest, False, "catchup=latest runs once" if ran or latest else why
    most = MOST + 1 + len(terms.recorded)
    newest = absence.newest(schedule, most, since, until)
    starts = tuple(fire for fire in newest if fire.at not in terms.recorded)
    if len(starts) > MOST:
        return starts[-MOST:], True, f"catchup=all makes up for the newest {MOST}"
    return starts, False, why
