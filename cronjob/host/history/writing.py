"""Changes -> rows, within a transaction that somebody else begins and commits."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from typing import Any

from cronjob.core.attempt import Attempt
from cronjob.core.entry import Entry, Identity
from cronjob.core.found import KnownEntry
from cronjob.core.missed import Missed
from cronjob.core.record import (
    Begun,
    Ended,
    Launching,
    NoticeSent,
    Over,
    Planned,
    Progress,
    Started,
    StoppedInOrder,
)
from cronjob.core.registry import Registered
from cronjob.host.history.entries import entry_values
from cronjob.host.history.items import grouped
from cronjob.host.history.rows import END_COLUMNS, Row, end_values
from cronjob.host.history.values import (
    labels_text,
    micros,
    micros_or_none,
    nominal_text,
    raw,
    waits_text,
)
from cronjob.ports import Heard, Item, LauncherNoted, Printed

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
#: Of one statement.  A statement costs more than its row: SQLite sets up what it needs for each,
#: and whoever calls it gives the interpreter away and has to get it back from a busy daemon.
MOST_ROWS = 16

_PROGRESS = """
UPDATE daemon SET planned = ?, high_water = ?, passes = ?, repeats_until = ?, boot = ?,
    stopped = NULL, interrupted = '[]'
"""
_STOPPED = "UPDATE daemon SET stopped = ?, interrupted = ?"
_LAUNCHER = "UPDATE daemon SET launcher_pid = ?, launcher_ticks = ?"
_PLANNED = """
INSERT INTO schedules (schedule, next_at) VALUES (CAST(? AS TEXT), ?)
ON CONFLICT (schedule) DO UPDATE SET next_at = excluded.next_at
"""
_ENTRY = """
INSERT INTO entries (owner, source, name, label, definition, schedule, since, gone, user)
VALUES (?, CAST(? AS TEXT), ?, ?, ?, CAST(? AS TEXT), ?, ?, ?)
ON CONFLICT (owner, source, name) DO UPDATE SET label = excluded.label,
    definition = excluded.definition, schedule = excluded.schedule, since = excluded.since,
    gone = excluded.gone, user = excluded.user
"""
_RENAME = """
UPDATE OR IGNORE entries SET owner = ?, source = CAST(? AS TEXT), name = ?
WHERE owner = ? AND source = CAST(? AS TEXT) AND name = ?
"""
_ENTRY_ID = "SELECT id FROM entries WHERE owner = ? AND source = CAST(? AS TEXT) AND name = ?"
_LABEL_ID = "SELECT id FROM entries WHERE label = ? ORDER BY gone, id DESC LIMIT 1"
_RUN_ID = "SELECT id FROM runs WHERE key = ?"
_BEGIN = """
INSERT INTO runs (key, entry, fire, pass, nominal, caught_up, begun, user, command)
VALUES [(?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT))]
"""
_RETRY_AT = "UPDATE runs SET retry_at = ? WHERE id = ? AND outcome IS NULL"
_OVER = """
WITH over (run, outcome, why, at) AS (VALUES [(?, ?, CAST(? AS TEXT), ?)])
UPDATE runs SET outcome = over.outcome, why = over.why, over_at = over.at, retry_at = NULL
FROM over WHERE runs.id = over.run AND +runs.outcome IS NULL
"""
_LAUNCH = """
INSERT INTO attempts (run, number, host, launched, waited, waits)
VALUES [(?, ?, ?, ?, ?, ?)]
"""
_START = """
UPDATE attempts SET pid = ?, ticks = coalesce(?, ticks)
WHERE run = ? AND number = ? AND outcome IS NULL
"""
_END = f"""
INSERT INTO attempts (run, number, host, launched, waited, waits, {", ".join(END_COLUMNS)})
VALUES [(?, ?, ?, ?, ?, ?,
    {", ".join("CAST(? AS TEXT)" if name == "error" else "?" for name in END_COLUMNS)})]
ON CONFLICT (run, number) DO UPDATE SET pid = coalesce(excluded.pid, pid),
    {", ".join(f"{name} = excluded.{name}" for name in END_COLUMNS if name != "pid")}
