"""What is recorded comes before what follows it, and nothing else waits."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from cronjob.core.events import Announce, Effect, EndAttempt, Launch, Record, WakeAt
from cronjob.core.output import Kept
from cronjob.core.record import Change, Started, StoppedInOrder
from cronjob.core.report import Priority, Report
from cronjob.core.run import Run
from cronjob.host.performing import Performer
from cronjob.testing import Simulation, entries_of

CHANGE = StoppedInOrder(datetime(2026, 3, 1, tzinfo=UTC), ())


def said(text: str) -> Announce:
    return Announce(Report("test", Priority.INFO, text))


class Scene:
    """A performer, a store that a test lets finish, and what has been done."""

    def __init__(self, *, fails: bool = False, at_once: bool = False) -> None:
        self.done: list[str] = []
        self.stored: list[Callable[[], None]] = []
        self.defects: list[str] = []
        self.ticks: list[int] = []
        self.outputs: list[Mapping[str, Kept]] = []
        self._fails, self._at_once = fails, at_once
        self.follow_up: list[Effect] = []
        self.performer = Performer(
            self._record,
            self._perform,
            foresee=lambda launch: self.done.append(f"foresee {launch.run.key}"),
            defect=lambda what, error: self.defects.append(f"{what}: {error}"),
        )

    def add(self, *effects: Effect) -> None:
        self.performer.add(effects, {})

    def _record(
        self,
        changes: Sequence[Change],
        done: Callable[[], None] | None,
        *,
        outputs: Mapping[str, Kept],
        ticks: int,
    ) -> None:
        if self._fails:
            raise ValueError("no")
        self.done.append(f"record {len(changes)}")
        self.outputs.append(outputs)
        self.ticks.append(ticks)
        if done is not None and self._at_once:
            done()
        elif done is not None:
            self.stored.append(done)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Announce(report):
                self.done.append(report.text)
                if report.text == "bad":
                    raise ValueError("this one")
                follow_up, self.follow_up = self.follow_up, []
                self.add(*follow_up)
            case _:
                self.done.append(type(effect).__name__)


def simulated_runs() -> list[Run]:
    """A run whose first attempt is about to start."""
    start = datetime(2026, 3, 2, 8, 59, tzinfo=UTC)
    simulation = Simulation(entries_of("0 9 * * * root x\n"), start=start)
    simulation.run_until(start + timedelta(minutes=1))
    return [effect.run for _, effect in simulation.timeline if isinstance(effect, Launch)]


URGENT, IDLE = Record((CHANGE,), urgent=True), Record((CHANGE,), urgent=False)


def test_what_follows_an_urgent_record_waits_until_it_is_stored() -> None:
    scene = Scene()
    scene.add(URGENT, said("a"), said("b"))
    assert scene.done == ["record 1"]
    scene.stored[0]()
    assert scene.done == ["record 1", "a", "b"]


def test_nothing_waits_for_a_record_that_is_not_urgent() -> None:
    scene = Scene()
    scene.add(IDLE, said("a"))
    assert scene.done == ["record 1", "a"]
    assert not scene.stored


def test_the_word_of_a_start_waits_for_no_record_because_what_is_printed_does_not() -> None:
    scene = Scene()
    scene.add(URGENT, said("another ended"))
    scene.add(Record((Started("a@1", 1, 7),), urgent=False), said("a started"))
    scene.add(IDLE, said("said later"))
    scene.stored[0]()
    assert scene.done == [
        *("record 1", "record 1", "a started", "record 1"),
        *("another ended", "said later"),
    ]


def test_a_store_that_answers_at_once_makes_nobody_wait() -> None:
    scene = Scene(at_once=True)
    scene.add(URGENT, said("a"))
    assert scene.done == ["record 1", "a"]


def test_records_of_later_steps_are_handed_over_so_that_one_commit_may_hold_them() -> None:
    scene = Scene()
    scene.add(URGENT, said("a"))
    scene.add(URGENT, said("b"))
    scene.add(said("c"))
    assert scene.done == ["record 1", "record 1"]
    scene.stored[0]()
    assert scene.done[2:] == ["a"]
    scene.stored[1]()
    assert scene.done[2:] == ["a", "b", "c"]


def test_the_order_holds_when_a_later_record_is_stored_first() -> None:
    scene = Scene()
    scene.add(URGENT, said("a"))
    scene.add(URGENT, said("b"))
    scene.stored[1]()
    assert scene.done[2:] == []
    scene.stored[0]()
    assert scene.done[2:] == ["a", "b"]


def test_a_wake_up_waits_for_nobody() -> None:
    scene = Scene()
    scene.add(URGENT, said("a"), WakeAt(monotonic=1.0))
    assert scene.done == ["record 1", "WakeAt"]


def test_the_wake_up_for_the_rest_of_a_burst_comes_after_what_has_begun() -> None:
    scene = Scene()
    scene.performer.add((URGENT, said("a"), WakeAt(monotonic=1.0)), {}, hurried=True)
    assert scene.done == ["record 1"]
    scene.stored[0]()
    assert scene.done == ["record 1", "a", "WakeAt"]


def test_a_launch_is_foreseen_while_its_record_is_written() -> None:
    scene = Scene()
    (run,) = simulated_runs()
    scene.add(URGENT, Launch(run, run.attempt))
    assert scene.done == ["record 1", f"foresee {run.key}"]
    scene.stored[0]()
    assert scene.done[2:] == ["Launch"]


def test_what_an_effect_brings_about_comes_after_the_rest_of_its_step() -> None:
    scene = Scene()
    scene.follow_up = [said("later")]
    scene.add(said("a"), said("b"))
    assert scene.done == ["a", "b", "later"]


def test_an_effect_that_fails_costs_no_other() -> None:
    scene = Scene()
    scene.add(said("bad"), said("b"))
    assert scene.done == ["bad", "b"]
    assert scene.defects == ["cannot perform Announce: this one"]


def test_a_record_that_fails_costs_no_run() -> None:
    scene = Scene(fails=True)
    scene.add(URGENT, said("a"))
    scene.add(IDLE, said("b"))
    assert scene.done == ["a", "b"]
    assert scene.defects == ["cannot record: no"] * 2


def test_what_is_forgotten_is_not_done_any_more() -> None:
    scene = Scene()
    scene.add(URGENT, EndAttempt("a@1", 1, 0.0), said("a"), EndAttempt("b@1", 1, 0.0))
    scene.performer.forget({"a@1"})
    scene.stored[0]()
    assert scene.done[1:] == ["a", "EndAttempt"]


def test_outputs_and_the_time_in_ticks_come_with_the_record() -> None:
    scene = Scene()
    scene.performer.add((IDLE,), {"a@1/1": Kept(b"text")})
    assert scene.outputs == [{"a@1/1": Kept(b"text")}]
    assert scene.ticks[0] > 0
