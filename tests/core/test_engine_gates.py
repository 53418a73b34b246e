"""Runs that wait until the machine has what they need."""

from datetime import datetime, timedelta

import pytest

from cronjob.core.events import Measure
from cronjob.core.gates import Readings
from cronjob.core.run import RunState
from cronjob.core.simulation import CALM
from cronjob.testing import Act, Simulation, entries_of, exited

at = datetime.fromisoformat
NINE = at("2026-03-02T09:00Z")
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
GIB = 1024**3
BUSY = Readings(load=9.0, available=GIB, pressure={"cpu": 50.0}, mains=False)


class Machine:
    """A daemon at nine o'clock, and gauges that the test sets."""

    def __init__(self, text: str, readings: Readings = BUSY, *, slots: int = 64) -> None:
        self.readings = readings
        self.simulation = Simulation(
            entries_of(text),
            start=NINE - MINUTE,
            slots=slots,
            script=lambda _run, _attempt: Act(lasts=None),
            gauges=lambda _simulation: self.readings,
        )
        self.simulation.run_until(NINE)

    def after(self, span: timedelta) -> "Machine":
        """The same, later."""
        self.simulation.run_until(self.simulation.clock.now() + span)
        return self

    def started(self) -> list[str]:
        """The labels of all launches."""
        return [key.partition("@")[0] for _, key, _ in self.simulation.starts()]

    def measurements(self) -> list[tuple[float, list[str]]]:
        """Seconds after nine, and what was measured then."""
        return [
            ((when - NINE).total_seconds(), sorted(effect.kinds))
            for when, effect in self.simulation.timeline
            if isinstance(effect, Measure)
        ]


@pytest.mark.parametrize(
    ("when", "shut", "open_"),
    [
        ("load<4", Readings(load=4.0), Readings(load=3.9)),
        ("mem>2G", Readings(available=2 * GIB), Readings(available=2 * GIB + 1)),
        ("psi.io<20", Readings(pressure={"io": 20.0}), Readings(pressure={"io": 19.9})),
        ("ac", Readings(mains=False), Readings(mains=True)),
        ("load<4,ac", Readings(load=1.0, mains=False), Readings(load=1.0, mains=True)),
    ],
)
def test_a_run_starts_when_its_gates_hold_and_not_before(
    when: str, shut: Readings, open_: Readings
) -> None:
    machine = Machine(f"0 9 * * * name=a when={when} root x\n", shut).after(MINUTE)
    assert machine.started() == []
    machine.readings = open_
    assert machine.after(6 * SECOND).started() == ["a"]


def test_nothing_is_measured_without_need_and_every_five_seconds_with() -> None:
    machine = Machine("0 9 * * * name=a when=load<4,ac root x\n1 9 * * * root x\n")
    assert machine.after(11 * SECOND).measurements() == [
        (0.0, ["ac", "load"]),
        (5.0, ["ac", "load"]),
        (10.0, ["ac", "load"]),
    ]
    machine.readings = CALM
    assert len(machine.after(10 * MINUTE).measurements()) == 4


def test_one_timer_measures_for_all() -> None:
    machine = Machine("".join(f"0 9 * * * name=e{n} when=load<{n + 1} root x\n" for n in range(5)))
    assert [when for when, _ in machine.after(10 * SECOND).measurements()] == [0.0, 5.0, 10.0]


def test_no_two_runs_pass_on_the_same_free_memory() -> None:
    text = "".join(f"0 9 * * * name=e{n} when=mem>1G root x\n" for n in range(100))
    machine = Machine(text, Readings(available=3 * GIB + 1))
    assert machine.started() == ["e0", "e1", "e2"]
    assert len(machine.after(5 * SECOND).started()) == 6


def test_each_start_counts_one_for_the_load() -> None:
    text = "".join(f"0 9 * * * name=e{n} when=load<4 root x\n" for n in range(9))
    assert Machine(text, Readings(load=1.5)).started() == ["e0", "e1", "e2"]


def test_a_gate_that_nobody_can_measure_holds_nothing_back_and_that_is_said_once() -> None:
    text = "* * * * * name=a when=psi.io<5 root x\n* * * * * name=b when=psi.io<6 root x\n"
    machine = Machine(text, Readings()).after(3 * MINUTE)
    assert len(machine.started()) == 8
    (report,) = machine.simulation.reports("gate-unknown")
    assert report.text == (
        "this machine does not tell psi.io: gates that need it hold nothing back, as in table:1"
    )


