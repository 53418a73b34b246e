"""A plain account of what was recorded and started: the rules that hold whatever dies in between.

It knows no engine and no store.  It is told every change when that is safe, and every launch when
it happens, and complains of the first that cannot be true.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from cronjob.core.entry import Entry
from cronjob.core.missed import Missed
from cronjob.core.outcome import Outcome, RunOutcome
from cronjob.core.record import (
    Begun,
    Change,
    Ended,
    Launching,
    NoticeSent,
    Over,
    Progress,
    Started,
)
from cronjob.core.schedule import Schedule

#: Why a ladder may end before its attempts are used.
WHYS = (
    "no further retry: ",
    "superseded",
    "killed by",
    "its entry is",
    "the daemon",
    "it starts anew",
    "replaced by",
)


@dataclass
class Page:
    """One run."""

    label: str
    fire: datetime
    pass_number: int
    asked: bool
    limit: int  #: retries, as its entry reads now
    attempts: list[Outcome | None] = field(default_factory=list)  #: None: it has not ended
    retry_at: datetime | None = None
    outcome: RunOutcome | None = None  #: None: it is not over
    why: str = ""


class Book:
    """All runs, launches and missed fire times of one machine."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}  #: by run key
        self.missed: list[Missed] = []
        self.progress: Progress | None = None
        self.since: datetime | None = None  #: when the first daemon planned that came so far
        self.launched: set[tuple[str, int]] = set()
        self._claims: dict[tuple[str, datetime, int], str] = {}

    # -- what happens ----------------------------------------------------------------------------

    def note(self, changes: Sequence[Change], refused: Set[str] = frozenset()) -> None:
        """These are safe now, but for those of runs that were refused when they began."""
        denied = set(refused) - {c.run.key for c in changes if isinstance(c, Begun)}
        for change in changes:
            if isinstance(change, Begun) and change.run.key in refused:
                denied.add(change.run.key)
            if _run_of(change) in denied:
                continue
            match change:
                case Begun():
                    self._begun(change)
                case Launching():
                    self._launching(change)
                case Started(run, number):
                    assert (run, number) in self.launched, f"{run}/{number} has a process already"
                case Ended():
                    self._ended(change)
                case Over():
                    self._over(change)
                case Missed():
                    self.missed.append(change)
                case Progress():
                    self._progress(change)
                case NoticeSent(run):
                    assert self.pages[run].outcome is not None

    def launch(self, run: str, number: int, *, recorded: bool = True) -> None:
        """The process of an attempt comes to be; it is `recorded`, unless the history is away."""
        assert (run, number) not in self.launched, f"{run}/{number} was started twice"
        self.launched.add((run, number))
        page = self.pages.get(run)
        known = page is not None and len(page.attempts) == number
        assert known or not recorded, f"{run}/{number} was started and is not recorded"

    def reread(self, entries: Mapping[str, Entry]) -> None:
        """The tables have changed."""
        for page in self.pages.values():
            if page.outcome is None:
                entry = entries.get(page.label)
                page.limit = entry.fields.retry.limit if entry is not None else 0

    def rename(self, renamed: Mapping[str, str]) -> None:
        """These labels are of the same entries as those before."""
        for page in self.pages.values():
            page.label = renamed.get(page.label, page.label)
        self._claims = {
            (renamed.get(label, label), at, number): key
            for (label, at, number), key in self._claims.items()
        }
        self.missed = [
            replace(row, labels=tuple(renamed.get(label, label) for label in row.labels))
            for row in self.missed
        ]

    def _begun(self, change: Begun) -> None:
        run = change.run
        claim = run.label, run.fire.at, run.pass_number
        assert run.key not in self.pages, f"{run.key} begins twice"
        if run.asked is None:
            assert claim not in self._claims, f"{claim} is claimed by {self._claims[claim]} too"
            self._claims[claim] = run.key
        self.pages[run.key] = Page(
            label=run.label,
            fire=run.fire.at,
            pass_number=run.pass_number,
            asked=run.asked is not None,
            limit=run.entry.fields.retry.limit,
        )

    def _launching(self, change: Launching) -> None:
        page, number = self.pages[change.run.key], change.attempt.number
        assert page.outcome is None, f"{change.run.key} is over and starts"
        assert number == len(page.attempts) + 1, f"{change.run.key}: {number} after {page}"
        assert None not in page.attempts, f"{change.run.key}: {number} before the end of another"
        page.attempts.append(None)
        page.retry_at = None

    def _ended(self, change: Ended) -> None:
        page, number = self.pages[change.run], change.attempt.number
        assert number == len(page.attempts), f"{change.run}/{number} ends, of {page}"
        assert page.attempts[-1] is None, f"{change.run}/{number} ends twice"
        assert page.outcome is None, f"{change.run}/{number} ends after its run"
        assert change.attempt.outcome is not None
        page.attempts[-1] = change.attempt.outcome
        page.retry_at = change.retry_at

    def _over(self, change: Over) -> None:
        page = self.pages[change.run]
        assert page.outcome is None, f"{change.run} is over twice: {page}, {change}"
        assert None not in page.attempts, f"{change.run} is over before its attempt"
        page.outcome, page.why = change.outcome, change.why

    def _progress(self, progress: Progress) -> None:
        if self.progress is None:
            self.since = progress.planned
        self.progress = progress

    # -- what holds in the end -------------------------------------------------------------------

    def unfinished(self) -> list[str]:
        """The keys of runs that have no end."""
        return [key for key, page in self.pages.items() if page.outcome is None]

    def assert_every_run_is_over(self) -> None:
        """Nothing was lost on the way."""
        left = self.unfinished()
        assert not left, f"not over: {[(key, self.pages[key]) for key in left]}"

    def assert_retries_are_kept(self) -> None:
        """No ladder ends early without a good reason."""
        for key, page in self.pages.items():
            if page.outcome is None or not page.attempts or page.limit == 0:
                continue
            if page.attempts[-1] in (Outcome.SUCCEEDED, Outcome.CANCELLED, Outcome.LOST):
                continue  # the last two are retried only when they are named
            used = len(page.attempts) > page.limit
            assert used or page.why.startswith(WHYS), f"{key} ended early: {page}"

    def assert_each_has_a_fate(
        self, windows: Iterable["Window"], until: datetime, *, exact: bool = True
    ) -> None:
        """Each fire time up to now is a run or in a row of missed ones.

        `exact`: in one of them only, and nothing else is; the clock has never gone back.
        """
        due: dict[str, list[datetime]] = {}
        for window in windows:
            if window.schedule.reboot:
                continue
            due.setdefault(window.label, []).extend(window.due(self.since, until))
        for label, fires in due.items():
            pages = [page for page in self.pages.values() if page.label == label]
            rows = [row for row in self.missed if label in row.labels]
            begun = {page.fire for page in pages if not page.asked}
            assert_some_fate_each(label, fires, begun, rows)
            if exact:
                assert_one_fate_each(label, fires, begun, rows)

    def dealt_with(self, label: str, *, exact: bool) -> datetime | None:
        """Up to when the fire times of an entry have a record, if nobody looks at it any more.

        `exact`: also of the burst that was going on; the clock has never gone back.
        """
        if self.progress is None:
            return None
        pages = [page for page in self.pages.values() if page.label == label]
        fires = [page.fire for page in pages if exact and not page.asked]
        return max([self.progress.planned, *fires])


