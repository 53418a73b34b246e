"""A daemon that is killed, and the one that comes after it: nothing is lost, nothing runs twice."""

from collections import Counter
from datetime import datetime, timedelta

import pytest

from cronjob.core.attempt import Attempt
from cronjob.core.entry import Entry
from cronjob.core.run import Run, RunState
from cronjob.testing import Act, entries_of, exited
from tests.core.lives import Life

at = datetime.fromisoformat
START = at("2026-03-02T08:59:30Z")
NINE = at("2026-03-02T09:00Z")
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
A = "a@2026-03-02T09:00Z"


def script(run: Run, _attempt: Attempt) -> Act:
    """What is called `bad` fails; all else succeeds, and takes its time."""
    if run.entry.command.startswith("bad"):
        return Act(timedelta(seconds=5), exited(1))
    return Act(timedelta(seconds=25))


def dies_slowly(_run: Run, _attempt: Attempt) -> Act:
    return Act(None, obeys_after=timedelta(seconds=9))


def life(text: str, *, slots: int = 4, start: datetime = START) -> Life:
    """A daemon at nine, when its first entries have begun."""
    first = Life(text, start=start, slots=slots, script=script, since={})
    first.run_until(NINE)
    return first


def starts(simulation: Life) -> list[tuple[str, str, int]]:
    return [(f"{when:%H:%M:%S}", key, number) for when, key, number in simulation.starts()]


def record(life: Life, key: str) -> tuple[str, str]:
    run = life.history.runs[key]
    return str(run.outcome), run.why


# -- what was running ----------------------------------------------------------------------------


def test_an_attempt_that_was_going_is_lost() -> None:
    text = "0 9 * * * name=a retry=3,10s root good\n"
    second = life(text).after(text, 20 * SECOND)
    second.run_until(NINE + 5 * MINUTE)
    assert starts(second) == []
    assert record(second, A) == ("lost", "the daemon died")
    (report,) = second.reports("attempt-ended")
    assert report.text == "a@2026-03-02T09:00Z: attempt 1 lost: the daemon died (table:1)"
    assert second.finished() == [(A, "lost", "the daemon died")]


def test_a_lost_attempt_is_tried_again_where_lost_is_named() -> None:
    text = "0 9 * * * name=a retry=3,10s retry-on=lost root good\n"
    second = life(text).after(text, 20 * SECOND)
    second.run_until(NINE + 5 * MINUTE)
    assert starts(second) == [("09:00:30", A, 2)]
    assert record(second, A) == ("succeeded", "")


def test_a_lost_attempt_holds_no_slot() -> None:
    text = "0 9 * * * name=a root good\n1 9 * * * name=b root good\n"
    second = life(text, slots=1).after(text, 20 * SECOND, slots=1)
    second.run_until(NINE + MINUTE)
    assert starts(second) == [("09:01:00", "b@2026-03-02T09:01Z", 1)]


# -- what was to be tried again ------------------------------------------------------------------


def failed_at_nine(text: str) -> Life:
    first = life(text)
    first.run_until(NINE + 6 * SECOND)
    return first


@pytest.mark.parametrize(
    ("pause", "again"),
    [(SECOND, "09:02:05"), (100 * SECOND, "09:02:05"), (10 * MINUTE, "09:10:06")],
)
def test_a_retry_comes_at_its_time_or_at_once_when_that_is_over(
    pause: timedelta, again: str
) -> None:
    text = "0 9 * * * name=a retry=3,2m root bad\n"
    second = failed_at_nine(text).after(text, pause)
    second.run_until(NINE + 15 * MINUTE)
    assert starts(second)[0] == (again, A, 2)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0,5 9 * * * name=a retry=3,2m root bad\n", "no further retry: the next fire time"),
        ("0 9 * * * name=a retry=3,2m retry-until=4m root bad\n", "no further retry: retry-until"),
    ],
)
def test_a_retry_that_the_downtime_made_too_late_gives_up_and_says_so(text: str, why: str) -> None:
    second = failed_at_nine(text).after(text, 5 * MINUTE)
    second.run_until(NINE + 6 * MINUTE)
    (report,) = second.reports("gave-up")
    assert report.text.startswith(f"{A}: {why}")
    assert record(second, A)[0] == "gave-up"
    assert A not in {key for _, key, _ in second.starts()}