WHERE outcome IS NULL
"""
_OUTPUT = """
INSERT INTO outputs (run, number, head, tail, left_out) VALUES [(?, ?, ?, ?, ?)]
ON CONFLICT DO NOTHING
"""
_MISSED = "INSERT INTO missed (entry, first, last, count, why) VALUES (?, ?, ?, ?, ?)"
_NOTICE = """
INSERT INTO notices (run, kind, target, user, sender, content_type, transfer_encoding)
VALUES (?, ?, CAST(? AS TEXT), ?, CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT))
ON CONFLICT DO NOTHING
"""
_SENT = """
UPDATE notices SET sent_at = ?, problem = CAST(? AS TEXT)
WHERE run = ? AND kind = ? AND sent_at IS NULL
"""

#: What SQLite says of a row that somebody else has.
_TAKEN = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}


class Writing:
    """Stores items: what there are many of with one statement for many, the rest one by one.

    A run is claimed by its row: who finds it taken is refused, and nothing more of that run is
    stored.  What has ended stays as it ended (`AND outcome IS NULL`), whoever tells more of it.
    """

    def __init__(self, database: sqlite3.Connection, boot: str, host: str) -> None:
        self._execute = database.execute
        self._boot = boot
        self._host = host
        self._entries: dict[str, int] = {}  #: ids by label
        self._runs: dict[str, int] = {}  #: ids by key, of those that have not ended
        self._starts: dict[tuple[int, int], Row] = {}  #: of attempts that have not ended
        self._denied: set[str] = set()  #: keys of runs that were refused
        self.refused: list[str] = []  #: in this transaction
        self.own: frozenset[str] = frozenset()  #: keys that are claimed already
        self.grown: list[int] = []  #: ids of entries, for each row of theirs in this transaction
        self._ways_of_many: dict[type[Item], Callable[[Any], None]] = {
            Begun: self._begin,
            Launching: self._launch,
            Ended: self._end,
            Printed: self._print,
            Over: self._over,
        }
        self._ways: dict[type[Item], Callable[[Any], None]] = {
            Progress: self._progress,
            Started: self._start,
            Heard: self._hear,
            Missed: self._miss,
            StoppedInOrder: self._stop,
            Planned: self._plan,
            NoticeSent: self._sent,
            Registered: self._note_entry,
            LauncherNoted: self._note_launcher,
        }

    def store(self, items: Iterable[Item]) -> None:
        """Store all of them.  Raises `sqlite3.Error`."""
        for kind, some in grouped(items):
            if (way := self._ways_of_many.get(kind)) is not None:
                way(some)
            else:
                for item in some:
                    self._ways[kind](item)

    def forget(self) -> None:
        """The transaction is rolled back: what it made is not there."""
        self._entries.clear()
        self._runs.clear()
        self._starts.clear()
        self._denied.difference_update(self.refused)

    # -- the daemon and its entries --------------------------------------------------------------

    def _progress(self, progress: Progress) -> None:
        high_water, repeats = map(micros_or_none, (progress.high_water, progress.repeats_until))
        values = (micros(progress.planned), high_water, progress.passes, repeats, self._boot)
        self._execute(_PROGRESS, values)

    def _stop(self, stop: StoppedInOrder) -> None:
        self._execute(_STOPPED, (micros(stop.at), labels_text(stop.interrupted)))

    def _note_launcher(self, noted: LauncherNoted) -> None:
        self._execute(_LAUNCHER, noted.process)

    def _plan(self, planned: Planned) -> None:
        self._execute(_PLANNED, (raw(planned.schedule), micros_or_none(planned.at)))

    def _note_entry(self, registered: Registered) -> None:
        entry, before = registered
        if before is not None:
            self._execute(_RENAME, (*_named(entry.identity), *_named(before)))
        self._execute(_ENTRY, entry_values(entry))
        self._entries.clear()  # it may have taken over a label

    def _entry_of(self, label: str, entry: Entry | None = None) -> int:
        """The id of its row, which is made if nobody has noted the entry."""
        if (known := self._entries.get(label)) is not None:
            return known
        row = self._execute(_LABEL_ID, (label,)).fetchone()
        if row is None:
            identity = entry.identity if entry is not None else Identity("", "", label)
            row = self._execute(_ENTRY_ID, _named(identity)).fetchone()
            if row is None:
                row = (self._made_up(identity, label, entry),)
        self._entries[label] = row[0]
        return int(row[0])

    def _made_up(self, identity: Identity, label: str, entry: Entry | None) -> int | None:
        schedule = " ".join(entry.schedule.key) if entry is not None else ""
        user = entry.user if entry is not None else None
        known = KnownEntry(identity, label, "", schedule, _LONG_AGO, user=user)
        return self._execute(_ENTRY, entry_values(known)).lastrowid

    # -- runs ------------------------------------------------------------------------------------

    def _begin(self, many: Sequence[Begun]) -> None:
        rows = [self._run_values(begun) for begun in many]
        for begun, row, run in zip(many, rows, self._claimed(_BEGIN, rows), strict=True):
            key, entry, *_ = row
            if run is not None:
                self._runs[key] = run
                self.grown.append(entry)
            elif key not in self.own:
                self._refuse(begun.run.key)

    def _run_values(self, begun: Begun) -> Row:
        run, at = begun
        entry = self._entry_of(run.label, run.entry)
        return (
            *(run.key, entry, micros(run.fire.at), run.pass_number),
            *(nominal_text(run.fire.nominal), run.caught_up, micros(at)),
            *(run.entry.user, raw(run.entry.command)),
        )

    def _launch(self, many: Sequence[Launching]) -> None:
        known = [
            (launching, run)
            for launching in many
            if (run := self._id_of(launching.run.key)) is not None
        ]
        rows = [self._start_values(run, launching.attempt) for launching, run in known]
        self._starts.update((row[:2], row) for row in rows)
        for (launching, run), claimed in zip(known, self._claimed(_LAUNCH, rows), strict=True):
            if claimed is None and launching.run.key not in self.own:
                self._refuse(launching.run.key)
            if launching.attempt.number > 1:
                self._execute(_RETRY_AT, (None, run))

    def _claimed(self, statement: str, rows: Sequence[Row]) -> Iterator[int | None]:
        """Insert the rows; the id of each, where its table has any; None: somebody has it.

        Ids of rows inserted together are in their order: each is one more than the largest.
        """
        for some in _parts(rows):
            try:
                cursor = self._store(statement, some)
            except sqlite3.IntegrityError as error:
                if error.sqlite_errorcode not in _TAKEN:
                    raise
                if len(some) == 1:
                    yield None
                for row in some if len(some) > 1 else ():
                    yield from self._claimed(statement, [row])
            else:
                last = cursor.lastrowid or 0
                yield from range(last + 1 - len(some), last + 1)

    def _store_all(self, statement: str, rows: Sequence[Row]) -> None:
        for some in _parts(rows):
            self._store(statement, some)

    def _store(self, statement: str, rows: Sequence[Row]) -> sqlite3.Cursor:
        return self._execute(_repeated(statement, len(rows)), [*chain.from_iterable(rows)])

    def _start_values(self, run: int, attempt: Attempt) -> Row:
        launched, waits = micros(attempt.launched), waits_text(attempt.waits)
        return run, attempt.number, self._host, launched, attempt.waited, waits

    def _start(self, started: Started) -> None:
        if (run := self._id_of(started.run)) is not None:
            self._execute(_START, (started.pid, None, run, started.number))

    def _hear(self, heard: Heard) -> None:
        if (run := self._id_of(heard.run)) is not None:
            self._execute(_START, (heard.pid, heard.ticks, run, heard.number))

    def _end(self, many: Sequence[Ended]) -> None:
        known = [(ended, run) for ended in many if (run := self._id_of(ended.run)) is not None]
        self._store_all(_END, [self._attempt_values(run, ended) for ended, run in known])
        for ended, run in known:
            if ended.retry_at is not None:
                self._execute(_RETRY_AT, (micros(ended.retry_at), run))

    def _attempt_values(self, run: int, ended: Ended) -> Row:
        _, attempt, at, _ = ended
        start = self._starts.pop((run, attempt.number), None) or self._start_values(run, attempt)
        return *start, *end_values(attempt, at)

    def _print(self, many: Sequence[Printed]) -> None:
        rows = [
            (run, printed.number, kept.head, kept.tail, kept.left_out)
            for printed in many
            for kept in (printed.kept,)
            if (run := self._id_of(printed.run)) is not None
        ]
        self._store_all(_OUTPUT, rows)

    def _over(self, many: Sequence[Over]) -> None:
        known = [(over, run) for over in many if (run := self._id_of(over.run)) is not None]
        rows = [(run, over.outcome, raw(over.why), micros(over.at)) for over, run in known]
        self._store_all(_OVER, rows)
        for over, run in known:
            for kind, target, user, *of_mail in over.notices:
                self._execute(_NOTICE, (run, kind, raw(target), user, *map(raw, of_mail)))
            self._runs.pop(over.run, None)

    def _miss(self, missed: Missed) -> None:
        first, last = micros(missed.first), micros(missed.last)
        for label in missed.labels:
            entry = self._entry_of(label)
            self._execute(_MISSED, (entry, first, last, missed.count, missed.why))
            self.grown.append(entry)

    def _sent(self, sent: NoticeSent) -> None:
        if (run := self._id_of(sent.run)) is not None:
            self._execute(_SENT, (micros(sent.at), raw(sent.problem), run, sent.kind))

    def _refuse(self, key: str) -> None:
        if key not in self._denied:
            self._denied.add(key)
            self.refused.append(key)
            self._runs.pop(key, None)

    def _id_of(self, key: str) -> int | None:
        """The id of the run's row; None when it has none, or it is somebody else's."""
        if (run := self._runs.get(key)) is not None:
            return run
        if key in self._denied:
            return None
        row = self._execute(_RUN_ID, (key,)).fetchone()
        return row[0] if row is not None else None


def _named(identity: Identity) -> Row:
    return identity.owner, raw(identity.source), identity.name


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    return (rows[start : start + MOST_ROWS] for start in range(0, len(rows), MOST_ROWS))


@cache
def _repeated(statement: str, count: int) -> str:
    """The statement with the row that it has in brackets so many times."""
    before, rest = statement.split("[")
    row, after = rest.split("]")
    return f"{before}{', '.join([row] * count)}{after}"