@dataclass
class Window:
    """When an entry was in the tables with one schedule."""

    label: str
    schedule: Schedule
    since: datetime
    until: datetime | None = None  #: None: it still is
    quiet_until: datetime | None = None  #: the clock had gone back, and a fixed one waits

    def due(self, since: datetime | None, until: datetime) -> list[datetime]:
        """Its fire times; none before there was a daemon."""
        if since is None:
            return []
        end = min(until, self.until or until)
        start = max(self.since, since)
        if self.quiet_until is not None and not self.schedule.wildcard:
            start = max(start, self.quiet_until)
        return [fire.at for fire in self.schedule.between(start, end)]


def _run_of(change: Change) -> str | None:
    match change:
        case Begun(run) | Launching(run):
            return run.key
        case Started(run=key) | Ended(run=key) | Over(run=key) | NoticeSent(run=key):
            return key
        case _:
            return None


class Row(Protocol):
    """Some missed fire times of an entry."""

    @property
    def first(self) -> datetime:
        """The first of them."""

    @property
    def last(self) -> datetime:
        """The last of them."""

    @property
    def count(self) -> int:
        """How many."""


def assert_some_fate_each(
    label: str, due: Sequence[datetime], begun: Set[datetime], rows: Sequence[Row]
) -> None:
    """Each of the fire times that were due is among those that began, or in a row."""
    missed = [at for at in due if at not in begun]
    nowhere = [at for at in missed if not any(row.first <= at <= row.last for row in rows)]
    assert not nowhere, f"{label}: nothing says what became of {nowhere}"


def assert_one_fate_each(
    label: str, due: Sequence[datetime], begun: Set[datetime], rows: Sequence[Row]
) -> None:
    """No fire time has two fates, and nothing began that was not due."""
    assert begun <= set(due), f"{label} began at {begun - set(due)}, no fire times of it"
    count = len(begun) + sum(row.count for row in rows)
    assert count == len(due), f"{label}: {len(due)} fire times, {count} fates: {rows}"
