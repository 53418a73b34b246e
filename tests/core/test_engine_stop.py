"""Stop and restart: what one daemon hands to the next."""

from datetime import datetime, timedelta

import pytest

from cronjob.core.attempt import Attempt, Ending
from cronjob.core.events import EndAttempt, Stopped
from cronjob.core.record import Progress
from cronjob.core.run import Run
from cronjob.testing import Act, MemoryHistory, Simulation, entries_of, exited, lost, not_started
from tests.core.lives import Life

at = datetime.fromisoformat
START = at("2026-03-02T08:59Z")
NINE = at("2026-03-02T09:00Z")
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def endless(_run: Run, _attempt: Attempt) -> Act:
    return Act(lasts=None, obeys_after=timedelta(seconds=3))


def at_nine(text: str, *, slots: int = 16, host: str = "") -> Life:
    simulation = Life(entries_of(text, host=host), start=START, slots=slots, script=endless)
    simulation.run_until(NINE)
    return simulation


def graces(simulation: Simulation) -> list[tuple[str, float]]:
    ends = [effect for _, effect in simulation.timeline if isinstance(effect, EndAttempt)]
    return [(effect.run.partition("@")[0], effect.grace) for effect in ends]


def left_waiting(life: Life) -> list[str]:
    """What the next daemon will find unfinished."""
    return [run.key for run in life.history.left().unfinished]


def starts(simulation: Simulation) -> list[tuple[str, str]]:
    return [(f"{started:%H:%M:%S}", key) for started, key, _ in simulation.starts()]


# -- stop ----------------------------------------------------------------------------------------


def test_a_stop_with_nothing_running_is_over_at_once() -> None:
    simulation = Simulation({}, start=START)
    simulation.stop()
    assert simulation.stopped == Stopped(())


def test_a_stop_gives_every_running_attempt_its_grace() -> None:
    simulation = at_nine("0 9 * * * name=a grace=4s root x\n0 9 * * * name=b root x\n")
    simulation.stop()
    assert graces(simulation) == [("a", 4.0), ("b", 10.0)]
    assert simulation.stopped is None
    simulation.run_until(NINE + MINUTE)
    assert simulation.stopped == Stopped(())
    assert [report.text.split()[3] for report in simulation.reports("attempt-ended")] == [
        "cancelled:"
    ] * 2


@pytest.mark.parametrize("forces", [[False, False], [True]])
def test_a_second_or_forced_stop_leaves_no_grace(forces: list[bool]) -> None:
    simulation = at_nine("0 9 * * * name=a root x\n")
    for force in forces:
        simulation.stop(force=force)
    assert graces(simulation)[-1] == ("a", 0.0)


def test_an_attempt_that_is_being_ended_for_its_timeout_stays_timed_out() -> None:
    simulation = at_nine("0 9 * * * name=a timeout=30s root x\n")
    simulation.run_until(NINE + 31 * SECOND)
    simulation.stop()
    simulation.run_until(NINE + MINUTE)
    (report,) = simulation.reports("attempt-ended")
    assert "timed-out: signal 15" in report.text


def test_a_stop_ends_once_however_often_it_is_asked_for() -> None:
    simulation = at_nine("0 9 * * * name=a root x\n")
    for _ in range(3):
        simulation.stop()
    simulation.finish("a@2026-03-02T09:00Z", exited())
    simulation.wake()
    simulation.stop()
    assert [e for _, e in simulation.timeline if isinstance(e, Stopped)] == [Stopped(())]


def test_a_stop_says_what_it_ends_and_what_is_left() -> None:
    simulation = at_nine("0 9 * * * root x\n" * 5, slots=2)
    simulation.stop()
    simulation.stop()
    assert [report.text for report in simulation.reports("stopping")] == [
        "stopping: ending 2 attempts, 3 runs not begun",
        "stopping: ending at once 2 attempts, 3 runs not begun",
    ]


def test_nothing_starts_while_stopping() -> None:
    text = "0 9 * * * name=a root x\n0 9 * * * name=b root x\n* * * * * name=c slots=0 root x\n"
    text += "0 9 * * * name=late jitter=30m root x\n0 9 * * * name=d jitter=30m slots=0 root x\n"
    simulation = at_nine(text, slots=1)
    before = simulation.starts()
    simulation.stop()
    simulation.clock.advance(timedelta(minutes=40))
    simulation.wake()
    simulation.finish("a@2026-03-02T09:00Z", exited())
    assert simulation.starts() == before
    assert simulation.state.awake.wall is None


