"""What holds after every event, whatever happens and in whatever order."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cronjob.core.admission import MOST_WAITING
from cronjob.core.attempt import Ending
from cronjob.core.entry import Entry
from cronjob.core.events import Finished, Launch, TokensReturned, TokenTaken
from cronjob.core.gates import Readings
from cronjob.core.pool import groups
from cronjob.core.record import Begun, Change, Launching, Over
from cronjob.core.record import Ended as EndRecorded
from cronjob.core.run import Run, RunState
from cronjob.core.simulation import CALM
from cronjob.testing import (
    Act,
    MemoryHistory,
    Simulation,
    entries_of,
    exited,
    killed,
    lost,
    not_started,
)

START = datetime.fromisoformat("2026-03-29T00:58:30Z")  # Paris jumps over 2:00 soon
TABLES = (
    "* * * * * name=minute root x\n"
    "*/2 * * * * name=wide slots=3 priority=1 root x\n"
    "*/3 * * * * name=flaky retry=2,20s..40s root x\n"
    "0-59 * * * * name=fixed retry=1,10s retry-on=lost,timeout timeout=50s root x\n"
    "*/5 * * * * name=late jitter=4m tz=Europe/Paris root x\n"
    "*/4 * * * * name=free slots=0 retry=1,90s retry-until=3m root x\n"
    "* * * * * name=once overlap=skip deadline=90s root x\n"
    "* * * * * name=queue overlap=queue when=load<4 slots=0 root x\n"
    "*/2 * * * * name=fresh overlap=replace retry=1,30s root x\n"
    "*/2 * * * * name=picky when=load<4,mem>1G retry=2,20s retry-until=10m root x\n"
    "*/5 * * * * name=make slots=auto root x\n*/7 * * * * name=make3 slots=auto:3 root x\n"
    "@reboot name=up slots=1 root x\n",
    "* * * * * name=minute slots=2 overlap=queue when=ac root x\n"
    "30 2 * * * name=gap tz=Europe/Paris root x\n"
    "0-59 * * * * name=fixed root x\n* * * * * name=huge slots=99 root x\n"
    "*/2 * * * * name=wide slots=2 root y\n*/3 * * * * name=flaky retry=1,5s slots=0 root y\n"
    "* * * * * name=once overlap=queue deadline=20s root x\n*/2 * * * * name=picky root x\n"
    "* * * * * name=queue overlap=replace when=load<1 root x\n",
    "",
)
OF_ANN = {"minute", "flaky", "make", "once"}


def loaded(text: str) -> dict[str, Entry]:
    """The entries of a table, some of them as if they stood in one of an account."""
    entries = entries_of(text, host="h").items()
    return {label: replace(e, personal=label in OF_ANN) for label, e in entries}


LOADS = tuple(loaded(text) for text in TABLES)
READINGS = (
    CALM,
    Readings(),
    Readings(load=9.0, available=2**31, mains=True),
    Readings(load=3.5, available=2**29, mains=False),
)
ENDINGS = (exited(0), exited(1), exited(137), killed(9), not_started(), lost())
COMMON = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


class AnyDay(RuleBasedStateMachine):
    """A daemon to which anything may happen; attempts last until a rule ends them."""

    @initialize(slots=st.integers(3, 6), reboot=st.booleans())
    def start(self, slots: int, reboot: bool) -> None:
        self.widest = slots  # that the pool has been
        self.forced = False
        self.readings = CALM
        self.history = MemoryHistory()
        self.simulation = Simulation(
            LOADS[0],
            start=START,
            gauges=lambda _simulation: self.readings,
            slots=slots,
            reboot=reboot,
            store=self.store,
            script=lambda _run, _attempt: Act(lasts=None, obeys_after=timedelta(seconds=4)),
        )

    def store(self, changes: tuple[Change, ...]) -> tuple[str, ...]:
        """Record them; nothing begins twice, and nothing that is over changes."""
        for change in changes:
            match change:
                case Begun(run=Run(key=key)):
                    assert key not in self.history.runs
                case Launching(run=Run(key=key)) | EndRecorded(run=key) | Over(run=key):
                    assert self.history.runs[key].outcome is None
                case _:
                    pass
            assert not self.history.record((change,))
        return ()

    @rule(seconds=st.integers(1, 200))
    def time_passes(self, seconds: int) -> None:
        self.simulation.run_until(self.simulation.clock.now() + timedelta(seconds=seconds))

    @rule(minutes=st.integers(-200, 200))
    def the_clock_is_set(self, minutes: int) -> None:
        self.simulation.jump_wall(timedelta(minutes=minutes))

    @rule(data=st.data(), ending=st.sampled_from(ENDINGS))
    def an_attempt_ends(self, data: st.DataObject, ending: Ending) -> None:
        runs = self.simulation.state.runs.values()
        running = sorted(run.key for run in runs if run.state is RunState.RUNNING)
        if running:
            self.simulation.finish(data.draw(st.sampled_from(running)), ending)

    @rule(load=st.sampled_from(LOADS))
    def the_tables_change(self, load: dict[str, Entry]) -> None:
        self.simulation.reload(load)

    @rule(load=st.sampled_from(LOADS), slots=st.integers(3, 6))
    def the_pool_changes_with_the_tables(self, load: dict[str, Entry], slots: int) -> None:
        self.widest = max(self.widest, slots)
        self.simulation.reload(load, slots)

    @rule(readings=st.sampled_from(READINGS))
    def the_gauges_change(self, readings: Readings) -> None:
        self.readings = readings

    @rule(data=st.data(), force=st.booleans(), lent=st.booleans())
    def somebody_asks_for_a_run(self, data: st.DataObject, force: bool, lent: bool) -> None:
        state = self.simulation.state
        if state.entries:
            label = data.draw(st.sampled_from(sorted(state.entries)))
            lender = data.draw(st.sampled_from(sorted(state.runs))) if lent and state.runs else None
            self.forced |= force or lender is not None
            self.simulation.ask_for(label, force=force, lender=lender)

    @rule(data=st.data())
    def somebody_kills_a_run(self, data: st.DataObject) -> None:
        if self.simulation.state.runs:
            self.simulation.kill(data.draw(st.sampled_from(sorted(self.simulation.state.runs))))

    @rule(data=st.data(), back=st.integers(0, 2))
    def a_command_takes_or_returns_tokens(self, data: st.DataObject, back: int) -> None:
        simulation = self.simulation
        if simulation.state.autos:
            run = simulation.state.runs.get(data.draw(st.sampled_from(simulation.state.autos)))
            if run is None or run.state is not RunState.RUNNING:
                return
            moment, number = simulation.clock.moment(), run.attempt.number
            if back:
                count = min(back, run.holding.taken)
                simulation.handle(TokensReturned(moment, run.key, number, count))
            elif run.holding.offered:
                simulation.handle(TokenTaken(moment, run.key, number))

    @rule(force=st.booleans(), really=st.integers(0, 9))
    def a_stop_is_asked_for(self, force: bool, really: int) -> None:
        if really == 0:
            self.simulation.stop(force=force)

    @invariant()
    def the_history_has_every_run_as_it_is(self) -> None:
        left = self.history.left()
        runs = self.simulation.state.runs
        assert {one.key: len(one.attempts) for one in left.unfinished} == {
            key: len(run.attempts) for key, run in runs.items()
        }
        for one in left.unfinished:
            run = runs[one.key]
            assert [a.outcome for a in one.attempts] == [a.outcome for a in run.attempts]
            assert (one.retry_at is not None) == (
                bool(run.attempts) and run.state is not RunState.RUNNING
            )

    @invariant()
    def every_run_that_is_over_was_recorded_with_its_outcome(self) -> None:
        told = {
            e.run.key: e.outcome for _, e in self.simulation.timeline if isinstance(e, Finished)
        }
        assert told == {
            key: run.outcome for key, run in self.history.runs.items() if run.outcome is not None
        }

    @invariant()
    def no_fire_time_that_is_marked_as_dealt_with_is_without_a_record(self) -> None:
        progress, state = self.history.progress, self.simulation.state
        assert progress is not None
        assert state.planned is not None
        if not (state.burst or state.stopping) and state.passes == 1:
            assert progress.planned <= state.planned <= self.simulation.clock.now()

    @invariant()
    def slots_are_those_of_running_entries_and_fit_the_pool(self) -> None:
        state = self.simulation.state
        running = [run for run in state.runs.values() if run.state is RunState.RUNNING]
        assert state.slots_used == sum(run.holding.counted for run in running)
        assert self.forced or state.slots_used <= self.widest
        for run in state.runs.values():
            held = run.holding
            assert 0 <= held.offered <= 1
            assert 0 <= held.borrowed <= held.slots == (run.entry.slots if run in running else 0)
            borrowed = [r.holding.borrowed for r in running if r.lender == run.key]
            assert held.lent == sum(borrowed) <= held.slots + held.taken

    @invariant()
    def the_groups_hold_what_their_runs_hold(self) -> None:
        state, held = self.simulation.state, Counter[str]()
        for run in state.runs.values():
            for group in groups(run):
                held[group] += run.holding.counted
        assert dict(state.group_slots) == {group: count for group, count in held.items() if count}

    @invariant()
    def every_run_that_is_known_no_more_is_over_exactly_once(self) -> None:
        effects = [effect for _, effect in self.simulation.timeline]
        over = Counter(effect.run.key for effect in effects if isinstance(effect, Finished))
        known = {effect.run.key for effect in effects if isinstance(effect, Launch)}
        assert not [key for key, count in over.items() if count > 1 and "#" not in key]
        assert known <= set(over) | set(self.simulation.state.runs)
        assert not set(over) & set(self.simulation.state.runs) - {
            key for key in over if "#" in key or self.repeats(key)
        }

    def repeats(self, key: str) -> bool:
        """Whether a run of that key may come again: it was over without an attempt."""
        return not any(launched == key for _, launched, _ in self.simulation.starts())

    @invariant()
    def an_attempt_is_launched_once(self) -> None:
        counts = Counter((key, number) for _, key, number in self.simulation.starts())
        assert not [attempt for attempt, count in counts.items() if count > 1]

    @invariant()
    def attempts_are_numbered_without_a_hole_and_within_the_limit(self) -> None:
        numbers: dict[str, int] = {}
        for _, effect in self.simulation.timeline:
            if isinstance(effect, Launch):
                assert effect.attempt.number == numbers.get(effect.run.key, 0) + 1
                assert effect.attempt.number <= effect.run.entry.fields.retry.limit + 1
                numbers[effect.run.key] = effect.attempt.number

    @invariant()
    def what_was_begun_is_over_or_still_known(self) -> None:
        """An attempt that was launched has an end in the journal, or is going now."""
        launched = {(key, str(number)) for _, key, number in self.simulation.starts()}
        ended = {
            (dict(report.fields)["CRONJOB_RUN"], dict(report.fields)["CRONJOB_ATTEMPT"])
            for report in self.simulation.reports("attempt-ended")
        }
        going = {
            (run.key, str(run.attempt.number))
            for run in self.simulation.state.runs.values()
            if run.state is RunState.RUNNING
        }
        assert launched - ended == going

    @invariant()
    def whoever_waits_for_slots_stands_in_line_once_and_in_order(self) -> None:
        state = self.simulation.state
        if not state.stopping:
            ready = {run.key for run in state.runs.values() if run.state is RunState.READY}
            lines = [state.ready, state.recalled, *state.aside.values()]
            assert sorted(place[3] for line in lines for place in line) == sorted(ready)
            assert all(list(line) == sorted(line) for line in lines)

    @invariant()
    def whoever_waits_for_gates_will_be_measured(self) -> None:
        state = self.simulation.state
        gated = {run.key for run in state.runs.values() if run.state is RunState.GATED}
        assert set(state.gated) == gated
        if gated and not state.stopping:
            assert state.gates_due is not None
            assert state.awake.monotonic is not None
            assert state.awake.monotonic <= state.gates_due

    @invariant()
    def the_first_in_line_waits_only_because_it_does_not_fit(self) -> None:
        state = self.simulation.state
        for line in (state.ready, state.recalled):
            if line and not state.stopping and state.rechecked is None:
                place = min(line[0] for line in (state.ready, state.recalled) if line)
                run = state.runs[place[3]]
                if run.lender is not None:
                    continue  # a part of its slots may be lent
                assert state.slots - state.slots_used < run.entry.slots <= state.slots

    @invariant()
    def no_more_than_ten_runs_of_an_entry_wait(self) -> None:
        runs = self.simulation.state.runs.values()
        waiting = Counter(r.label for r in runs if r.state is not RunState.RUNNING and not r.forced)
        begun = Counter(r.label for r in runs if r.state is RunState.BACKING_OFF)
        assert all(count <= MOST_WAITING + begun[label] for label, count in waiting.items())

    @invariant()
    def one_run_at_most_waits_for_an_earlier_one(self) -> None:
        runs = self.simulation.state.runs.values()
        held = Counter(run.label for run in runs if run.state is RunState.HELD)
        assert not [label for label, count in held.items() if count > 1]

    @invariant()
    def whatever_has_not_started_is_of_an_entry_as_it_reads_now(self) -> None:
        state = self.simulation.state
        waiting = [run for run in state.runs.values() if run.state is not RunState.RUNNING]
        assert all(run.entry is state.entries[run.label] for run in waiting)

    @invariant()
    def whoever_waits_for_a_clock_will_be_woken(self) -> None:
        state = self.simulation.state
        if state.timetable.next_at is not None and not state.stopping:
            assert state.awake.wall == state.timetable.next_at > self.simulation.clock.now()
        for run in state.runs.values():
            if run.state in (RunState.DELAYED, RunState.BACKING_OFF) and not state.stopping:
                timers = [
                    t for t in state.timers if t.run == run.key and t.state and t.is_about(run)
                ]
                assert len(timers) == 1
                assert state.awake.monotonic is not None
                assert state.awake.monotonic <= timers[0].due

    @invariant()
    def a_stop_ends_exactly_when_nothing_runs(self) -> None:
        state = self.simulation.state
        running = any(run.state is RunState.RUNNING for run in state.runs.values())
        assert (self.simulation.stopped is not None) == (state.stopping and not running)

    def teardown(self) -> None:
        """Let it stop, and see that it does and what it hands over."""
        if not hasattr(self, "simulation"):
            return
        simulation = self.simulation
        already = simulation.stopped is not None
        waiting = {
            run.key
            for run in simulation.state.runs.values()
            if run.state is not RunState.RUNNING and (run.attempts or run.asked is None)
        }
        simulation.stop()
        simulation.run_until(simulation.clock.now() + timedelta(seconds=30))
        assert simulation.stopped is not None
        assert already or waiting <= {run.key for run in self.history.left().unfinished}
        assert simulation.state.slots_used == 0


TestAnyDay = AnyDay.TestCase
TestAnyDay.settings = COMMON
