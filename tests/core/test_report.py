from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from cronjob.core import report
from cronjob.core.attempt import Attempt, Ending, ended
from cronjob.core.found import Left, Unfinished
from cronjob.core.outcome import Outcome
from cronjob.core.record import Progress
from cronjob.core.report import Priority
from cronjob.core.retry import GaveUp
from cronjob.core.run import Run, RunState
from cronjob.core.schedule import FireTime
from cronjob.core.waits import Waited
from cronjob.testing import entries_of, exited, killed, lost, not_started

at = datetime.fromisoformat
NINE = at("2026-03-02T09:00Z")
KEY = "open@2026-03-02T09:00Z"
ATTEMPT = Attempt(number=2, launched=NINE, launched_monotonic=100.0, waited=0.0, pid=4711)
ENTRY = entries_of("0 9 * * * name=open retry=3 market /opt/market/open\n")["open"]
RUN = Run(
    key=KEY,
    label="open",
    entry=ENTRY,
    fire=FireTime(NINE, NINE.replace(tzinfo=None)),
    state=RunState.RUNNING,
    attempts=(ATTEMPT,),
)


@pytest.mark.parametrize(
    ("waited", "note", "priority", "text"),
    [
        (0.0, "", Priority.INFO, "attempt 2 started, pid 4711: (market) CMD (/opt/market/open)"),
        (
            0.2,
            "",
            Priority.INFO,
            "attempt 2 started, pid 4711, waited 200ms for a slot: (market) CMD (/opt/market/open)",
        ),
        (
            0.0,
            "cwd is /",
            Priority.WARNING,
            "attempt 2 started, pid 4711: (market) CMD (/opt/market/open); cwd is /",
        ),
    ],
)
def test_a_start_names_process_user_and_command(
    waited: float, note: str, priority: Priority, text: str
) -> None:
    waits = (Waited("a slot", waited),) if waited else ()
    told = report.attempt_started(RUN, ATTEMPT._replace(waited=waited, waits=waits), note)
    assert (told.event, told.priority, told.text) == (
        "attempt-started",
        priority,
        f"{KEY}: {text}",
    )


def test_an_entry_without_a_user_column_shows_none() -> None:
    run = RUN._replace(entry=replace(ENTRY, user=None))
    assert report.attempt_started(run, ATTEMPT, "").text.endswith("4711: CMD (/opt/market/open)")


def test_control_characters_of_a_command_do_not_reach_the_journal() -> None:
    entry = replace(ENTRY, command="echo \x1b[2J\r hidden")
    assert report.shown_command(entry) == "echo \\x1b[2J\\r hidden"


@pytest.mark.parametrize(
    ("ending", "stop_reason", "priority", "text"),
    [
        (exited(0), None, Priority.INFO, "succeeded: exit status 0 after 2.5s"),
        (exited(3), None, Priority.WARNING, "failed: exit status 3 after 2.5s (table:1)"),
        (
            exited(127),
            None,
            Priority.WARNING,
            "failed: exit status 127 (command not found) after 2.5s (table:1)",
        ),
        (
            exited(126),
            None,
            Priority.WARNING,
            "failed: exit status 126 (found but not executable) after 2.5s (table:1)",
        ),
        (killed(9), None, Priority.WARNING, "signaled: signal 9 after 2.5s (table:1)"),
        (
            exited(137),
            None,
            Priority.WARNING,
            "signaled: exit status 137, signal 9 after 2.5s (table:1)",
        ),
        (
            killed(15),
            Outcome.TIMED_OUT,
            Priority.WARNING,
            "timed-out: signal 15 after 2.5s (table:1)",
        ),
        (
            not_started("no account market"),
            None,
            Priority.WARNING,
            "not-started: no account market (table:1)",
        ),
        (lost(), None, Priority.WARNING, "lost: the launcher died after 2.5s (table:1)"),
        (
            Ending(status=9, out_of_memory=True),
            None,
            Priority.WARNING,
            "signaled: signal 9, out of memory after 2.5s (table:1)",
        ),
        (
            Ending(status=0, left_behind=1),
            None,
            Priority.INFO,
            "succeeded: exit status 0 after 2.5s; left 1 process behind",
        ),
        (
            Ending(status=9, survivors=(7, 8)),
            None,
            Priority.WARNING,
            "signaled: signal 9 after 2.5s; could not end pids 7 8 (table:1)",
        ),
    ],
)
def test_an_end_says_how_and_where_and_warns_unless_it_is_good(
    ending: Ending, stop_reason: Outcome | None, priority: Priority, text: str
) -> None:
    told = report.attempt_ended(RUN, ended(ATTEMPT, ending, stop_reason, 102.5))
    assert (told.priority, told.text) == (priority, f"{KEY}: attempt 2 {text}")


def test_whoever_runs_out_of_memory_is_told_its_limit() -> None:
    entry = entries_of("0 9 * * * name=open memory=40M root x\n")["open"]
    attempt = ended(ATTEMPT, Ending(status=9, out_of_memory=True), None, 102.5)
    told = report.attempt_ended(RUN._replace(entry=entry), attempt)
    assert "signal 9, out of memory (memory=40M) after 2.5s" in told.text


def test_machines_get_what_an_attempt_used() -> None:
    ending = Ending(status=0, user_seconds=1.25, system_seconds=0.5, max_rss=4096)
    told = report.attempt_ended(RUN, ended(ATTEMPT, ending, None, 102.5))
    assert told.fields[-2:] == (
        ("CRONJOB_CPU_SECONDS", "1.750000"),
        ("CRONJOB_MAX_RSS", "4096"),
    )