def test_a_run_that_backs_off_is_left_to_the_next_daemon() -> None:
    simulation = at_nine("0 9 * * * name=a retry=1,1m root x\n")
    simulation.finish("a@2026-03-02T09:00Z", exited(1))
    simulation.stop()
    assert simulation.stopped == Stopped(())
    assert simulation.finished() == []
    assert left_waiting(simulation) == ["a@2026-03-02T09:00Z"]
    (report,) = simulation.reports("stopping")
    assert report.text == (
        "stopping: ending 0 attempts, 0 runs not begun, 1 retry left to the next daemon"
    )


CANCELLED = [("a@2026-03-02T09:00Z", "cancelled", "the daemon stops")]


@pytest.mark.parametrize(
    ("retry_on", "over", "left"),
    [("failure", CANCELLED, []), ("failure,cancelled", [], ["a@2026-03-02T09:00Z"])],
)
def test_what_a_stop_ends_is_tried_again_only_where_cancelled_is_named(
    retry_on: str, over: list[tuple[str, str, str]], left: list[str]
) -> None:
    simulation = at_nine(f"0 9 * * * name=a retry=1,1m retry-on={retry_on} root x\n")
    simulation.stop()
    simulation.finish("a@2026-03-02T09:00Z", exited(1))
    assert simulation.stopped == Stopped(())
    assert simulation.finished() == over
    assert left_waiting(simulation) == left
    assert len(simulation.reports("retry-planned")) == len(left)


def test_a_run_that_was_to_end_for_its_timeout_is_tried_again_by_the_next_daemon() -> None:
    first = at_nine("0 9 * * * name=a retry=1,1m timeout=30s root x\n")
    first.run_until(NINE + 31 * SECOND)
    first.stop()
    first.run_until(NINE + MINUTE)
    second = first.after("0 9 * * * name=a retry=1,1m root x\n", SECOND)
    second.run_until(NINE + 2 * MINUTE)
    assert starts(second) == [("09:01:33", "a@2026-03-02T09:00Z")]


def test_runs_that_wait_are_handed_over_and_start_with_the_next_daemon() -> None:
    text = "0 9 * * * name=a priority=1 root x\n0 11 * * * name=b tz=Etc/GMT-2 root x\n"
    first = at_nine(text, slots=1)
    first.stop()
    first.run_until(NINE + MINUTE)
    (waiting,) = first.history.left().unfinished
    assert (waiting.key, waiting.nominal) == ("b@2026-03-02T09:00Z", at("2026-03-02T11:00"))
    second = first.after(text, 20 * MINUTE)
    assert starts(second) == [("09:21:00", "b@2026-03-02T09:00Z")]
    assert second.state.runs["b@2026-03-02T09:00Z"].fire.nominal == waiting.nominal
    assert not second.reports("missed")


def test_a_run_in_its_jitter_is_handed_over_with_the_rest_of_it() -> None:
    text = "0 9 * * * name=late jitter=30m root x\n"
    first = at_nine(text, host="h")
    delay = first.state.entries["late"].start_delay
    assert delay > 5 * MINUTE
    first.stop()
    second = Life(entries_of(text, host="h"), start=NINE + MINUTE, history=first.history)
    second.run_until(NINE + timedelta(hours=1))
    ((started, key, _),) = second.starts()
    assert key == "late@2026-03-02T09:00Z"
    assert timedelta() <= started - (NINE + delay) <= timedelta(microseconds=1)


def test_what_falls_due_while_a_stop_drains_starts_after_a_quick_restart() -> None:
    text = "0 9 * * * name=a grace=9m root x\n1 9 * * * name=b root x\n* * * * * name=c root x\n"
    first = at_nine(text)
    first.stop()
    first.clock.advance(8 * MINUTE)
    first.finish("a@2026-03-02T09:00Z", exited())
    first.finish("c@2026-03-02T09:00Z", exited())
    second = first.after(text, 30 * SECOND)
    assert starts(second) == [
        ("09:08:30", "b@2026-03-02T09:01Z"),
        *(("09:08:30", f"c@2026-03-02T09:0{minute}Z") for minute in range(1, 9)),
    ]


def test_a_waiting_run_whose_entry_is_gone_after_the_restart_is_said() -> None:
    text = "0 9 * * * name=a root sleep\n0 9 * * * name=b root x\n"
    first = at_nine(text, slots=1)
    first.stop()
    first.finish("a@2026-03-02T09:00Z", exited())
    second = first.after("1 9 * * * name=a root x\n", 5 * SECOND)
    assert [report.text for report in second.reports("run-dropped")] == [
        "b: its run of 2026-03-02 09:00:00Z is dropped: its entry is in no table any more"
    ]
    run = second.history.runs["b@2026-03-02T09:00Z"]
    assert (run.outcome, run.why) == ("cancelled", "its entry is in no table any more")