def test_at_its_next_fire_time_an_older_run_at_the_gates_is_superseded() -> None:
    machine = Machine("* * * * * name=a when=load<4 root x\n").after(2 * MINUTE)
    assert [why for _, _, why in machine.simulation.finished()] == [
        "superseded by the next fire time"
    ] * 2
    machine.readings = CALM
    machine.after(6 * SECOND)
    assert [key for _, key, _ in machine.simulation.starts()] == ["a@2026-03-02T09:02Z"]


def test_the_wait_is_told_once_with_what_does_not_hold_and_again_at_the_start() -> None:
    machine = Machine("0 9 * * * name=a when=load<4,ac,mem>512M root x\n").after(2 * MINUTE)
    (waits,) = machine.simulation.reports("run-waiting")
    assert waits.text == "a@2026-03-02T09:00Z: waits for load<4 and ac"
    machine.readings = CALM
    machine.after(5 * SECOND)
    (started,) = machine.simulation.reports("attempt-started")
    assert ", waited 2m 5s for load<4 and ac: " in started.text


def test_a_retry_obeys_the_gates_too() -> None:
    machine = Machine("0 9 * * * name=a when=load<4 retry=1,10s root x\n", CALM)
    machine.readings = BUSY
    machine.simulation.finish("a@2026-03-02T09:00Z", exited(1))
    assert machine.after(MINUTE).started() == ["a"]
    machine.readings = CALM
    assert machine.after(5 * SECOND).started() == ["a", "a"]


FULL_POOL = "0 9 * * * name=full root x\n1 9 * * * name=a when=load<4 root x\n"


def test_gates_that_held_long_before_the_slot_was_free_are_measured_again() -> None:
    text = FULL_POOL + "2 9 * * * name=behind root x\n"
    machine = Machine(text, CALM, slots=1).after(3 * MINUTE)
    machine.readings = BUSY
    machine.simulation.finish("full@2026-03-02T09:00Z", exited())
    assert machine.measurements()[-1] == (180.0, ["load"])
    assert machine.started() == ["full", "behind"]  # nothing is kept for who waits for a gate
    machine.simulation.finish("behind@2026-03-02T09:02Z", exited())
    machine.readings = CALM
    assert machine.after(5 * SECOND).started() == ["full", "behind", "a"]


def test_a_run_that_is_sent_back_to_its_gates_keeps_its_place_in_line() -> None:
    text = FULL_POOL + "2 9 * * * name=behind root x\n2 9 * * * name=last root x\n"
    machine = Machine(text, CALM, slots=1).after(3 * MINUTE)
    machine.readings = BUSY
    machine.simulation.finish("full@2026-03-02T09:00Z", exited())
    machine.readings = CALM
    machine.after(5 * SECOND)
    machine.simulation.finish("behind@2026-03-02T09:02Z", exited())
    assert machine.started() == ["full", "behind", "a"]


def test_a_slot_that_is_free_at_once_needs_one_measurement() -> None:
    machine = Machine("0 9 * * * name=a when=load<4 root x\n", CALM).after(MINUTE)
    assert machine.started() == ["a"]
    assert len(machine.measurements()) == 1


def test_a_measurement_that_nobody_answers_is_asked_for_again() -> None:
    def gauges(simulation: Simulation) -> Readings:
        if len([e for _, e in simulation.timeline if isinstance(e, Measure)]) == 1:
            raise OSError("no gauge")
        return CALM

    simulation = Simulation(
        entries_of("0 9 * * * name=a when=load<4 root x\n"), start=NINE - MINUTE, gauges=gauges
    )
    with pytest.raises(OSError, match="no gauge"):
        simulation.run_until(NINE)
    assert simulation.state.runs["a@2026-03-02T09:00Z"].state is RunState.GATED
    simulation.run_until(NINE + 6 * SECOND)
    assert len(simulation.starts()) == 1


def test_a_forced_run_does_not_look_at_gates() -> None:
    machine = Machine("0 10 * * * name=a when=load<4 root x\n")
    machine.simulation.ask_for("a", force=True)
    assert machine.started() == ["a"]
    assert machine.measurements() == []


def test_gates_that_a_table_no_longer_has_hold_nothing_back() -> None:
    machine = Machine("0 9 * * * name=a when=load<4 root x\n")
    machine.simulation.reload(entries_of("0 9 * * * name=a root x\n"))
    assert machine.started() == ["a"]