def test_machines_get_the_same_as_fields() -> None:
    attempt = ended(ATTEMPT, exited(3), None, 102.5)
    assert report.attempt_ended(RUN, attempt).fields == (
        ("CRONJOB_NAME", "open"),
        ("CRONJOB_RUN", KEY),
        ("CRONJOB_ATTEMPT", "2"),
        ("CRONJOB_OUTCOME", "failed"),
        ("CRONJOB_SECONDS", "2.500000"),
        ("CRONJOB_EXIT_STATUS", "3"),
    )
    assert report.attempt_started(RUN, ATTEMPT, "").fields == (
        ("CRONJOB_NAME", "open"),
        ("CRONJOB_RUN", KEY),
        ("CRONJOB_ATTEMPT", "2"),
    )
    assert report.dropped(RUN, "why").fields == (("CRONJOB_NAME", "open"), ("CRONJOB_RUN", KEY))


def test_a_planned_retry_says_which_when_and_at_what_time() -> None:
    told = report.retry_planned(
        RUN, ATTEMPT._replace(number=1), timedelta(seconds=31.5), NINE + timedelta(minutes=5)
    )
    assert told.text == f"{KEY}: retry 1 of 3 in 31.5s, at 09:05:00Z"
    assert told.priority is Priority.NOTICE


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (GaveUp.EXHAUSTED, "retries are exhausted"),
        (GaveUp.SUPERSEDED, "no further retry: the next fire time comes first"),
        (GaveUp.TOO_LATE, "no further retry: retry-until is over"),
    ],
)
def test_giving_up_is_an_error_with_its_reason(reason: GaveUp, text: str) -> None:
    failed = ended(ATTEMPT, exited(75), None, 102.5)
    told = report.gave_up(RUN.with_attempt(failed), reason)
    assert told.priority is Priority.ERROR
    assert told.text == (
        f"{KEY}: {text}, gave up after 1 attempt, the last one failed: exit status 75 (table:1)"
    )


def test_every_reason_to_give_up_has_a_sentence() -> None:
    failed = RUN.with_attempt(ended(ATTEMPT, exited(75), None, 102.5))
    assert len({report.gave_up(failed, reason).text for reason in GaveUp}) == len(GaveUp)


@pytest.mark.parametrize(
    ("by", "text"),
    [
        (timedelta(hours=-2), "the clock went back by 2h"),
        (timedelta(seconds=90), "the clock went forward by 1m 30s"),
    ],
)
def test_a_step_of_the_clock_says_which_way_and_how_far(by: timedelta, text: str) -> None:
    assert report.clock_stepped(by).text == text


@pytest.mark.parametrize(
    ("slots", "text"),
    [
        (1, "waits for a slot: 4 of 4 are taken, 1 run ahead"),
        (2, "waits for 2 slots: 4 of 4 are taken, 1 run ahead"),
    ],
)
def test_a_wait_says_what_is_missing(slots: int, text: str) -> None:
    entry = entries_of(f"0 9 * * * name=open slots={slots} root x\n")["open"]
    told = report.waits_for_slots(RUN._replace(entry=entry), 4, 4, 1)
    assert told.text == f"{KEY}: {text}"


def test_a_line_of_output_is_named_after_its_entry() -> None:
    told = report.output_line(RUN, ATTEMPT, "market is open")
    assert (told.text, told.priority) == ("open: market is open", Priority.INFO)
    assert ("CRONJOB_RUN", KEY) in told.fields


def test_tokens_that_were_never_taken_name_the_attempt_that_returns_them() -> None:
    told = report.tokens_ignored(RUN)
    assert (told.event, told.priority) == ("tokens-ignored", Priority.WARNING)
    assert told.text.startswith(f"{KEY}: it returns tokens")
    assert dict(told.fields)["CRONJOB_ATTEMPT"] == "2"


UNFINISHED = Unfinished(
    "open@2026-03-02T09:00Z", "open", NINE, NINE.replace(tzinfo=None), 1, "root"
)
LOST = UNFINISHED._replace(attempts=(ATTEMPT,))
RETRIED = UNFINISHED._replace(
    attempts=(ATTEMPT._replace(outcome=Outcome.FAILED),), retry_at=NINE + timedelta(minutes=1)
)
OF_OTHERS = LOST._replace(label="gone")
PROGRESS = Progress(NINE)


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (Left(), ""),
        (Left(progress=PROGRESS, stopped=NINE), ""),
        (Left(progress=PROGRESS), "the daemon before was killed"),
        (
            Left(progress=PROGRESS, unfinished=(LOST, LOST, LOST, OF_OTHERS)),
            "the daemon before was killed; 3 attempts are lost",
        ),
        (
            Left(progress=PROGRESS, stopped=NINE, unfinished=(UNFINISHED, UNFINISHED, RETRIED)),
            "2 runs are queued again, 1 retry is taken up",
        ),
        (Left(progress=PROGRESS, stopped=NINE, unfinished=(UNFINISHED._replace(asked=True),)), ""),
    ],
)
def test_what_the_daemon_before_left_is_told_in_one_line(left: Left, text: str) -> None:
    told = report.taken_up(left, {"open"})
    assert (told.text if told is not None else "") == text


def test_leftovers_that_could_not_be_ended_are_named_by_pid() -> None:
    told = report.leftovers_ended(2, ())
    assert told.text == "ended 2 processes that the daemon before left behind"
    told = report.leftovers_ended(0, (17, 23))
    assert told.priority is Priority.ERROR
    assert told.text.endswith("; could not end pids 17 23")
