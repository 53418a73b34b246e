"""The state in the making: runs begin, wait for slots, are launched, and end.

A step works on a draft and makes a new state of it; the state it began with stays as it was.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from heapq import heappop, heappush

from cronjob.core import report
from cronjob.core.events import (
    Announce,
    Effect,
    EndAttempt,
    Launch,
    Moment,
    Remember,
    Stopped,
    Waiting,
    WakeAt,
)
from cronjob.core.missed import Missed
from cronjob.core.retry import GaveUp, NextAttempt, after_failure, ladder_over, retry_before
from cronjob.core.run import MOVES, Attempt, Move, Outcome, Run, RunState, run_key
from cronjob.core.schedule import FireTime
from cronjob.core.state import Place, State, Timer

VANISHED = "its entry is in no table any more"


class Draft:
    """What a step changes, and what it wants done."""

    def __init__(self, state: State, moment: Moment) -> None:
        self.before = state
        self.moment = moment
        self.now, self.monotonic = moment.now, moment.monotonic
        self.effects: list[Effect] = []
        self.remembers = False  # whether all fire times up to now are dealt with by this step
        self.slots, self.slots_used = state.slots, state.slots_used
        self.entries = state.entries
        self.timetable = state.timetable
        self.runs = state.runs.copy()
        self.ready = state.ready
        self.timers: Sequence[Timer] = state.timers  # a heap, copied when it is changed
        self.passes, self.repeats_until = state.passes, state.repeats_until
        self.high_water = state.high_water
        self.sequence = state.sequence
        self.stopping, self.interrupted = state.stopping, state.interrupted
        self._fresh: list[Place] = []  # what became ready in this step

    def finish(self) -> tuple[State, tuple[Effect, ...]]:
        """The next state, and the effects in order."""
        self._forget_timers()
        before, stopped = self.before, self.stopping and not self.running()
        awake = WakeAt(
            None if self.stopping else self.timetable.next_at,
            self.timers[0].due if self.timers else None,
        )
        if self.remembers:
            # Before anything is launched.  Behind its high-water mark the clock may not forget it.
            self.effects.insert(0, Remember(max(self.now, self.high_water or self.now)))
        if stopped and not before.stopped:
            self.effects.append(Stopped(_waiting(self.runs), self.interrupted))
        elif awake != before.awake:
            self.effects.append(awake)
        state = State(
            slots=self.slots,
            slots_used=self.slots_used,
            entries=self.entries,
            timetable=self.timetable,
            runs=self.runs,
            ready=self.ready,
            timers=tuple(self.timers),
            seen=self.moment,
            awake=awake,
            passes=self.passes,
            repeats_until=self.repeats_until,
            high_water=self.high_water,
            sequence=self.sequence,
            stopping=self.stopping,
            stopped=stopped,
            interrupted=self.interrupted,
        )
        return state, tuple(self.effects)

    # -- the way of a run ------------------------------------------------------------------------

    def begin(self, label: str, fire: FireTime) -> None:
        """A new run, unless it is known already."""
        repeated = self.repeats_until is not None and fire.at <= self.repeats_until
        key = run_key(label, fire.at, self.passes if repeated else 1)
        if key in self.runs:
            return
        entry = self.entries[label]
        begins = fire.at + entry.start_delay
        state = RunState.DELAYED if begins > self.now else RunState.READY
        run = Run(
            key=key, label=label, entry=entry, fire=fire, state=state, ready_at=self.monotonic
        )
        self.runs[key] = run
        if state is RunState.DELAYED:
            self._set_timer(run, (begins - self.now).total_seconds())
        else:
            self._line_up(run)

    def run_timers(self) -> None:
        """Do what the monotonic clock has brought."""
        while (run := self._due_timer()) is not None:
            if run.state is RunState.RUNNING:
                self.end(run, Outcome.TIMED_OUT, run.entry.fields.grace.total_seconds())
            else:
                self.runs[run.key] = run = run.ready(self.monotonic)
                self._line_up(run)

    def dispatch(self) -> None:
        """Grant slots in order; once the first run in line does not fit, they are kept for it."""
        fresh, self._fresh = self._fresh, []
        if fresh:
            self.ready = self.ready.joined_by(fresh)
        if self.stopping or not self.ready:
            return
        granted = 0
        for place in self.ready:
            run = self.runs[place[3]]
            if not self._drop_if_over(run):
                if run.entry.slots > self.slots - self.slots_used:
                    break
                self._launch(run)
            granted += 1
        if granted:
            self.ready = self.ready.without(granted)
        if fresh:
            self._report_waiting(fresh)

    def follow(self, run: Run, attempt: Attempt, chance: float) -> None:
        """Another attempt after this one, or the end of the run."""
        run = self.reread(run)
        decision = after_failure(run, attempt, self.now, self.monotonic, chance)
        if isinstance(decision, NextAttempt) and run.label not in self.entries:
            self.announce(report.dropped(run, VANISHED))
        elif isinstance(decision, NextAttempt):
            run = run.move(Move.RETRY_PLANNED)
            self.runs[run.key] = run
            self._set_timer(run, decision.delay.total_seconds())
            at = self.now + decision.delay
            self.announce(report.retry_planned(run, attempt, decision.delay, at))
            return
        if isinstance(decision, GaveUp):
            self.announce(report.gave_up(run, decision))
        self.close(run, Move.ENDED)

    def reread(self, run: Run) -> Run:
        """The run as its entry reads now: what was corrected holds for all that is to start."""
        entry = self.entries.get(run.label, run.entry)
        if entry is run.entry:
            return run
        before = run.retry_before
        if run.attempts:
            before = retry_before(entry, run.fire.at, run.attempts[0].launched)
        return replace(run, entry=entry, retry_before=before)

    def end(self, run: Run, reason: Outcome, grace: float) -> None:
        """End the attempt that runs, for this reason unless there is one already."""
        stopped = run.with_attempt(run.attempt, stop_reason=run.stop_reason or reason)
        self.runs[run.key] = stopped
        self.effects.append(EndAttempt(run.key, run.attempt.number, grace))

    def drop(self, run: Run, why: str) -> None:
        """A run that waited will not go on."""
        self.announce(report.dropped(run, why))
        self.close(run, Move.DROPPED)

    def close(self, run: Run, move: Move) -> None:
        """Forget a run that is over.  Raises `KeyError` for a move that is not legal."""
        assert MOVES[run.state, move] is RunState.FINISHED, f"{move} does not finish a run"
        del self.runs[run.key]

    def running(self) -> list[Run]:
        """The runs of which an attempt is going."""
        return [run for run in self.runs.values() if run.state is RunState.RUNNING]

    def announce(self, what: report.Report, missed: tuple[Missed, ...] = ()) -> None:
        """Tell the journal."""
        self.effects.append(Announce(what, missed))

    # -- small things ----------------------------------------------------------------------------

    def _line_up(self, run: Run) -> None:
        if not run.entry.slots and not self.stopping:
            if not self._drop_if_over(run):
                self._launch(run)  # it takes nothing that others wait for
            return
        self.sequence += 1
        priority = -run.entry.fields.priority
        self._fresh.append((priority, run.ready_at, self.sequence, run.key))

    def _drop_if_over(self, run: Run) -> bool:
        """Give up a retry that may not start any more."""
        reason = ladder_over(run, self.now, self.monotonic) if run.attempts else None
        if reason is not None:
            self.announce(report.gave_up(run, reason))
            self.close(run, Move.DROPPED)
        return reason is not None

    def _launch(self, run: Run) -> None:
        attempt = Attempt(
            number=len(run.attempts) + 1,
            launched=self.now,
            launched_monotonic=self.monotonic,
            waited=self.monotonic - run.ready_at,
        )
        before = run.retry_before
        if attempt.number == 1:
            before = retry_before(run.entry, run.fire.at, self.now)
        self.runs[run.key] = run = run.launched(attempt, before)
        self.slots_used += run.entry.slots
        self.effects.append(Launch(run, attempt))
        if run.entry.fields.timeout is not None:
            self._set_timer(run, run.entry.fields.timeout.total_seconds())

    def _set_timer(self, run: Run, delay: float) -> None:
        self.sequence += 1
        due = self.monotonic + delay
        timer = Timer(due, self.sequence, run.key, len(run.attempts), run.state)
        heappush(self._own_timers(), timer)

    def _due_timer(self) -> Run | None:
        """Take the first timer that has come, if it still means something, and its run."""
        self._forget_timers()
        if not self.timers or self.timers[0].due > self.monotonic:
            return None
        return self.runs[heappop(self._own_timers()).run]

    def _forget_timers(self) -> None:
        """Let go of those in front that mean nothing any more."""
        while self.timers and not self.timers[0].is_about(self.runs.get(self.timers[0].run)):
            heappop(self._own_timers())

    def _own_timers(self) -> list[Timer]:
        if not isinstance(self.timers, list):
            self.timers = list(self.timers)
        return self.timers

    def _report_waiting(self, fresh: list[Place]) -> None:
        """Say of each run that became ready in this step, and did not start, why it waits."""
        pool, used = self.slots, self.slots_used
        for place in sorted(fresh):
            ahead = bisect_left(self.ready, place)
            if ahead < len(self.ready) and self.ready[ahead] == place:
                run = self.runs[place[3]]
                self.announce(report.waits_for_slots(run, pool, used, ahead))


def _waiting(runs: Mapping[str, Run]) -> tuple[Waiting, ...]:
    """What has not had an attempt yet, in the order in which it fell due."""
    waiting = [run for run in runs.values() if not run.attempts]
    waiting.sort(key=lambda run: (run.fire.at, run.entry.source, run.entry.line))
    return tuple(Waiting(run.label, run.fire.at, run.fire.nominal) for run in waiting)