def test_a_retry_survives_any_number_of_restarts() -> None:
    text = "0 9 * * * name=a retry=3,2m root bad\n"
    daemon = failed_at_nine(text)
    for _ in range(5):
        daemon = daemon.after(text, 10 * SECOND)
    daemon.run_until(NINE + 3 * MINUTE)
    assert starts(daemon) == [("09:02:05", A, 2)]


def test_the_limit_of_retries_counts_over_restarts() -> None:
    text = "0 9 * * * name=a retry=2,1m..1m root bad\n"
    daemon = failed_at_nine(text)
    numbers = []
    for minute in (1, 2, 3, 4):
        daemon = daemon.after(text, SECOND)
        daemon.run_until(NINE + minute * MINUTE + 20 * SECOND)
        numbers += [number for _, _, number in daemon.starts()]
    assert numbers == [2, 3]
    assert record(daemon, A) == ("gave-up", "retries are exhausted")


def test_a_retry_waits_no_longer_than_its_delay_when_the_clock_went_back() -> None:
    text = "0 9 * * * name=a retry=3,2m..2m root bad\n"
    second = failed_at_nine(text).after(text, -timedelta(hours=5))
    second.run_until(second.clock.now() + 3 * MINUTE)
    assert [number for _, key, number in second.starts() if key == A] == [2]


@pytest.mark.parametrize("overlap", ["allow", "skip", "queue", "replace"])
def test_a_retry_that_was_left_obeys_the_overlap_rule_as_if_nothing_had_happened(
    overlap: str,
) -> None:
    text = f"0,1 9 * * * name=a retry=3,50s..50s retry-until=9m overlap={overlap} root bad\n"
    whole = failed_at_nine(text)
    whole.run_until(NINE + 4 * MINUTE)
    cut = failed_at_nine(text).after(text, timedelta())
    cut.run_until(NINE + 4 * MINUTE)
    assert starts(whole)[0] == ("09:00:00", A, 1)
    assert starts(cut) == starts(whole)[1:]
    assert cut.finished() == whole.finished()


# -- what was waiting ----------------------------------------------------------------------------


def test_what_waited_for_slots_waits_again_in_its_order() -> None:
    text = "".join(f"0 9 * * * name=e{n} root good\n" for n in range(4))
    second = life(text, slots=1).after(text, 5 * SECOND, slots=1)
    second.run_until(NINE + 2 * MINUTE)
    assert starts(second) == [
        ("09:00:05", "e1@2026-03-02T09:00Z", 1),
        ("09:00:30", "e2@2026-03-02T09:00Z", 1),
        ("09:00:55", "e3@2026-03-02T09:00Z", 1),
    ]


def test_what_waited_for_an_earlier_run_that_is_lost_starts() -> None:
    text = "*/1 * * * * name=a overlap=queue root good\n"
    first = life(text)
    first.script = lambda _run, _attempt: Act(lasts=None)
    first.run_until(NINE + MINUTE)
    first.run_until(NINE + 2 * MINUTE)
    second = first.after(text, SECOND, script=script)
    assert starts(second) == [("09:02:01", "a@2026-03-02T09:02Z", 1)]


@pytest.mark.parametrize(("pause", "starts_at"), [(30, ["09:00:30"]), (61, [])])
def test_a_deadline_counts_from_the_fire_time_over_a_restart(
    pause: int, starts_at: list[str]
) -> None:
    text = "0 9 * * * name=first slots=4 root good\n0 9 * * * name=a deadline=1m root good\n"
    second = life(text).after(text, pause * SECOND)
    second.run_until(NINE + 5 * MINUTE)
    assert [when for when, key, _ in starts(second) if key == A] == starts_at
    assert record(second, A)[0] == ("succeeded" if starts_at else "missed")


def test_a_run_of_an_entry_that_has_gone_ends_and_that_is_said() -> None:
    text = "0 9 * * * name=first slots=4 root good\n0 9 * * * name=a root good\n"
    second = life(text).after("", SECOND)
    assert record(second, A) == ("cancelled", "its entry is in no table any more")
    assert record(second, "first@2026-03-02T09:00Z")[0] == "lost"
    assert len(second.reports("run-dropped")) == 2
    assert not second.history.left().unfinished


