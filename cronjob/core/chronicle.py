"""What a simulation shows: its occurrences one by one, and their counts in the end.

Nothing is kept but the counts, so a simulation of years needs no more memory than one of a day.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cronjob.core.events import Announce, Effect, Finished, Launch
from cronjob.core.missed import Missed
from cronjob.core.outcome import Outcome, RunOutcome
from cronjob.core.report import Report
from cronjob.core.run import Run, RunState
from cronjob.core.simulation import Simulation
from cronjob.core.waits import waited_words
from cronjob.core.words import counted, seconds

_SHOWN_LATE = timedelta(seconds=1)  # a start so far from its fire time says so


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """Something that happens to the daemon, under the name that the journal has for it."""

    event: str
    at: datetime  #: UTC
    name: str = ""  #: label of the entry; empty when it is about none
    text: str
    details: tuple[tuple[str, object], ...] = ()  #: for machines, all that JSON can say


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of one entry, or of all."""

    runs: int = 0  #: begun, that is with an attempt
    attempts: int = 0
    failures: int = 0  #: attempts that did not succeed
    gave_up: int = 0  #: runs that failed although they could be retried
    overlaps: int = 0  #: runs that began while an earlier one was going
    skipped: int = 0  #: runs that were not to begin
    missed: int = 0  #: fire times without a run that began in time
    longest_wait: float = 0.0  #: seconds, for slots, gates and earlier runs

    def add(self, other: "Tally") -> None:
        """Count in what became of another."""
        self.runs += other.runs
        self.attempts += other.attempts
        self.failures += other.failures
        self.gave_up += other.gave_up
        self.overlaps += other.overlaps
        self.skipped += other.skipped
        self.missed += other.missed
        self.longest_wait = max(self.longest_wait, other.longest_wait)


@dataclass
class Chronicle:
    """Watches a simulation and tells of each occurrence."""

    tell: Callable[[Occurrence], None]
    tallies: dict[str, Tally] = field(default_factory=dict)  #: by label
    most_slots: int = 0  #: held at once
    busiest: datetime | None = None  #: when they were, for the first time
    _going: dict[str, set[str]] = field(default_factory=dict)  # keys of unfinished runs, by label

    def watch(self, simulation: Simulation, at: datetime, effect: Effect) -> None:
        """Tell of an effect, and count it."""
        match effect:
            case Launch(run, _):
                if simulation.state.slots_used > self.most_slots:
                    self.most_slots, self.busiest = simulation.state.slots_used, at
                self._started(at, run)
            case Announce(_, missed) if missed:
                for row in missed:
                    self._missed(at, row)
            case Announce(report):
                self._announced(at, report)
            case Finished(run, outcome, _):
                self._finished(run, outcome)
            case _:
                pass  # it is obeyed, or for the record of a machine

    def total(self) -> Tally:
        """All entries together."""
        total = Tally()
        for tally in self.tallies.values():
            total.add(tally)
        return total

    def _started(self, at: datetime, run: Run) -> None:
        attempt, tally = run.attempt, self._tally(run.label)
        tally.attempts += 1
        tally.longest_wait = max(tally.longest_wait, attempt.waited)
        overlapped = self._begin(run) if attempt.number == 1 else 0
        details = (
            *(("run", run.key), ("attempt", attempt.number)),
            *(("fire_time", zulu(run.fire.at)), ("nominal", run.fire.nominal.isoformat())),
            *(("waited", attempt.waited), ("overlaps", overlapped)),
            ("caught_up", run.caught_up),
        )
        text = ", ".join(_how_started(at, run, overlapped))
        started = Occurrence(
            event="attempt-started", at=at, name=run.label, text=text, details=details
        )
        self.tell(started)

    def _begin(self, run: Run) -> int:
        """Count a run; how many earlier ones of its entry are still going."""
        tally, going = self._tally(run.label), self._going.setdefault(run.label, set())
        overlapped = len(going)
        going.add(run.key)
        tally.runs += 1
        tally.overlaps += bool(overlapped)
        return overlapped

    def _finished(self, run: Run, outcome: RunOutcome) -> None:
        self._going.get(run.label, set()).discard(run.key)
        if outcome is RunOutcome.SKIPPED:
            self._tally(run.label).skipped += 1
        elif outcome is RunOutcome.MISSED:
            self._tally(run.label).missed += 1

    def _announced(self, at: datetime, report: Report) -> None:
        if report.event == "attempt-ended" and _SUCCEEDED in report.fields:
            return
        known = {name.removeprefix("CRONJOB_").lower(): word for name, word in report.fields}
        label, run = known.pop("name", ""), known.get("run", "")
        if report.event == "attempt-ended":
            self._tally(label).failures += 1
        elif report.event == "gave-up":
            self._tally(label).gave_up += 1
        text = report.text.removeprefix(f"{run}: ")
        details = tuple((name, _number(name, word)) for name, word in known.items())
        self.tell(Occurrence(event=report.event, at=at, name=label, text=text, details=details))

    def _missed(self, at: datetime, row: Missed) -> None:
        details = (
            *(("first", zulu(row.first)), ("last", zulu(row.last))),
            *(("count", row.count), ("reason", row.why)),
        )
        first, last = (f"{at:%F %T}Z" for at in (row.first, row.last))
        span = f"of {first}" if row.count == 1 else f"from {first} to {last}"
        text = f"missed {counted(row.count, 'fire time')} {span}: {row.why}"
        for label in row.labels:
            self._tally(label).missed += row.count
            self.tell(Occurrence(event="missed", at=at, name=label, text=text, details=details))

    def _tally(self, label: str) -> Tally:
        return self.tallies.setdefault(label, Tally())


