"""The history as the daemon's loop has it: nobody waits for the disk but who must.

One thread writes.  It takes all that has come while it wrote into its next transaction, so that
however many runs begin or end together, few commits are made.  When the history cannot be written
it is *away*: whoever waits is told to go on, what comes is kept in memory, and it is tried again.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from cronjob.core.config import Retention
from cronjob.core.output import Kept
from cronjob.core.query import Found, Process
from cronjob.core.record import Begun, Change, Ended, Progress, Started
from cronjob.core.registry import Registered
from cronjob.core.report import Priority, Report
from cronjob.core.run import attempt_key
from cronjob.core.words import counted
from cronjob.errors import HistoryError
from cronjob.host.clock import SystemClock
from cronjob.host.history.backlog import Backlog, Recorded
from cronjob.host.history.outage import Outage
from cronjob.host.history.reading import open_reader
from cronjob.host.history.renewal import Renewable
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
SOON = 1.0  #: seconds after which also that is stored for which nobody waits
HUNG = 5.0  #: seconds; a disk that takes longer is away
FIRST_RETRY, LONGEST_RETRY = 1.0, 30.0  #: seconds between two tries while it is away
ANSWER_SECONDS = 10.0  #: for a question
CLOSE_SECONDS = 5.0
RUNS_A_TRIM = 500  #: after so many runs it is looked for what is not to be kept
TRIM_SECONDS = 3600.0  #: or after this time, with the next run
TRIM_PAUSE = 0.02  #: seconds between two small steps, for others who use the disk


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
        self._retention = retention
        self._directory = directory
        self._refused, self._anew, self._tell = refused, anew, tell
        self._clock = clock or SystemClock()
        self._outage = Outage(marker, self._clock, tell)
        host = os.uname().nodename
        opened = opened or partial(SqliteHistory, directory, boot=boot, host=host)
        self._history = Renewable(directory, self._clock, opened)  #: the thread's
        self._backlog = Backlog()
        self._launcher: LauncherNoted | None = None
        self._progress: Progress | None = None  #: the latest
        self._own: frozenset[str] = frozenset()  #: runs that `anew` gave
        self._records: list[Recorded] = []  #: that the thread has
        self._batch: Batch | None = None  #: of these
        self._damage: HistoryError | None = None  #: why a new file is to be begun
        self._renewals = 0  #: files that have been begun
        self._alone = 0  #: records that are stored one by one, as one of them may be bad
        self._retry = FIRST_RETRY
        self._begun = RUNS_A_TRIM  #: runs since the latest look for what is not to be kept
        self._trimmed = 0.0  #: when that was, in monotonic seconds
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
            self._say_replaced(aside)
        self._task = self._loop.create_task(self._work())
        return _with_doubts(found, uncertain)

    def keep(self, retention: Retention) -> None:
        """From now on that much is kept; what is too much by then goes soon."""
        if retention != self._retention:
            self._retention, self._begun = retention, RUNS_A_TRIM
            self._wanted.set()

    def register(self, rows: Sequence[Registered]) -> None:
        """Note what is to be known of entries."""
        self._add(list(rows), None)

    def record_launcher(self, pid: int, ticks: int) -> None:
        """Note the process that is the parent of every command."""
        self._launcher = LauncherNoted(Process(pid, ticks))
        self._add([self._launcher], None)

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
        self._add(list(_items(changes, outputs or {}, ticks)), done)

    async def ask(self, question: Callable[[Reader], T]) -> T:
        """The answer, found in a thread of its own.  Raises `HistoryError`."""
        self._reader = self._reader or Worker("history-reader")
        renewals = self._renewals
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._reader.do(partial(self._answer, question))
        except TimeoutError:
            raise HistoryError("the history does not answer") from None
        except HistoryError as error:
            # The writer may not look at the damaged part for long.
            if error.corrupt and isinstance(error.__cause__, sqlite3.Error):
                self._suspect(error, renewals)
            raise

    def _suspect(self, damage: HistoryError, renewals: int) -> None:
        """Somebody has found the file damaged that was there after so many renewals."""
        if renewals == self._renewals and self._damage is None:
            self._damage = damage
            self._wanted.set()

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
        for item in items:
            if isinstance(item, Begun):
                self._begun += 1
            elif isinstance(item, Progress):
                self._progress = item
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
            if not (self._records or self._backlog or self._damage):
                self._wanted.clear()
                await self._trim_until_wanted()
                await self._wanted.wait()
                continue
            try:
                await self._store_some()
            except HistoryError as error:
                if self._closing:
                    return
                self._go_away(str(error))
                await self._pause()

    async def _store_some(self) -> None:
        """Store a batch, or the one of which that failed before."""
        watchdog = self._loop.call_later(HUNG, self._go_away, f"{self._directory} does not answer")
        try:
            if self._damage is not None:
                await self._begin_anew(self._damage)
            batch = self._batch = self._batch or self._take()
            refused = await self._worker.do(partial(self._history.write, batch))
        except HistoryError as error:
            if error.corrupt or error.vanished:
                self._damage = error
            else:
                raise
        except Exception as error:  # a defect of ours must cost one record at most
            self._part_with(error)
        else:
            self._stored(refused)
        finally:
            watchdog.cancel()

    def _take(self) -> Batch:
        most = 1 if self._alone else ITEMS_A_BATCH
        self._alone = max(0, self._alone - 1)
        self._records = self._backlog.take(most)
        items = tuple(item for recorded in self._records for item in recorded.items)
        return Batch(items, self._own)

    def _stored(self, refused: tuple[str, ...]) -> None:
        records, self._records, self._batch = self._records, [], None
        if refused and self._outage.since is None:
            self._loop.call_soon(self._refused, refused)
        for recorded in records:
            if recorded.done is not None:
                self._loop.call_soon(recorded.done)
        self._retry = FIRST_RETRY
        if not self._backlog:
            self._outage.end()
            if self._progress is not None:
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
        for recorded in records:
            if recorded.done is not None:
                self._loop.call_soon(recorded.done)

    def _go_away(self, why: str) -> None:
        waiting = self._backlog.items + sum(len(recorded.items) for recorded in self._records)
        self._outage.go_on(why, waiting)
        self._release()
        self._outage.shed(self._backlog.shed())

    def _release(self) -> None:
        """Nobody is to wait for a history that is away."""
        for recorded in self._records:
            if recorded.done is not None:
                self._loop.call_soon(recorded.done)
                recorded.done = None
        for done in self._backlog.release():
            self._loop.call_soon(done)

    async def _pause(self) -> None:
        """Until it is tried again, or until the end."""
        until = self._loop.time() + self._retry
        self._retry = min(2 * self._retry, LONGEST_RETRY)
        while not self._closing and (left := until - self._loop.time()) > 0:
            self._wanted.clear()
            await self._wanted_within(left)

    async def _wanted_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._wanted.wait()
        except TimeoutError:
            return False

    async def _begin_anew(self, damage: HistoryError) -> None:
        """Begin a new file, with all that is unfinished and all that waits."""
        aside = await self._worker.do(partial(self._history.replace, damage))
        self._damage = None
        self._renewals += 1
        self._say_replaced(aside, str(damage))
        late = [*self._records, *self._backlog.waiting]
        self._records, self._batch = [], None
        self._backlog.replace([])
        changes = self._anew()
        self._own |= {change.run.key for change in changes if isinstance(change, Begun)}
        first = [*self._backlog.waiting, Recorded(list(filter(None, (self._launcher,))))]
        self._backlog.replace(late)
        self._backlog.drop({*self._own})
        self._backlog.replace([*first, *self._backlog.waiting, Recorded(list(changes))])

    def _say_replaced(self, aside: str, why: str = "") -> None:
        what = f"it is now {aside}" if aside else "there is none any more"
        reason = f"{why}; " if why else "the history is corrupt; "
        text = f"{reason}{what}, and a new one is begun"
        self._tell(Report("history-replaced", Priority.ERROR, text))

    async def _trim_until_wanted(self) -> None:
        """Forget what is not to be kept, as long as nothing else is to be done."""
        now = self._loop.time()
        if self._begun < RUNS_A_TRIM and (not self._begun or now - self._trimmed < TRIM_SECONDS):
            return
        self._begun, self._trimmed = 0, now
        more = True
        while more and not self._wanted.is_set():
            try:
                more = await self._worker.do(partial(self._history.trim, self._retention))
            except HistoryError as error:
                if error.corrupt or error.vanished:
                    self._damage = error
                    self._wanted.set()
                return  # otherwise the next batch finds the same
            if more and await self._wanted_within(TRIM_PAUSE):
                self._begun = RUNS_A_TRIM  # the rest follows

    def _answer(self, question: Callable[[Reader], T]) -> T:
        with open_reader(self._directory) as reader:
            return question(reader)


def _items(changes: Sequence[Change], outputs: Mapping[str, Kept], ticks: int) -> Iterator[Item]:
    for change in changes:
        if isinstance(change, Started):
            yield Heard(change.run, change.number, change.pid, ticks)
            continue
        yield change
        if isinstance(change, Ended):
            kept = outputs.get(attempt_key(change.run, change.attempt.number))
            if kept is not None and (kept.head or kept.tail):
                yield Printed(change.run, change.attempt.number, kept)


def _with_doubts(found: Found, noticed: datetime | None) -> Found:
    """The same, with the time from which on runs may be missing in it.

    That it is away is noticed late, by a run whose fire time is earlier.
    """
    if noticed is None:
        return found
    progress = found.left.progress
    uncertain = min(noticed, progress.planned) if progress is not None else noticed
    return replace(found, left=replace(found.left, uncertain_since=uncertain))
