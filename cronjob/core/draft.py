"""The state in the making: runs come and go, timers are set, effects are gathered.

A step works on a draft and makes a new state of it; the state it began with stays as it was.
"""

from heapq import heappop, heappush

from cronjob.core import report
from cronjob.core.events import (
    Announce,
    Effect,
    EndAttempt,
    Finished,
    Moment,
    Record,
    Stopped,
    WakeAt,
)
from cronjob.core.line import Place
from cronjob.core.missed import Missed
from cronjob.core.outcome import Outcome, RunOutcome
from cronjob.core.record import Begun, Change, Over, Progress
from cronjob.core.run import MOVES, Move, Run, RunState
from cronjob.core.state import State, Timer
from cronjob.core.telling import notices


class Draft(State):
    """What a step changes, and what it wants done.

    What has a slot is the draft's own; all else makes the next state.
    """

    __slots__ = (
        *("before", "changes", "effects", "fresh", "left", "loosened", "progress_due", "monotonic"),
        *("now", "roomier", "stirred", "to_measure", "urgent"),
    )

    def __init__(self, state: State, moment: Moment) -> None:
        vars(self).update(vars(state))
        self.group_slots, self.gated = state.group_slots.copy(), state.gated.copy()
        self.runs, self.of_label = state.runs.copy(), state.of_label.copy()
        self.aside = state.aside.copy()
        self.seen = moment
        self.before = state
        self.now, self.monotonic = moment.now, moment.monotonic
        self.effects: list[Effect] = []
        self.changes: list[Change] = []  # what is to be stored of this step
        self.urgent = False  # whether an effect has to wait until that is done
        self.progress_due = False  # whether it is stored even if nothing else is
        self.stirred = False  # whether somebody may be able to start
        self.fresh: list[Place] = []  # what became ready in this step
        self.left: set[int] = set()  # turns of those in line that are over
        self.roomier: set[str] = set()  # groups of which slots were freed
        self.loosened: dict[str, None] = {}  # labels of which runs are over, first one first
        self.to_measure = False  # whether somebody came to the gates

    def finish(self) -> tuple[State, tuple[Effect, ...]]:
        """The next state, and the effects in order."""
        self._forget_timers()
        before = self.before
        self.stopped = self.stopping and not self.running()
        self.awake = self._awake()
        self._record_progress()
        if self.changes:
            self.effects.insert(0, Record(tuple(self.changes), self.urgent))
        if self.stopped and not before.stopped:
            self.effects.append(Stopped(self.interrupted))
        elif self.awake != before.awake:
            self.effects.append(self.awake)
        self.timers = tuple(self.timers)
        after = State.__new__(State)
        vars(after).update(vars(self))
        return after, tuple(self.effects)

    # -- what is stored --------------------------------------------------------------------------

    def record(self, change: Change) -> None:
        """Have this stored before any effect of the step but its record."""
        self.changes.append(change)
        self.urgent = True

    def note(self, change: Change) -> None:
        """Have this stored sometime; nothing waits for it."""
        self.changes.append(change)

    def _record_progress(self) -> None:
        """Say how far fire times are dealt with, together with what became of them.

        While a burst lasts, some of them have no record yet: a crash must find these again.
        """
        unbegun = self.burst or self.timetable.lifted
        due = self.progress_due or self.unrecorded or (self.before.hurried and not unbegun)
        if self.planned is None or not due:
            return
        following = self.timetable.next_at
        if not unbegun and (following is None or following > self.now):
            self.planned = max(self.planned, self.now)
            self.changes += self.unrecorded
            self.urgent |= bool(self.unrecorded)
            self.unrecorded = ()
        progress = Progress(self.planned, self.high_water, self.passes, self.repeats_until)
        if progress != self.progress:
            self.record(progress)
            self.progress = progress

    # -- runs come and go ------------------------------------------------------------------------

    def add(self, run: Run) -> None:
        """A run that nobody knew."""
        self._begin(run)
        self.bring_back(run)

    def _begin(self, run: Run) -> None:
        self.record(Begun(run, self.now))
        self.progress_due |= run.asked is None

    def bring_back(self, run: Run) -> None:
        """A run that the history has already."""
        self.runs[run.key] = run
        self.of_label[run.label] = (*self.of_label.get(run.label, ()), run.key)
        self.borrowers += run.lender is not None

    def others(self, run: Run) -> list[Run]:
        """The other unfinished runs of its entry, first begun first."""
        keys = self.of_label.get(run.label, ())
        return [self.runs[key] for key in keys if key != run.key]

    def running(self) -> list[Run]:
        """The runs of which an attempt runs."""
        return [run for run in self.runs.values() if run.state is RunState.RUNNING]

    def end(self, run: Run, reason: Outcome, grace: float, last: str = "") -> None:
        """End the attempt that runs, for this reason unless there is one already.

        `last` says why no other attempt follows, if none is to.
        """
        stop_reason = run.stop_reason or reason
        self.runs[run.key] = run._replace(stop_reason=stop_reason, last=run.last or last)
        self.effects.append(EndAttempt(run.key, run.attempt.number, grace))

    def drop(self, run: Run, why: str) -> None:
        """A run that waited will not go on."""
        self.announce(report.dropped(run, why))
        self.close(run, Move.DROPPED, why)

    def skip(self, run: Run, why: str) -> None:
        """A run is not to begin after all."""
        self.announce(report.skipped(run, why))
        self.close(run, Move.DROPPED, why, RunOutcome.SKIPPED)

    def turn_away(self, run: Run, outcome: RunOutcome, why: str) -> None:
        """A run is over as it comes."""
        self._begin(run)
        self._finish(run, outcome, why)

    def close(self, run: Run, move: Move, why: str = "", outcome: RunOutcome | None = None) -> None:
        """End a run; without `outcome`, it is that of its last attempt.

        Raises `KeyError` for a move that is not legal.
        """
        self.forget(run, move)
        if outcome is None:
            last = run.attempts[-1].outcome if run.attempts else None
            outcome = RunOutcome(last or RunOutcome.CANCELLED)
        self._finish(run, outcome, why)

    def forget(self, run: Run, move: Move) -> None:
        """Know the run no more, by a move that finishes it."""
        assert MOVES[run.state, move] is RunState.FINISHED, f"{move} does not finish a run"
        if run.state is RunState.READY:
            self.left.add(run.turn)
            self.rechecked = None if self.rechecked == run.key else self.rechecked
        elif run.state is RunState.GATED:
            del self.gated[run.key]
        del self.runs[run.key]
        if rest := tuple(key for key in self.of_label[run.label] if key != run.key):
            self.of_label[run.label] = rest
            self.loosened[run.label] = None
        else:
            del self.of_label[run.label]
        self.borrowers -= run.lender is not None

    def _finish(self, run: Run, outcome: RunOutcome, why: str) -> None:
        """Store and tell that a run is over, which is known no more, or never was."""
        printed = any(one.ending.printed for one in run.attempts if one.ending is not None)
        told = notices(run.entry, outcome, printed, self.hooks)
        self.record(Over(run.key, outcome, why, self.now, told))
        self.effects.append(Finished(run, outcome, why, told))

    def announce(self, what: report.Report, missed: tuple[Missed, ...] = ()) -> None:
        """Tell the journal; rows of what is missed are stored when the burst is over."""
        if missed:
            self.unrecorded += missed
            self.progress_due = True
        self.effects.append(Announce(what, missed))

    # -- time ------------------------------------------------------------------------------------

    def next_turn(self) -> int:
        """A number that is larger than all before."""
        self.turn += 1
        return self.turn

    def set_timer(self, run: Run, due: float, *, deadline: bool = False) -> None:
        """Look at the run again at `due` (monotonic seconds), if it is still where it is."""
        state = None if deadline else run.state
        timer = Timer(due, self.next_turn(), run.key, len(run.attempts), state)
        heappush(self._own_timers(), timer)

    def due_timer(self) -> Timer | None:
        """Take the first timer that has come and still means something."""
        self._forget_timers()
        if not self.timers or self.timers[0].due > self.monotonic:
            return None
        return heappop(self._own_timers())

    def _forget_timers(self) -> None:
        """Let go of those in front that mean nothing any more."""
        while self.timers and not self.timers[0].is_about(self.runs.get(self.timers[0].run)):
            heappop(self._own_timers())

    def _own_timers(self) -> list[Timer]:
        if not isinstance(self.timers, list):
            self.timers = list(self.timers)
        return self.timers

    def _awake(self) -> WakeAt:
        due = self.timers[0].due if self.timers else None
        if self.stopping:
            return WakeAt(None, due)
        at_once = self.monotonic if self.hurried else None
        for other in (self.gates_due, self.full_due, self.tokens_due, at_once):
            if other is not None and (due is None or other < due):
                due = other
        wall, before = self.timetable.next_at, self.before.awake
        return before if (before.wall, before.monotonic) == (wall, due) else WakeAt(wall, due)
