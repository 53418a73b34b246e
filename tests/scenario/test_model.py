"""Whatever happens to a daemon, and however often it dies: nothing runs twice, nothing is lost.

The account of it, `Book`, is the plain model: it complains by itself of an attempt that starts
twice, that starts before it is recorded, and of a run that begins or ends twice.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cronjob.core.attempt import Ending
from cronjob.core.entry import Entry
from cronjob.core.gates import Readings
from cronjob.core.run import RunState
from cronjob.core.simulation import CALM, Simulation
from cronjob.testing import Act, entries_of, exited, killed, lost, not_started
from tests.scenario.lives import Machine, NamingHistory

START = datetime.fromisoformat("2026-10-25T00:20:30Z")  # Paris repeats an hour soon
TABLES = (
    "*/7 * * * * name=often root x\n"
    "*/5 * * * * name=flaky retry=2,20s..40s root x\n"
    "3-59/10 * * * * name=fixed retry=1,10s retry-on=failure,lost,cancelled timeout=9m root x\n"
    "*/9 * * * * name=all catchup=all tz=Europe/Paris root x\n"
    "30 2 * * * name=nightly catchup=latest retry=3,5m tz=Europe/Paris root x\n"
    "4-59/8 * * * * name=latest catchup=latest catchup-within=30m overlap=queue root x\n"
    "*/10 * * * * name=late jitter=6m deadline=5m root x\n"
    "*/6 * * * * name=wide slots=2 priority=1 overlap=skip root x\n"
    "*/10 * * * * name=fresh overlap=replace retry=1,30s root x\n"
    "*/12 * * * * name=gated when=load<4 retry=1,20s retry-until=10m root x\n"
    "@reboot name=up retry=1,1m root x\n",
    "*/7 * * * * name=often slots=2 root x\n*/5 * * * * name=flaky root x\n"
    "*/8 * * * * name=all catchup=all overlap=queue root x\n"
    "30 2 * * * name=nightly tz=Europe/Berlin catchup=all root x\n"
    "*/10 * * * * name=new catchup=all deadline=20m root x\n",
    "",
)
LOADS = tuple(entries_of(text, host="h") for text in TABLES)
OTHERWISE = {
    "often": "frequent",
    "flaky": "shaky",
    "all": "each",
    "wide": "broad",
    "fresh": "new~2",
}
ENDINGS = (exited(0), exited(1), exited(137), killed(9), not_started(), lost())
BUSY = Readings(load=9.0)


class AnyLife(RuleBasedStateMachine):
    """A machine whose daemon may die at any effect; attempts last until a rule ends them."""

    @initialize(slots=st.integers(2, 6), batch=st.integers(1, 8), hasty=st.booleans())
    def start(self, slots: int, batch: int, hasty: bool) -> None:
        self.readings = CALM
        self.forced = False
        self.history = NamingHistory()
        self.machine = Machine(
            LOADS[0],
            start=START,
            store=self.history,
            slots=slots,
            batch=batch,
            hasty=hasty,
            gauges=lambda _simulation: self.readings,
            script=lambda _run, _attempt: Act(lasts=None, obeys_after=timedelta(seconds=4)),
        )
        self.machine.run()

    def is_alive(self) -> bool:
        """Whether there is a daemon."""
        return self.machine.alive is not None

    @rule(seconds=st.integers(1, 900))
    def time_passes(self, seconds: int) -> None:
        self.machine.pass_time(timedelta(seconds=seconds))

    @precondition(lambda self: not self.is_alive())
    @rule(minutes=st.integers(10, 300))
    def nobody_is_there_for_long(self, minutes: int) -> None:
        self.machine.pass_time(timedelta(minutes=minutes))

    @rule(seconds=st.sampled_from((1, 30, 61, 299, 1000, 7000, 20_000)))
    def the_clock_is_set_forward(self, seconds: int) -> None:
        self.machine.jump(timedelta(seconds=seconds))

    @rule(seconds=st.sampled_from((2, 59, 600, 3600, 9000, 20_000)))
    def the_clock_is_set_back(self, seconds: int) -> None:
        self.machine.jump(-timedelta(seconds=seconds))

    @precondition(is_alive)
    @rule(effects=st.integers(1, 12))
    def the_daemon_will_die_soon(self, effects: int) -> None:
        self.machine.doomed = self.machine.crossed + effects

    @precondition(is_alive)
    @rule()
    def the_daemon_dies(self) -> None:
        self.machine.kill()

    @rule()
    def the_machine_boots(self) -> None:
        self.machine.boot()

    @precondition(lambda self: not self.is_alive())
    @rule()
    def a_daemon_starts(self) -> None:
        self.machine.run()

    @precondition(is_alive)
    @rule(force=st.booleans())
    def a_stop_is_asked_for(self, force: bool) -> None:
        self.machine.run(lambda daemon: daemon.stop(force=force))

    @precondition(is_alive)
    @rule(data=st.data(), ending=st.sampled_from(ENDINGS))
    def an_attempt_ends(self, data: st.DataObject, ending: Ending) -> None:
        def end(daemon: Simulation) -> None:
            runs = daemon.state.runs.values()
            running = sorted(run.key for run in runs if run.state is RunState.RUNNING)
            if running:
                daemon.finish(data.draw(st.sampled_from(running)), ending)

        self.machine.run(end)

    @rule(load=st.sampled_from(LOADS))
    def the_tables_change(self, load: dict[str, Entry]) -> None:
        again = {now: name for name, now in OTHERWISE.items() if now in self.machine.entries}
        self.change(load, {now: name for now, name in again.items() if name in load})

    @rule(name=st.sampled_from(sorted(OTHERWISE)))
    def an_entry_is_called_otherwise(self, name: str) -> None:
        before, now = name, OTHERWISE[name]
        if now in self.machine.entries:
            before, now = now, before
        if before in self.machine.entries:
            entries = self.machine.entries.items()
            self.change({now if x == before else x: e for x, e in entries}, {before: now})

    def change(self, entries: Mapping[str, Entry], renamed: Mapping[str, str]) -> None:
        """The tables have these entries now, some of them under other labels."""
        self.machine.load(entries, renamed)
        self.history.rename(renamed)

    @rule(readings=st.sampled_from((CALM, BUSY)))
    def the_gauges_change(self, readings: Readings) -> None:
        self.readings = readings

    @precondition(is_alive)
    @rule(data=st.data(), force=st.booleans())
    def somebody_asks_for_a_run(self, data: st.DataObject, force: bool) -> None:
        def ask(daemon: Simulation) -> None:
            if daemon.state.entries:
                label = data.draw(st.sampled_from(sorted(daemon.state.entries)))
                daemon.ask_for(label, force=force)

        self.forced |= force
        self.machine.run(ask)

    @precondition(is_alive)
    @rule(data=st.data())
    def somebody_kills_a_run(self, data: st.DataObject) -> None:
        def kill(daemon: Simulation) -> None:
            if daemon.state.runs:
                daemon.kill(data.draw(st.sampled_from(sorted(daemon.state.runs))))

        self.machine.run(kill)

    @invariant()
    def slots_in_use_are_those_of_running_attempts_and_fit_the_pool(self) -> None:
        if (daemon := self.machine.alive) is not None:
            runs = daemon.state.runs.values()
            running = [run for run in runs if run.state is RunState.RUNNING]
            assert daemon.state.slots_used == sum(run.holding.counted for run in running)
            assert self.forced or daemon.state.slots_used <= self.machine.slots

    @invariant()
    def the_daemon_knows_exactly_the_runs_that_are_not_over(self) -> None:
        if (daemon := self.machine.alive) is not None:
            assert set(daemon.state.runs) == set(self.machine.book.unfinished())

    @invariant()
    def an_attempt_runs_exactly_if_it_is_recorded_without_an_end(self) -> None:
        if (daemon := self.machine.alive) is not None:
            pages = self.machine.book.pages.items()
            going = {key for key, page in pages if page.attempts and page.attempts[-1] is None}
            runs = daemon.state.runs.values()
            assert going == {run.key for run in runs if run.state is RunState.RUNNING}

    @invariant()
    def a_retry_that_is_planned_is_waited_for(self) -> None:
        if (daemon := self.machine.alive) is not None:
            for key, run in daemon.state.runs.items():
                if run.state is RunState.BACKING_OFF:
                    assert self.machine.book.pages[key].retry_at is not None

    def teardown(self) -> None:
        """Let all come to an end, and settle the account."""
        if not hasattr(self, "machine"):
            return
        machine, self.readings = self.machine, CALM
        machine.doomed = None
        machine.script = lambda _run, _attempt: Act()
        machine.kill()
        machine.run()
        machine.pass_time(timedelta(minutes=40))
        book = machine.book
        book.assert_each_has_a_fate(machine.windows, machine.wall, exact=machine.exact)
        machine.load({})
        machine.pass_time(timedelta(hours=1))
        book.assert_every_run_is_over()
        book.assert_retries_are_kept()
        assert machine.alive is not None
        assert machine.alive.state.slots_used == 0


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
