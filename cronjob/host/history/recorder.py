"""The history as the daemon's loop has it: nobody waits for the disk but who must.

One thread writes.  It takes all that has come while it wrote into its next transaction, so that
however many runs begin or end together, few commits are made.  When the history cannot be written
it is *away*: whoever waits is told to go on, what comes is kept in memory, and it is tried again.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import chain
from typing import TypeVar

from cronjob.core.attempt import attempt_key
from cronjob.core.config import Retention
from cronjob.core.found import Found, ProcessKey
from cronjob.core.output import Kept
from cronjob.core.record import Change, Ended, Progress, Started
from cronjob.core.registry import Registered
from cronjob.core.report import Priority, Report
from cronjob.core.words import counted
from cronjob.errors import HistoryError
from cronjob.host.clock import SystemClock
from cronjob.host.history.backlog import Backlog, Recorded
from cronjob.host.history.forgetting import Forgetting
from cronjob.host.history.outage import Outage
from cronjob.host.history.reading import open_reader
from cronjob.host.history.renewal import Renewable
from cronjob.host.history.repair import Repair
from cronjob.host.history.store import SqliteHistory
from cronjob.host.history.worker import Worker
from cronjob.ports import (
    Batch,
    Clock,
    Heard,
    History,
    Item,
    LauncherNoted,
    Printed,
    Reader,
)

T = TypeVar("T")

ITEMS_A_BATCH = 2000  #: of one transaction; some 20 ms
OUTPUT_A_BATCH = 1 << 20  #: bytes
SOON = 1.0  #: seconds after which also that is stored for which nobody waits
HUNG = 5.0  #: seconds; a disk that takes longer is away
FIRST_RETRY, LONGEST_RETRY = 1.0, 30.0  #: seconds between two tries while it is away
ANSWER_SECONDS = 10.0  #: for a question
CLOSE_SECONDS = 5.0


class Recorder:
    """Stores what the engine wants recorded.

    `refused(keys)` hears of claims that others have, before whoever recorded them goes on.
    `anew()` gives all that is unfinished, as changes, for a file that had to be begun anew; it may
    register entries and record more, which comes before them.
    `marker` is the path of the file that says since when the history is away.
    `opened` makes the history, in the thread that writes it.
    """

    def __init__(
        self,
        directory: str,
        *,
        boot: str,
        retention: Retention,
        refused: Callable[[tuple[str, ...]], None],
        anew: Callable[[], tuple[Change, ...]],
        tell: Callable[[Report], None],
        marker: str,
        clock: Clock | None = None,
        opened: Callable[[], History] | None = None,
    ) -> None:
        self._directory = directory
        self._refused, self._tell = refused, tell
        self._clock = clock or SystemClock()
        self._outage = Outage(marker, self._clock, tell)
        host = os.uname().nodename
        opened = opened or partial(SqliteHistory, directory, boot=boot, host=host)
        self._history = Renewable(directory, self._clock, opened)  #: the thread's
        self._backlog = Backlog()
        self._repair = Repair(anew, tell)
        self._forgetting = Forgetting(retention, self._trim)
        self._progressed = False  #: the engine has said how far it is
        self._records: list[Recorded] = []  #: that the thread has
        self._batch: Batch | None = None  #: of these
        self._alone = 0  #: records that are stored one by one, as one of them may be bad
        self._retry = FIRST_RETRY
        self._closing = False
        self._reader: Worker | None = None
        self._soon: asyncio.TimerHandle | None = None

    @property
    def away_since(self) -> datetime | None:
        """Since when the history cannot be written; None: it can."""
        return self._outage.since

    @property
    def commits(self) -> int:
        """Transactions so far, each of them one sync."""
        return self._history.commits

    async def open(self) -> Found:
        """What the daemon before left; nothing where that cannot be known."""
        self._loop = asyncio.get_running_loop()
        self._wanted = asyncio.Event()
        self._worker = Worker("history")
        uncertain = self._outage.of_before()
        try:
            async with asyncio.timeout(HUNG):
                found, aside = await self._worker.do(self._history.open_and_find)
        except (HistoryError, TimeoutError) as error:
            self._worker.do(self._history.be_blind)
            self._outage.go_on(str(error) or f"{self._directory} does not answer", 0)
            found, aside = Found(away=True), ""
            self._wanted.set()
        if aside:
            self._repair.tell(aside)
        self._task = self._loop.create_task(self._work())
        return _with_doubts(found, uncertain)

    def keep(self, retention: Retention) -> None:
        """From now on that much is kept; what is too much by then goes soon."""
        if self._forgetting.keep(retention):
            self._wanted.set()

    def register(self, rows: Sequence[Registered]) -> None:
        """Note what is to be known of entries."""
        self._add(list(rows), None)

    def record_launcher(self, pid: int, ticks: int) -> None:
        """Note the process that is the parent of every command."""
        self._repair.launcher = LauncherNoted(ProcessKey(pid, ticks))
        self._add([self._repair.launcher], None)

    def record(
        self,
        changes: Sequence[Change],
        done: Callable[[], None] | None,
        *,
        outputs: Mapping[str, Kept] | None = None,
        ticks: int = 0,
    ) -> None:
        """Store the changes; `done` is called once they are safe, or the history is away.

        `outputs` are those of attempts that end, by attempt key; `ticks` is when it was heard that
        attempts have started.  Without `done` nobody waits, and a second may pass.
        """
        self._add(_items(changes, outputs or {}, ticks), done)

    async def ask(self, question: Callable[[Reader], T]) -> T:
        """The answer, found in a thread of its own.  Raises `HistoryError`."""
        self._reader = self._reader or Worker("history-reader")
        renewals = self._repair.renewals
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._reader.do(partial(self._answer, question))
        except TimeoutError:
            raise HistoryError("the history does not answer") from None
        except HistoryError as error:
            # The writer may not look at the damaged part for long.
            of_the_file = error.corrupt and isinstance(error.__cause__, sqlite3.Error)
            if of_the_file and self._repair.suspect(error, renewals):
                self._wanted.set()
            raise

    async def close(self) -> None:
        """Store what waits, if that can be done within some seconds."""
        self._closing = True
        self._wanted.set()
        await asyncio.wait({self._task}, timeout=CLOSE_SECONDS)
        self._task.cancel()
        left = self._backlog.items + sum(len(recorded.items) for recorded in self._records)
        if left:
            text = f"{counted(left, 'change')} could not be written to the history"
            self._tell(Report("history-away", Priority.ERROR, text))
        elif self._outage.since is None:
            await asyncio.wait({self._worker.do(self._history.close)}, timeout=CLOSE_SECONDS)
        self._worker.stop()
        if self._reader is not None:
            self._reader.stop()

    # -- in the loop -----------------------------------------------------------------------------

    def _add(self, items: list[Item], done: Callable[[], None] | None) -> None:
        self._backlog.add(items, done)
        self._forgetting.note(items)
        self._progressed |= any(isinstance(item, Progress) for item in items)
        if self._outage.since is not None:
            self._release()
            self._outage.shed(self._backlog.shed())
            self._wanted.set()  # it may have been away before there was anything to store
        elif done is not None:
            self._wanted.set()
        elif self._soon is None:
            self._soon = self._loop.call_later(SOON, self._want)

    def _want(self) -> None:
        self._soon = None
        self._wanted.set()

    async def _work(self) -> None:
        while not self._closing or self._records or self._backlog:
            try:
                await self._do_some()
            except Exception as error:
                if self._closing:
                    return
                known = isinstance(error, HistoryError)
                # Nobody may wait for ever because of a defect of ours.
                self._go_away(str(error) if known else f"internal error: {error!r}")
                await self._pause()

    async def _do_some(self) -> None:
        """Store some of what waits; forget some and wait, if nothing does."""
        if self._records or self._backlog or self._repair.damage:
            await self._store_some()
            return
        self._wanted.clear()
        await self._forget_some()
        await self._wanted.wait()

    async def _store_some(self) -> None:
        """Store a batch, or the one of which that failed before."""
        watchdog = self._loop.call_later(HUNG, self._go_away, f"{self._directory} does not answer")
        try:
            if self._repair.damage is not None:
                await self._begin_anew(self._repair.damage)
            batch = self._batch = self._batch or self._take()
            refused = await self._worker.do(partial(self._history.write, batch))
        except HistoryError as error:
            if error.corrupt or error.vanished:
                self._repair.damage = error
            else:
                raise
        except Exception as error:  # a defect of ours must cost one record at most
            if not self._records:
                raise
            self._part_with(error)
        else:
            self._stored(refused)
        finally:
            watchdog.cancel()

    def _take(self) -> Batch:
        most = 1 if self._alone else ITEMS_A_BATCH
        self._alone = max(0, self._alone - 1)
        self._records = self._backlog.take(most, OUTPUT_A_BATCH)
        return Batch([*chain.from_iterable(one.items for one in self._records)], self._repair.own)

    def _stored(self, refused: tuple[str, ...]) -> None:
        records, self._records, self._batch = self._records, [], None
        if refused and self._outage.since is None:
            self._loop.call_soon(self._refused, refused)
        self._call(*(recorded.done for recorded in records))
        self._retry = FIRST_RETRY
        if not self._backlog:
            self._outage.end()
            if self._progressed:
                self._outage.remove_marker()

    def _part_with(self, error: Exception) -> None:
        """Store the records of the batch one by one, or give up the only one."""
        records, self._records, self._batch = self._records, [], None
        if len(records) > 1:
            self._alone = len(records)
            self._backlog.replace([*records, *self._backlog.waiting])
            return
        text = f"internal error: cannot be written to the history: {error!r}"
        self._tell(Report("internal-error", Priority.ERROR, text))
        self._call(*(recorded.done for recorded in records))

    def _go_away(self, why: str) -> None:
        waiting = self._backlog.items + sum(len(recorded.items) for recorded in self._records)
        self._outage.go_on(why, waiting)
        self._release()
        self._outage.shed(self._backlog.shed())

    def _release(self) -> None:
        """Nobody is to wait for a history that is away."""
        for recorded in self._records:
            self._call(recorded.done)
            recorded.done = None
        self._call(*self._backlog.release())

    def _call(self, *waiting: Callable[[], None] | None) -> None:
        """Let those go on who wait: with nothing of ours under way, which they may call."""
        for done in waiting:
            if done is not None:
                self._loop.call_soon(done)

    async def _pause(self) -> None:
        """Until it is tried again, or until the end."""
        until = self._loop.time() + self._retry
        self._retry = min(2 * self._retry, LONGEST_RETRY)
        while not self._closing and (left := until - self._loop.time()) > 0:
            self._wanted.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._wanted.wait()

    async def _begin_anew(self, damage: HistoryError) -> None:
        aside = await self._worker.do(partial(self._history.replace, damage))
        taken, self._records, self._batch = self._records, [], None
        self._repair.begin_anew(aside, taken, self._backlog)

    async def _forget_some(self) -> None:
        """Forget what is not to be kept, as long as nothing else is to be done."""
        try:
            await self._forgetting.forget(self._wanted)
        except HistoryError as error:  # any other than these the next batch finds too
            if error.corrupt or error.vanished:
                self._repair.damage = error
                self._wanted.set()

    def _trim(self, retention: Retention) -> "asyncio.Future[bool]":
        return self._worker.do(partial(self._history.trim, retention))

    def _answer(self, question: Callable[[Reader], T]) -> T:
        with open_reader(self._directory) as reader:
            return question(reader)


def _items(changes: Sequence[Change], outputs: Mapping[str, Kept], ticks: int) -> list[Item]:
    items = list[Item]()
    for change in reversed(changes):
        if isinstance(change, Started):
            if not (items and _is_end_of(change, items[-1])):  # which says all that a start does
                items.append(Heard(change.run, change.number, change.pid, ticks))
            continue
        if outputs and isinstance(change, Ended):
            kept = outputs.get(attempt_key(change.run, change.attempt.number))
            if kept is not None and (kept.head or kept.tail):
                items.append(Printed(change.run, change.attempt.number, kept))
        items.append(change)
    items.reverse()
    return items


def _is_end_of(start: Started, item: Item) -> bool:
    return isinstance(item, Ended) and (item.run, item.attempt.number) == start[:2]


def _with_doubts(found: Found, noticed: datetime | None) -> Found:
    """The same, with the time from which on runs may be missing in it.

    That it is away is noticed late, by a run whose fire time is earlier.
    """
    if noticed is None:
        return found
    progress = found.left.progress
    uncertain = min(noticed, progress.planned) if progress is not None else noticed
    return replace(found, left=replace(found.left, uncertain_since=uncertain))
