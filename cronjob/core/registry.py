"""Which entries there have been: who is new, who is called otherwise now, who is gone.

The history of an entry hangs on its identity.  An entry that is new while another of the same
definition is in no table any more is that one under another name, and keeps its history.
"""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from cronjob.core.entry import Entry, Identity
from cronjob.core.found import KnownEntry, Left
from cronjob.core.schedule import Schedule
from cronjob.core.zone import zone_name


class Registered(NamedTuple):
    """An entry to store as it is now."""

    entry: KnownEntry
    before: Identity | None = None  #: what it was known by, if by another identity


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What the tables of now make of the entries that are stored."""

    rows: tuple[Registered, ...]  #: those that differ from what is stored
    since: Mapping[str, datetime]  #: label -> since when its schedule is in force
    renamed: Mapping[str, str]  #: label before -> label now, of those that are called otherwise


def reconcile(
    known: Sequence[KnownEntry], entries: Mapping[str, Entry], now: datetime
) -> Reconciled:
    """Compare what is stored with the entries of the tables, which are given by label.

    A schedule is in force since `now` if its entry is new or back again, or was edited in its time
    columns or its zone: nobody misses fire times that it did not have.
    """
    stored = {one.identity: one for one in known}
    present = {entry.identity for entry in entries.values()}
    vanished = [one for one in known if one.identity not in present]
    origins = _origins(vanished, [e for e in entries.values() if e.identity not in stored])
    rows, since, renamed = list[Registered](), dict[str, datetime](), dict[str, str]()
    for label, entry in entries.items():
        origin = origins.get(entry.identity)
        before = origin or stored.get(entry.identity)
        one = _known(label, entry, before, now)
        since[label] = one.since
        if one != before:
            rows.append(Registered(one, origin.identity if origin else None))
        if before is not None and not before.gone and before.label != label:
            renamed[before.label] = label
    moved = {one.identity for one in origins.values()}
    gone = [one for one in vanished if not one.gone and one.identity not in moved]
    rows += [Registered(one._replace(gone=True)) for one in gone]
    return Reconciled(tuple(rows), since, renamed)


def _origins(vanished: Sequence[KnownEntry], new: Sequence[Entry]) -> dict[Identity, KnownEntry]:
    """What new entries were before, by their identity: of the same owner and definition.

    Each is the origin of one at most: whoever is still in force first, then as they are stored.
    """
    offered = defaultdict[tuple[str, str], deque[KnownEntry]](deque)
    for one in sorted(vanished, key=lambda one: one.gone):
        offered[one.identity.owner, one.definition].append(one)
    found: dict[Identity, KnownEntry] = {}
    for entry in new if offered else ():
        if same := offered.get((entry.identity.owner, definition(entry))):
            found[entry.identity] = same.popleft()
    return found


def _known(label: str, entry: Entry, before: KnownEntry | None, now: datetime) -> KnownEntry:
    schedule = schedule_key(entry.schedule)
    going_on = before is not None and not before.gone and before.schedule == schedule
    since = before.since if before is not None and going_on else now
    return KnownEntry(entry.identity, label, definition(entry), schedule, since, user=entry.user)


def schedule_key(schedule: Schedule) -> str:
    """Equal for schedules that fire at equal times: canonical text and zone."""
    return " ".join(schedule.key)


def definition(entry: Entry) -> str:
    """A hash of who does what and when: the account, the time columns, the zone, the command.

    The columns count as written, `H` and `~` undrawn.  Other fields do not count, nor does the
    environment: who edits `retry` and gives a name by the same stroke still means the same entry.
    """
    parts = (
        entry.user or "",
        entry.schedule.rule,
        zone_name(entry.schedule.zone),
        entry.command,
        entry.stdin,
    )
    return sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def labels_before(known: Sequence[KnownEntry]) -> dict[Identity, str]:
    """What entries were called, for `label_entries`; one that is gone lends its label to others."""
    labels = {one.identity: one.label for one in known if not one.gone}
    taken = set(labels.values())
    return labels | {
        one.identity: one.label for one in known if one.gone and one.label not in taken
    }


def followed(left: Left, renamed: Mapping[str, str]) -> Left:
    """What the daemon before left, by the labels of now; a run that is recorded keeps its key."""
    if not renamed:
        return left
    return replace(
        left,
        recorded=also_under(left.recorded, renamed),
        unfinished=tuple(
            run._replace(label=renamed.get(run.label, run.label)) for run in left.unfinished
        ),
        interrupted=tuple(renamed.get(label, label) for label in left.interrupted),
    )


def also_under(keys: frozenset[str], renamed: Mapping[str, str]) -> frozenset[str]:
    """The keys of runs, and those that these would have had under the labels of now."""
    parts = (key.rpartition("@") for key in keys)
    return keys | {f"{renamed[label]}@{rest}" for label, _, rest in parts if label in renamed}