def test_no_other_user_takes_over_the_retry_of_a_run() -> None:
    text = "0 9 * * * name=a retry=1,2m {} bad\n"
    first = failed_at_nine(text.format("ann"))
    reloaded, ended = first.after(text.format("ann"), SECOND), "its entry is another user's now"
    reloaded.reload(entries_of(text.format("bob")))
    assert record(reloaded, A) == ("failed", ended)
    restarted = failed_at_nine(text.format("ann")).after(text.format("bob"), SECOND)
    assert record(restarted, A)[1] == ended
    assert not restarted.starts()


def test_what_somebody_asked_for_and_had_not_begun_is_cancelled() -> None:
    text = "0 9 * * * name=first slots=4 root good\n0 3 * * * name=b root good\n"
    first = life(text)
    key = first.ask_for("b")
    second = first.after(text, SECOND)
    assert record(second, key) == ("cancelled", "the daemon was restarted")
    assert second.starts() == []


def test_what_somebody_asked_for_is_tried_again_as_its_entry_says() -> None:
    text = "0 3 * * * name=b retry=1,1m root bad\n"
    first = life(text)
    key = first.ask_for("b")
    first.run_until(NINE + 6 * SECOND)
    second = first.after(text, SECOND)
    second.run_until(NINE + 2 * MINUTE)
    assert starts(second) == [("09:01:05", key, 2)]


# -- when the history was away -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "pause", "fate"),
    [
        ("0 9 * * * name=first slots=4 root good\n0 9 * * * name=a root good\n", 1, "lost"),
        ("0 9 * * * name=a retry=3,2m root bad\n", 150, "lost"),
        ("0 9 * * * name=a retry=3,2m root bad\n", 10, "None"),
        ("0 9 * * * name=a jitter=59m root good\n", 1, "None"),
        # A clock that has gone back says nothing about what had come before that.
        ("0 9 * * * name=a retry=3,2m root bad\n", -600, "lost"),
        ("0 9 * * * name=a jitter=59m root good\n", -600, "lost"),
    ],
)
def test_what_may_have_run_unrecorded_does_not_run_again(text: str, pause: int, fate: str) -> None:
    second = failed_at_nine(text).after(text, pause * SECOND, uncertain_since=NINE)
    assert record(second, A)[0] == fate
    assert A not in {key for _, key, _ in second.starts()}
    told = [report.text for report in second.reports("run-dropped") if A in report.text]
    doubted = f"{A}: dropped: the history could not be written, so it may have run"
    assert told == [doubted] * (fate == "lost")


# -- @reboot -------------------------------------------------------------------------------------


def test_an_attempt_that_was_going_has_no_retry_when_that_may_have_run_unrecorded() -> None:
    text = "0 9 * * * name=a retry=3,10s retry-on=lost root good\n"
    second = life(text).after(text, 20 * SECOND, uncertain_since=NINE)
    second.run_until(NINE + 5 * MINUTE)
    assert starts(second) == []
    assert record(second, A) == ("lost", "the history could not be written, so it may have run")


def test_what_falls_due_while_the_daemon_stops_is_not_lost_when_the_clock_goes_back() -> None:
    text = "0 9 * * * name=a root good\n@reboot name=up root good\n"
    first = Life(text, start=START, since={}, reboot=True, script=dies_slowly)
    first.stop()
    first.jump_wall(MINUTE)
    first.jump_wall(-5 * SECOND)
    assert first.stopped is None
    second = first.after(text, SECOND, script=script)
    second.run_until(NINE + 5 * MINUTE)
    assert [key for _, key, _ in starts(second)] == [A]


@pytest.mark.parametrize(("booted", "again"), [(True, ["up@2026-03-02T09:00Z"]), (False, [])])
def test_a_reboot_entry_that_died_with_the_daemon_starts_only_with_the_machine(
    booted: bool, again: list[str]
) -> None:
    retry = "retry=1,1s retry-on=lost " if booted else ""
    text = f"@reboot name=up {retry}root good\n"
    first = Life(text, start=START, script=lambda _run, _attempt: Act(lasts=None), reboot=True)
    first.run_until(NINE)
    second = first.after(text, SECOND, reboot=booted)
    second.run_until(NINE + MINUTE)
    assert [key.replace("09:00:01Z", "09:00Z") for _, key, _ in second.starts()] == again
    assert record(second, "up@2026-03-02T08:59:30Z")[0] == "lost"


