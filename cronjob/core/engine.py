"""One event -> the next state and the effects to perform.

`step` is pure: it reads no clock and changes nothing it was given, so the daemon, a simulation
and a test all run the very same engine.  Inside a step a draft is worked on; what leaves it is a
new state and a tuple of effects, in the order in which they are to be performed.
"""

from bisect import insort
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import assert_never

from cronjob.core import policy, report
from cronjob.core.entry import Entry
from cronjob.core.events import (
    Announce,
    AttemptEnded,
    AttemptStarted,
    Effect,
    EndAttempt,
    Event,
    Launch,
    Loaded,
    Moment,
    Remember,
    Stopped,
    StopRequested,
    Waiting,
    WakeAt,
    Woken,
)
from cronjob.core.retry import GaveUp, NextAttempt, after_failure, retry_before, too_late
from cronjob.core.run import Attempt, Move, Outcome, Run, RunState, ended, run_key
from cronjob.core.schedule import FireTime
from cronjob.core.state import State, Timer
from cronjob.core.timetable import Node


def step(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """Apply one event."""
    draft = _Draft(state, event.moment)
    draft.look_at_the_clocks()
    match event:
        case Loaded():
            draft.load(event)
        case Woken():
            draft.catch_up()
        case AttemptStarted():
            draft.attempt_started(event)
        case AttemptEnded():
            draft.attempt_ended(event)
        case StopRequested():
            draft.request_stop(event.force)
        case _:
            assert_never(event)
    return draft.finish()


class _Draft:
    """The state in the making."""

    def __init__(self, state: State, moment: Moment) -> None:
        self.before = state
        self.moment = moment
        self.effects: list[Effect] = []
        self.remembers = False  # whether all fire times up to now are dealt with by this step
        self.slots_used = state.slots_used
        self.entries = state.entries
        self.timetable = state.timetable
        self.runs = dict(state.runs)
        self.ready = list(state.ready)
        self.timers = list(state.timers)
        self.fresh: set[str] = set()  # runs that became ready in this step
        self.passes, self.repeats_until = state.passes, state.repeats_until
        self.sequence = state.sequence
        self.stopping, self.interrupted = state.stopping, list(state.interrupted)

    def look_at_the_clocks(self) -> None:
        """A step back makes wildcard schedules follow; fixed ones wait until it is made up for."""
        seen, moment = self.before.seen, self.moment
        if seen is None:
            return
        elapsed = timedelta(seconds=moment.monotonic - seen.monotonic)
        by = (moment.now - seen.now) - elapsed
        if abs(by) < policy.STEP:
            return
        self._announce(report.clock_stepped(by))
        if by > timedelta():
            return  # what it jumped over is due now, and late
        self.passes += 1
        self.repeats_until = max(seen.now, self.repeats_until or seen.now)
        short = max(moment.now - by, self.repeats_until) - moment.now <= policy.LONG
        self.timetable = self.timetable.replanned(moment.now, wildcards_only=short)

    # -- what an event leads to ------------------------------------------------------------------

    def load(self, event: Loaded) -> None:
        """Take over the entries of the tables; the first time, also what a restart needs."""
        if self.before.seen is not None:
            self.catch_up()  # what is due by the old tables starts by the old tables
        self.entries = {label: e for label, e in event.entries.items() if self._fits(label, e)}
        now = self.moment.now
        first = self.before.seen is None
        going_on = policy.resume(event.planned if first else None, event.stopped, now)
        self.timetable = self.timetable.planned(self.entries, going_on.after)
        if going_on.missed_since is not None:
            self._report_downtime(going_on.missed_since, going_on.after)
        self._drop_vanished()
        if event.reboot:
            starting = [label for label, e in self.entries.items() if e.schedule.reboot]
        else:
            starting = [label for label in event.interrupted if label in self.entries]
        for label in starting:
            at = now.replace(microsecond=0)
            zone = self.entries[label].schedule.zone
            nominal = at.astimezone(zone).replace(tzinfo=None, fold=0)
            self._begin(label, FireTime(at, nominal))
        for waiting in event.waiting:
            if waiting.label not in self.entries:
                self._announce(report.waiting_vanished(waiting.label, waiting.at))
            elif waiting.label not in starting:
                self._begin(waiting.label, FireTime(waiting.at, waiting.nominal))
        self.catch_up(resuming=first)
        self.remembers |= first

    def catch_up(self, *, resuming: bool = False) -> None:
        """Start what is due by either clock; `resuming`: what a restart delayed is not late."""
        self._run_timers()
        if not self.stopping:
            self._start_due(resuming)
        self._dispatch()

    def attempt_started(self, event: AttemptStarted) -> None:
        """Note the process of an attempt."""
        run = self.runs.get(event.run)
        if run is None or run.state is not RunState.RUNNING:
            return
        attempt = replace(run.attempt, pid=event.pid)
        self.runs[run.key] = run = run.with_attempt(attempt)
        self._announce(report.attempt_started(run, attempt, event.note))

    def attempt_ended(self, event: AttemptEnded) -> None:
        """Judge an attempt, free its slots, and decide what follows."""
        run = self.runs.get(event.run)
        if run is None or run.state is not RunState.RUNNING:
            return
        attempt = ended(run.attempt, event.ending, run.stop_reason, self.moment.monotonic)
        cancelled = run.stop_reason is Outcome.CANCELLED
        run = replace(run.with_attempt(attempt), stop_reason=None)
        self.slots_used -= run.entry.slots
        self._announce(report.attempt_ended(run, attempt))
        if self.stopping:
            if run.entry.schedule.reboot and cancelled:
                self.interrupted.append(run.label)
            self._finish(run, Move.ENDED)
        else:
            self._follow(run, attempt, event.chance)
        self._dispatch()

    def request_stop(self, force: bool) -> None:
        """Launch nothing more and end what runs; a second request leaves no grace."""
        running = [run for run in self.runs.values() if run.state is RunState.RUNNING]
        waiting = len(self.runs) - len(running)
        self._announce(report.stopping(len(running), waiting, force or self.stopping))
        force = force or self.stopping
        earliest = self.timetable.next_at
        if not self.stopping and (earliest is None or earliest > self.moment.now):
            self.remembers = True  # the next daemon is not to look at what was idle time
        self.stopping = True
        for run in running:
            self._end(run, Outcome.CANCELLED, 0.0 if force else _grace(run))
        for run in list(self.runs.values()):
            if run.attempts and run.state is not RunState.RUNNING:
                self._announce(report.dropped(run, "the daemon stops before its next attempt"))
                self._finish(run, Move.DROPPED)

    def finish(self) -> tuple[State, tuple[Effect, ...]]:
        """The next state, and the effects in order."""
        stopped = self.stopping and not any(
            run.state is RunState.RUNNING for run in self.runs.values()
        )
        while self.timers and not self.timers[0].is_about(self.runs.get(self.timers[0].run)):
            heappop(self.timers)
        awake = WakeAt(
            None if self.stopping else self.timetable.next_at,
            self.timers[0].due if self.timers else None,
        )
        if self.remembers:
            self.effects.insert(0, Remember(self.moment.now))  # before anything is launched
        if stopped and not self.before.stopped:
            self.effects.append(Stopped(_waiting(self.runs), tuple(self.interrupted)))
        elif awake != self.before.awake:
            self.effects.append(awake)
        state = State(
            slots=self.before.slots,
            slots_used=self.slots_used,
            entries=self.entries,
            timetable=self.timetable,
            runs=self.runs,
            ready=tuple(self.ready),
            timers=tuple(self.timers),
            seen=self.moment,
            awake=awake,
            passes=self.passes,
            repeats_until=self.repeats_until,
            sequence=self.sequence,
            stopping=self.stopping,
            stopped=stopped,
            interrupted=tuple(self.interrupted),
        )
        return state, tuple(self.effects)

    # -- what is due -----------------------------------------------------------------------------

    def _run_timers(self) -> None:
        while (run := self._due_timer()) is not None:
            if run.state is RunState.RUNNING:
                self._end(run, Outcome.TIMED_OUT, _grace(run))
            else:
                self._make_ready(run.move(Move.DELAY_OVER))

    def _start_due(self, resuming: bool) -> None:
        now, earliest = self.moment.now, self.timetable.next_at
        if earliest is None or earliest > now:
            return
        late = timedelta() if resuming else now - earliest
        self.remembers = True
        self.timetable, taken = self.timetable.take(now)
        lost: list[Node] = []
        starts: list[tuple[FireTime, str]] = []
        for node in taken:
            if node.fire is None:
                continue
            decision = policy.due(node.schedule, node.fire, now, late)
            starts += [(fire, label) for fire in decision.starts for label in node.labels]
            if decision.missed:
                lost.append(node)
        for fire, label in sorted(starts, key=self._in_order):
            self._begin(label, fire)
        if lost:
            why = f"woken {report.seconds(late.total_seconds())} late"
            self._report_missed(lost, earliest, now, why)

    def _in_order(self, start: tuple[FireTime, str]) -> tuple[datetime, str, int]:
        """Of what is due at the same time, the line that stands first starts first."""
        fire, label = start
        entry = self.entries[label]
        return fire.at, entry.source, entry.line

    # -- runs ------------------------------------------------------------------------------------

    def _begin(self, label: str, fire: FireTime) -> None:
        """A new run, unless it is known already."""
        repeated = self.repeats_until is not None and fire.at <= self.repeats_until
        key = run_key(label, fire.at, self.passes if repeated else 1)
        if key in self.runs:
            return
        entry = self.entries[label]
        run = Run(key=key, label=label, entry=entry, fire=fire, state=RunState.DELAYED)
        begins = fire.at + entry.start_delay
        if begins > self.moment.now:
            self.runs[key] = run
            self._set_timer(run, (begins - self.moment.now).total_seconds())
        else:
            self._make_ready(run.move(Move.DELAY_OVER))

    def _make_ready(self, run: Run) -> None:
        run = replace(run, ready_at=self.moment.monotonic)
        self.runs[run.key] = run
        if not run.entry.slots and not self.stopping:
            if not self._drop_if_late(run):
                self._launch(run)  # it takes nothing that others wait for
            return
        self.fresh.add(run.key)
        self.sequence += 1
        place = (-run.entry.fields.priority, run.ready_at, self.sequence, run.key)
        insort(self.ready, place)

    def _dispatch(self) -> None:
        """Grant slots in order; once the first run in line does not fit, they are kept for it."""
        if self.stopping:
            return
        granted = 0
        for place in self.ready:
            run = self.runs[place[3]]
            if not self._drop_if_late(run):
                if run.entry.slots > self.before.slots - self.slots_used:
                    break
                self._launch(run)
            granted += 1
        del self.ready[:granted]
        self._report_waiting()

    def _drop_if_late(self, run: Run) -> bool:
        """Give up a retry whose time is over."""
        reason = too_late(run, *self._clocks()) if run.attempts else None
        if reason is not None:
            self._announce(report.gave_up(run, reason))
            self._finish(run, Move.DROPPED)
        return reason is not None

    def _launch(self, run: Run) -> None:
        now, monotonic = self._clocks()
        run = run.move(Move.SLOTS_GRANTED)
        attempt = Attempt(
            number=len(run.attempts) + 1,
            launched=now,
            launched_monotonic=monotonic,
            waited=monotonic - run.ready_at,
        )
        if attempt.number == 1:
            run = replace(run, retry_before=retry_before(run.entry, run.fire.at, now))
        run = replace(run, attempts=(*run.attempts, attempt))
        self.runs[run.key] = run
        self.slots_used += run.entry.slots
        self.effects.append(Launch(run, attempt))
        if run.entry.fields.timeout is not None:
            self._set_timer(run, run.entry.fields.timeout.total_seconds())

    def _follow(self, run: Run, attempt: Attempt, chance: float) -> None:
        """Another attempt, or the end of the run."""
        now, monotonic = self._clocks()
        decision = after_failure(run, attempt, now, monotonic, chance)
        if isinstance(decision, NextAttempt) and run.label in self.entries:
            run = run.move(Move.RETRY_PLANNED)
            self.runs[run.key] = run
            self._set_timer(run, decision.delay.total_seconds())
            at = now + decision.delay
            self._announce(report.retry_planned(run, attempt, decision.delay, at))
            return
        if isinstance(decision, GaveUp):
            self._announce(report.gave_up(run, decision))
        self._finish(run, Move.ENDED)

    def _end(self, run: Run, reason: Outcome, grace: float) -> None:
        self.runs[run.key] = replace(run, stop_reason=run.stop_reason or reason)
        self.effects.append(EndAttempt(run.key, run.attempt.number, grace))

    def _finish(self, run: Run, move: Move) -> None:
        run.move(move)  # refuses what the table of moves does not know
        del self.runs[run.key]

    def _drop_vanished(self) -> None:
        """Runs of entries that are in no table any more do not start; those that run go on."""
        for run in list(self.runs.values()):
            if run.label not in self.entries and run.state is not RunState.RUNNING:
                self._announce(report.dropped(run, "its entry is in no table any more"))
                self._finish(run, Move.DROPPED)
        self.ready = [place for place in self.ready if place[3] in self.runs]

    def _fits(self, label: str, entry: Entry) -> bool:
        if entry.slots <= self.before.slots:
            return True
        why = f"it wants {entry.slots} slots, the pool has {self.before.slots}"
        self._announce(report.refused(label, entry, why))
        return False

    # -- small things ----------------------------------------------------------------------------

    def _clocks(self) -> tuple[datetime, float]:
        return self.moment.now, self.moment.monotonic

    def _set_timer(self, run: Run, delay: float) -> None:
        self.sequence += 1
        due = self.moment.monotonic + delay
        timer = Timer(due, self.sequence, run.key, len(run.attempts), run.state)
        heappush(self.timers, timer)

    def _due_timer(self) -> Run | None:
        """Take the first timer that has come, if it still means something, and its run."""
        while self.timers and self.timers[0].due <= self.moment.monotonic:
            timer = heappop(self.timers)
            if timer.is_about(self.runs.get(timer.run)):
                return self.runs[timer.run]
        return None

    def _announce(self, what: report.Report) -> None:
        self.effects.append(Announce(what))

    def _report_waiting(self) -> None:
        """Say of each run that became ready in this step, and did not start, why it waits."""
        if not self.fresh:
            return
        pool, used = self.before.slots, self.slots_used
        for ahead, place in enumerate(self.ready):
            if place[3] in self.fresh:
                run = self.runs[place[3]]
                self._announce(report.waits_for_slots(run, pool, used, ahead))
        self.fresh.clear()

    def _report_downtime(self, since: datetime, until: datetime) -> None:
        nodes = list(self.timetable.missed(since, until))
        if nodes:
            self._report_missed(nodes, since, until, "no daemon was running")

    def _report_missed(self, nodes: list[Node], since: datetime, until: datetime, why: str) -> None:
        entries = sum(len(node.labels) for node in nodes)
        self._announce(report.missed(len(nodes), entries, since, until, why))


def _grace(run: Run) -> float:
    return run.entry.fields.grace.total_seconds()


def _waiting(runs: Mapping[str, Run]) -> tuple[Waiting, ...]:
    """What has not had an attempt yet."""
    return tuple(
        Waiting(run.label, run.fire.at, run.fire.nominal)
        for run in runs.values()
        if not run.attempts
    )