def zulu(at: datetime) -> str:
    """An instant in UTC for machines."""
    return at.isoformat().replace("+00:00", "Z")


def _how_started(at: datetime, run: Run, overlapped: int) -> list[str]:
    attempt, fire = run.attempt, run.fire
    again = run.key.partition("#")[2]
    parts = [f"attempt {attempt.number} starts" if attempt.number > 1 else "starts"]
    if again:
        parts.append(f"pass {again} of its fire time")
    if attempt.number == 1:
        wall = fire.at.astimezone(run.entry.schedule.zone)
        if wall.replace(tzinfo=None, fold=0) != fire.nominal:
            parts.append(f"asked for {fire.nominal:%H:%M}")
        parts += _how_late(at - fire.at, run)
        parts += ["caught up"] if run.caught_up else []
    if attempt.waits:
        parts.append(waited_words(attempt.waits))
    if overlapped:
        parts.append(f"overlaps {counted(overlapped, 'earlier run')}")
    return parts


def _how_late(late: timedelta, run: Run) -> Iterator[str]:
    """How far a start is from its fire time, where that is not the wait for slots."""
    if late <= -_SHOWN_LATE:  # the clock went back while it waited
        yield f"{seconds(-late.total_seconds())} before its fire time"
    late -= timedelta(seconds=run.attempt.waited)
    if late >= _SHOWN_LATE:
        why = " (jitter)" if late - run.entry.start_delay < _SHOWN_LATE else ""
        yield f"{seconds(late.total_seconds())} after its fire time{why}"


_SUCCEEDED = ("CRONJOB_OUTCOME", str(Outcome.SUCCEEDED))
_NUMBERS = {"attempt": int, "exit_status": int, "seconds": float}


def _number(name: str, word: str) -> object:
    return _NUMBERS[name](word) if name in _NUMBERS else word


def unfinished(simulation: Simulation) -> tuple[int, int]:
    """How many attempts are going, and how many runs wait for something."""
    runs = simulation.state.runs.values()
    going = sum(run.state is RunState.RUNNING for run in runs)
    return going, len(runs) - going