@pytest.mark.parametrize(
    ("pause", "expected", "missed"),
    [
        (31 * SECOND, ["09:01:30"], 0),
        (60 * SECOND, ["09:01:59"], 0),
        (timedelta(minutes=10), [], 1),
    ],
)
def test_a_restart_within_a_minute_loses_nothing_and_a_longer_one_says_so_once(
    pause: timedelta, expected: list[str], missed: int
) -> None:
    text = "1 9 * * * name=a root x\n1 9 * * * name=b root x\n"
    first = at_nine(text)
    first.clock.advance(59 * SECOND)
    first.stop()
    second = first.after(text, pause)
    assert sorted({started for started, _ in starts(second)}) == expected
    reports = second.reports("missed")
    assert len(reports) == missed
    if reports:
        assert reports[0].text == (
            "2 entries missed fire times of 1 schedule between "
            "2026-03-02 09:00:59Z and 2026-03-02 09:09:59Z: no daemon was running"
        )


WILD_AND_FIXED = "*/30 * * * * name=wild root x\n0,30 9-12 * * * name=fixed root x\n"


def before_the_last_daemon(behind: timedelta) -> Simulation:
    """A daemon that starts that long before 10:00, when another one was still there."""
    history = MemoryHistory()
    history.record((Progress(at("2026-03-02T10:00Z")),))
    simulation = Life(
        WILD_AND_FIXED,
        start=at("2026-03-02T10:00Z") - behind,
        history=history,
        script=endless,
    )
    simulation.run_until(at("2026-03-02T10:30Z"))
    return simulation


def test_a_clock_that_went_back_between_two_daemons_repeats_no_fixed_entry() -> None:
    simulation = before_the_last_daemon(timedelta(minutes=31))
    assert [key for _, key, _ in simulation.starts("fixed")] == ["fixed@2026-03-02T10:30Z"]
    assert [key for _, key, _ in simulation.starts("wild")] == [
        "wild@2026-03-02T09:30Z#2",
        "wild@2026-03-02T10:00Z#2",
        "wild@2026-03-02T10:30Z",
    ]
    (report,) = simulation.reports("clock-stepped")
    assert report.text == "the clock stands 31m before the time of the last daemon"


def test_a_clock_that_was_far_ahead_of_it_silences_nothing() -> None:
    simulation = before_the_last_daemon(timedelta(hours=3, minutes=1))
    assert simulation.starts("fixed")[0][1] == "fixed@2026-03-02T09:00Z#2"


def test_less_than_a_second_between_two_daemons_is_no_step() -> None:
    simulation = before_the_last_daemon(timedelta(milliseconds=999))
    assert [key for _, key, _ in simulation.starts("wild")] == ["wild@2026-03-02T10:30Z"]
    assert simulation.reports("clock-stepped") == []


def test_a_restart_behind_the_high_water_mark_keeps_it() -> None:
    first = Life(WILD_AND_FIXED, start=at("2026-03-02T09:59Z"), script=endless)
    first.run_until(at("2026-03-02T10:01Z"))
    first.jump_wall(-timedelta(minutes=45))
    first.run_until(at("2026-03-02T09:40Z"))
    first.stop()
    first.run_until(at("2026-03-02T09:41Z"))
    second = first.after(WILD_AND_FIXED, SECOND)
    second.run_until(at("2026-03-02T10:30Z"))
    assert [key for _, key, _ in second.starts("fixed")] == ["fixed@2026-03-02T10:30Z"]


def test_a_new_entry_does_not_start_for_a_time_before_it_was_in_a_table() -> None:
    first = at_nine("0 9 * * * name=a root x\n")
    first.finish("a@2026-03-02T09:00Z", exited())
    first.run_until(NINE + timedelta(hours=2))  # idle
    first.stop()
    second = first.after("0 9 * * * name=a root x\n30 10 * * * name=new root x\n", 5 * SECOND)
    assert starts(second) == []
    assert second.reports() == []


def test_what_was_due_at_the_moment_of_the_stop_is_not_forgotten() -> None:
    text = "1 9 * * * name=b root x\n"
    first = at_nine(text)
    first.clock.advance(MINUTE)  # 9:01 has come; the stop is heard of before the alarm
    first.stop()
    assert starts(first.after(text, SECOND)) == [("09:01:01", "b@2026-03-02T09:01Z")]


