"""The state in the making: runs come and go, timers are set, effects are gathered.

A step works on a draft and makes a new state of it; the state it began with stays as it was.
"""

from collections.abc import Sequence
from heapq import heappop, heappush

from cronjob.core import report
from cronjob.core.events import (
    Announce,
    Effect,
    EndAttempt,
    Finished,
    Moment,
    Remember,
    Stopped,
    Waiting,
    WakeAt,
)
from cronjob.core.line import Place
from cronjob.core.missed import Missed
from cronjob.core.run import MOVES, Move, Outcome, Run, RunOutcome, RunState
from cronjob.core.state import State, Timer


class Draft:
    """What a step changes, and what it wants done."""

    def __init__(self, state: State, moment: Moment) -> None:
        self.before = state
        self.now, self.monotonic = moment.now, moment.monotonic
        self.effects: list[Effect] = []
        self.remembers = False  # whether all fire times up to now are dealt with by this step
        self.slots, self.slots_used, self.held = state.slots, state.slots_used, state.held.copy()
        self.entries, self.timetable = state.entries, state.timetable
        self.runs, self.of_label = state.runs.copy(), state.of_label.copy()
        self.borrowers = state.borrowers
        self.ready, self.recalled, self.aside = state.ready, state.recalled, dict(state.aside)
        self.calm_at, self.full_due = state.calm_at, state.full_due
        self.full_told = state.full_told
        self.crowded, self.autos = state.crowded, state.autos
        self.gated, self.asked, self.rechecked = state.gated.copy(), state.asked, state.rechecked
        self.gates_due, self.unknown = state.gates_due, state.unknown
        self.timers: Sequence[Timer] = state.timers  # a heap, copied when it is changed
        self.passes, self.repeats_until = state.passes, state.repeats_until
        self.high_water = state.high_water
        self.turn = state.turn
        self.stopping, self.interrupted = state.stopping, state.interrupted
        self.stirred = True  # whether somebody may be able to start
        self.fresh: list[Place] = []  # what became ready in this step
        self.left: set[int] = set()  # turns of those in line that are over
        self.roomier: set[str] = set()  # groups of which slots were freed
        self.loosened: dict[str, None] = {}  # labels of which runs are over, first one first
        self.to_measure = False  # whether somebody came to the gates
        self._moment = moment

    def finish(self) -> tuple[State, tuple[Effect, ...]]:
        """The next state, and the effects in order."""
        self._forget_timers()
        before, stopped = self.before, self.stopping and not self.running()
        awake = self._awake()
        if self.remembers:
            # Before anything is launched.  Behind its high-water mark the clock may not forget it.
            self.effects.insert(0, Remember(max(self.now, self.high_water or self.now)))
        if stopped and not before.stopped:
            self.effects.append(Stopped(self._left_waiting(), self.interrupted))
        elif awake != before.awake:
            self.effects.append(awake)
        state = State(
            slots=self.slots,
            slots_used=self.slots_used,
            held=self.held,
            entries=self.entries,
            timetable=self.timetable,
            runs=self.runs,
            of_label=self.of_label,
            borrowers=self.borrowers,
            ready=self.ready,
            recalled=self.recalled,
            aside=self.aside,
            calm_at=self.calm_at,
            full_due=self.full_due,
            full_told=self.full_told,
            crowded=self.crowded,
            autos=self.autos,
            gated=self.gated,
            asked=self.asked,
            rechecked=self.rechecked,
            gates_due=self.gates_due,
            unknown=self.unknown,
            timers=tuple(self.timers),
            seen=self._moment,
            awake=awake,
            passes=self.passes,
            repeats_until=self.repeats_until,
            high_water=self.high_water,
            turn=self.turn,
            stopping=self.stopping,
            stopped=stopped,
            interrupted=self.interrupted,
        )
        return state, tuple(self.effects)

    # -- runs come and go ------------------------------------------------------------------------

    def add(self, run: Run) -> None:
        """A run that nobody knew."""
        self.runs[run.key] = run
        self.of_label[run.label] = (*self.of_label.get(run.label, ()), run.key)
        self.borrowers += run.lender is not None

    def others(self, run: Run) -> list[Run]:
        """The other unfinished runs of its entry, first begun first."""
        keys = self.of_label.get(run.label, ())
        return [self.runs[key] for key in keys if key != run.key]

    def running(self) -> list[Run]:
        """The runs of which an attempt is going."""
        return [run for run in self.runs.values() if run.state is RunState.RUNNING]

    def end(self, run: Run, reason: Outcome, grace: float, last: str = "") -> None:
        """End the attempt that runs, for this reason unless there is one already.

        `last` says why no other attempt follows, if none is to.
        """
        stop_reason = run.stop_reason or reason
        self.runs[run.key] = run.but(stop_reason=stop_reason, last=run.last or last)
        self.effects.append(EndAttempt(run.key, run.attempt.number, grace))

    def drop(self, run: Run, why: str) -> None:
        """A run that waited will not go on."""
        self.announce(report.dropped(run, why))
        self.close(run, Move.DROPPED, why)

    def skip(self, run: Run, why: str) -> None:
        """A run is not to begin after all."""
        self.announce(report.skipped(run, why))
        self.close(run, Move.DROPPED, why, RunOutcome.SKIPPED)

    def close(self, run: Run, move: Move, why: str = "", outcome: RunOutcome | None = None) -> None:
        """Forget a run that is over; without `outcome`, it is that of its last attempt.

        Raises `KeyError` for a move that is not legal.
        """
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
        self.finished(run, outcome, why)

    def finished(self, run: Run, outcome: RunOutcome | None, why: str) -> None:
        """Tell that a run is over, which is known no more, or never was."""
        if outcome is None:
            last = run.attempts[-1].outcome if run.attempts else None
            outcome = RunOutcome(last or RunOutcome.CANCELLED)
        self.effects.append(Finished(run, outcome, why))

    def announce(self, what: report.Report, missed: tuple[Missed, ...] = ()) -> None:
        """Tell the journal."""
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
        for other in (self.gates_due, self.full_due):
            if other is not None and (due is None or other < due):
                due = other
        wall, before = self.timetable.next_at, self.before.awake
        return before if (before.wall, before.monotonic) == (wall, due) else WakeAt(wall, due)

    def _left_waiting(self) -> tuple[Waiting, ...]:
        """What has not had an attempt yet, in the order in which it fell due."""
        waiting = [run for run in self.runs.values() if not run.attempts]
        waiting.sort(key=lambda run: (run.fire.at, run.entry.source, run.entry.line))
        return tuple(Waiting(run.label, run.fire.at, run.fire.nominal) for run in waiting)
