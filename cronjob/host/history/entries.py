"""Entries as the history has them <-> their rows."""

import sqlite3

from cronjob.core.entry import Identity
from cronjob.core.found import KnownEntry
from cronjob.host.history.rows import Row
from cronjob.host.history.values import instant, micros, raw

_COLUMNS = "owner, source, name, label, definition, schedule, since, gone, user"


def known(database: sqlite3.Connection) -> tuple[KnownEntry, ...]:
    """Every entry of which anything is kept.  Raises `sqlite3.Error`."""
    rows = database.execute(f"SELECT {_COLUMNS} FROM entries ORDER BY id")
    return tuple(map(_known_entry, rows))


def entry_values(entry: KnownEntry) -> Row:
    """What the columns hold of an entry, in their order."""
    owner, source, name = entry.identity
    return (
        *(owner, raw(source), name, entry.label, entry.definition, raw(entry.schedule)),
        *(micros(entry.since), entry.gone, entry.user),
    )


def _known_entry(row: Row) -> KnownEntry:
    """What is known of an entry, from `_COLUMNS`."""
    owner, source, name, label, definition, schedule, since, gone, user = row
    return KnownEntry(
        identity=Identity(owner, source, name),
        label=label,
        definition=definition,
        schedule=schedule,
        since=instant(since),
        gone=bool(gone),
        user=user,
    )
