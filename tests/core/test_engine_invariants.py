"""What holds after every event, whatever happens and in whatever order."""

from collections import Counter
from datetime import datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cronjob.core.entry import Entry
from cronjob.core.events import Launch, Waiting
from cronjob.core.run import Ending, RunState
from cronjob.testing import Act, Simulation, entries_of, exited, killed, lost, not_started

START = datetime.fromisoformat("2026-03-29T00:58:30Z")  # Paris jumps over 2:00 soon
TABLES = (
    "* * * * * name=minute root x\n"
    "*/2 * * * * name=wide slots=3 priority=1 root x\n"
    "*/3 * * * * name=flaky retry=2,20s..40s root x\n"
    "0-59 * * * * name=fixed retry=1,10s retry-on=lost,timeout timeout=50s root x\n"
    "*/5 * * * * name=late jitter=4m tz=Europe/Paris root x\n"
    "*/4 * * * * name=free slots=0 retry=1,90s retry-until=3m root x\n"
    "@reboot name=up slots=1 root x\n",
    "* * * * * name=minute slots=2 root x\n30 2 * * * name=gap tz=Europe/Paris root x\n"
    "0-59 * * * * name=fixed root x\n* * * * * name=huge slots=99 root x\n"
    "*/2 * * * * name=wide slots=2 root y\n*/3 * * * * name=flaky retry=1,5s slots=0 root y\n",
    "",
)
LOADS = tuple(entries_of(text, host="h") for text in TABLES)
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
        self.simulation = Simulation(
            LOADS[0],
            start=START,
            slots=slots,
            reboot=reboot,
            script=lambda _run, _attempt: Act(lasts=None, obeys_after=timedelta(seconds=4)),
        )

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

    @rule(force=st.booleans(), really=st.integers(0, 9))
    def a_stop_is_asked_for(self, force: bool, really: int) -> None:
        if really == 0:
            self.simulation.stop(force=force)

    @invariant()
    def slots_are_those_of_running_entries_and_fit_the_pool(self) -> None:
        state = self.simulation.state
        held = [r.entry.slots for r in state.runs.values() if r.state is RunState.RUNNING]
        assert state.slots_used == sum(held) <= self.widest

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
            assert sorted(place[3] for place in state.ready) == sorted(ready)
            assert list(state.ready) == sorted(state.ready)

    @invariant()
    def the_first_in_line_waits_only_because_it_does_not_fit(self) -> None:
        state = self.simulation.state
        if state.ready and not state.stopping:
            first = state.runs[state.ready[0][3]]
            assert state.slots - state.slots_used < first.entry.slots <= state.slots

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
            if run.state in (RunState.DELAYED, RunState.BACKING_OFF):
                timers = [t for t in state.timers if t.run == run.key and t.is_about(run)]
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
            Waiting(run.label, run.fire.at, run.fire.nominal)
            for run in simulation.state.runs.values()
            if not run.attempts
        }
        simulation.stop()
        simulation.run_until(simulation.clock.now() + timedelta(seconds=30))
        assert simulation.stopped is not None
        assert already or set(simulation.stopped.waiting) == waiting
        assert simulation.state.slots_used == 0


TestAnyDay = AnyDay.TestCase
TestAnyDay.settings = COMMON