def test_a_run_that_was_begun_and_is_due_as_well_starts_once() -> None:
    text = "0 9 * * * name=a jitter=30s root x\n"
    first = Life(entries_of(text, host="h"), start=START)
    first.run_until(NINE)
    first.history.record((Progress(START),))  # as if the rest of a burst had not begun
    assert first.history.left().recorded == {"a@2026-03-02T09:00Z"}
    second = first.after("0 9 * * * name=a root x\n", 9 * SECOND)
    second.run_until(NINE + 10 * MINUTE)
    assert starts(second) == [("09:00:09", "a@2026-03-02T09:00Z")]


def test_a_daemon_that_died_runs_no_fire_time_twice() -> None:
    text = "* * * * * name=a root x\n"
    first = at_nine(text)
    second = first.after(text, 20 * SECOND)
    assert starts(second) == []
    second.run_until(NINE + MINUTE)
    assert starts(second) == [("09:01:00", "a@2026-03-02T09:01Z")]


def test_what_waits_is_handed_over_in_the_order_in_which_it_fell_due() -> None:
    text = (
        "0 9 * * * name=going root x\n1 9 * * * name=late root x\n"
        "0 9 * * * name=z root x\n0 9 * * * name=a root x\n"
    )
    first = Life(text, start=START, slots=1, script=endless)
    first.run_until(NINE + timedelta(minutes=1))
    first.stop()
    first.run_until(NINE + timedelta(minutes=2))
    second = first.after(text, SECOND, slots=1, script=lambda _run, _attempt: Act())
    second.run_until(NINE + timedelta(minutes=3))
    assert [key.partition("@")[0] for _, key, _ in second.starts()] == ["z", "a", "late"]


# -- @reboot -------------------------------------------------------------------------------------

BOOT = "@reboot name=up root x\n0 9 * * * name=nine root x\n"


@pytest.mark.parametrize(("reboot", "expected"), [(True, ["up"]), (False, [])])
def test_reboot_entries_start_only_after_a_boot(reboot: bool, expected: list[str]) -> None:
    simulation = Simulation(entries_of(BOOT), start=START, reboot=reboot, script=endless)
    assert [key.partition("@")[0] for _, key, _ in simulation.starts()] == expected
    simulation.reload(entries_of(f"{BOOT}@reboot name=new root x\n"))
    assert len(simulation.starts()) == len(expected)


def test_reboot_entries_are_named_after_the_start_of_the_daemon() -> None:
    started = at("2026-03-02T08:59:07.25Z")
    simulation = Simulation(entries_of(BOOT), start=started, reboot=True)
    assert simulation.starts() == [(started, "up@2026-03-02T08:59:07Z", 1)]


@pytest.mark.parametrize("ending", [exited(0), exited(143), lost(), not_started("it was ended")])
def test_a_reboot_entry_that_a_stop_ended_starts_again(ending: Ending) -> None:
    first = Life(BOOT, start=START, reboot=True, script=endless)
    first.stop()
    first.finish(first.starts()[0][1], ending)
    assert first.stopped == Stopped(("up",))
    second = first.after(BOOT, 5 * SECOND)
    assert starts(second) == [("08:59:05", "up@2026-03-02T08:59:05Z")]


def test_a_reboot_entry_that_ended_by_itself_does_not_start_again() -> None:
    first = Life(BOOT, start=START, reboot=True)
    first.run_until(START + 30 * SECOND)
    first.stop()
    assert first.stopped == Stopped(())


TWO_AT_BOOT = "@reboot name=a slots=1 root x\n@reboot name=b slots=1 root x\n"


def stopped_before_a_second_one_had_a_slot() -> Life:
    first = Life(TWO_AT_BOOT, start=START, slots=1, reboot=True, script=endless)
    first.stop()
    first.finish(first.starts()[0][1], exited())
    return first


def test_a_reboot_entry_that_waited_for_a_slot_starts_once_after_the_next_boot() -> None:
    first = stopped_before_a_second_one_had_a_slot()
    assert left_waiting(first) == ["b@2026-03-02T08:59Z"]
    second = first.after(TWO_AT_BOOT, MINUTE, reboot=True)
    assert [key for _, key in starts(second)] == ["a@2026-03-02T09:00Z", "b@2026-03-02T09:00Z"]
    run = second.history.runs["b@2026-03-02T08:59Z"]
    assert (run.outcome, run.why) == ("cancelled", "it starts anew")


def test_a_reboot_entry_that_waited_for_a_slot_goes_on_waiting_with_the_next_daemon() -> None:
    first = stopped_before_a_second_one_had_a_slot()
    second = first.after(TWO_AT_BOOT, MINUTE)
    assert sorted(key for _, key in starts(second)) == [
        "a@2026-03-02T09:00Z",
        "b@2026-03-02T08:59Z",
    ]