def test_a_machine_whose_clock_starts_anew_at_each_boot_has_each_of_its_boots() -> None:
    text = "@reboot name=up root good\n"
    daemon = Life(text, start=START, script=script, reboot=True)
    keys = [key for _, key, _ in daemon.starts()]
    for _ in range(2):
        daemon = Life(
            text, start=START, history=daemon.history, script=script, since={}, reboot=True
        )
        keys += [key for _, key, _ in daemon.starts()]
    assert keys == ["up@2026-03-02T08:59:30Z" + number for number in ("", "#2", "#3")]


# -- at every effect -----------------------------------------------------------------------------

TABLE = (
    "*/1 * * * * name=often root good\n"
    "0,2 9 * * * name=flaky retry=2,30s..30s retry-on=failure,lost root bad\n"
    "0-3 9 * * * name=queue overlap=queue root good\n"
    "0-3 9 * * * name=skip overlap=skip jitter=20s root good\n"
    "0 9 * * * name=wide slots=2 root good\n"
    "0 9 * * * name=late deadline=40s root good\n"
    "@reboot name=up root good\n"
)
END = NINE + 4 * MINUTE


def scenario(life: Life) -> None:
    """A few minutes of a daemon that has too few slots, with a run that somebody asks for."""
    life.run_until(NINE + 10 * SECOND)
    if "wide" in life.state.entries and life.clock.now() == NINE + 10 * SECOND:
        life.ask_for("wide")
    life.run_until(END)


def lives(crosses: int, pause: timedelta) -> list[Life]:
    """The daemons of the scenario, of which the first is killed before its next effect but so many.

    One that dies as it is made leaves nothing but its history.
    """
    first = Life.__new__(Life)
    going = first.survives(
        lambda one: one.__init__(  # type: ignore[misc] # it may die in there
            TABLE, start=START, slots=3, script=script, batch=2, crosses=crosses, reboot=True
        )
    )
    if going and first.survives(scenario):
        return [first]
    second = first.after(TABLE, pause, slots=3, batch=2, since=SINCE)
    scenario(second)
    return [first, second]


ENTRIES: dict[str, Entry] = entries_of(TABLE)
SINCE = dict.fromkeys(ENTRIES, START)


def fates(daemon: Life) -> Counter[tuple[str, datetime]]:
    """How often each fire time of the scenario has a record."""
    found = Counter(
        (run.label, run.fire) for run in daemon.history.runs.values() if run.pass_number == 1
    )
    for row in daemon.history.missed:
        for label in row.labels:
            fires = ENTRIES[label].schedule.between(row.first - SECOND, row.last)
            assert len(fires) == row.count
            found.update((label, fire.at) for fire in fires)
    return Counter({fate: n for fate, n in found.items() if fate[0] != "up"})


def expected(until: datetime) -> Counter[tuple[str, datetime]]:
    """Each fire time has one."""
    timed = {label: e.schedule for label, e in ENTRIES.items() if not e.schedule.reboot}
    return Counter(
        (label, fire.at)
        for label, schedule in timed.items()
        for fire in schedule.between(START, until)
    )


@pytest.mark.parametrize("pause", [SECOND, 100 * SECOND], ids=["at-once", "too-late"])
def test_killed_before_any_effect_nothing_is_lost_and_nothing_starts_twice(
    pause: timedelta,
) -> None:
    crosses = points = 1  # before the first effect, there has been no daemon
    while len(daemons := lives(crosses, pause)) == 2:
        first, last = daemons
        attempts = Counter((key, number) for one in daemons for _, key, number in one.starts())
        assert max(attempts.values()) == 1, crosses
        assert fates(last) == expected(last.clock.now()), crosses
        for run in last.history.runs.values():
            known = last.state.runs.get(run.key)
            assert (run.outcome is None) == (known is not None), (crosses, run.key)
            assert sorted(run.attempts) == list(range(1, len(run.attempts) + 1))
        boots = [run for run in last.history.runs.values() if run.label == "up"]
        assert len(boots) == 1
        assert last.state.slots_used == sum(
            run.holding.slots for run in last.state.runs.values() if run.state is RunState.RUNNING
        )
        assert first.history is last.history
        crosses, points = crosses + 1, points + 1
    assert points > 100
