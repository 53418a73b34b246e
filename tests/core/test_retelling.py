"""Rows of the history as objects of JSON."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from cronjob.core.attempt import Attempt, Ending
from cronjob.core.notice import Notice, NoticeKind
from cronjob.core.outcome import Outcome, RunOutcome
from cronjob.core.output import Kept
from cronjob.core.query import MissedRow, NoticeRow, RunDetail, RunRow
from cronjob.core.retelling import (
    attempt_object,
    detail_object,
    outcome_object,
    output_objects,
    row_object,
)
from cronjob.core.waits import Waited

FIRE = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)
ENDED = Attempt(
    number=1,
    launched=FIRE,
    launched_monotonic=0.0,
    waited=2.0,
    waits=(Waited("a slot", 2.0),),
    pid=4711,
    outcome=Outcome.FAILED,
    code=3,
    seconds=90.0,
    ending=Ending(status=768, user_seconds=1.0, system_seconds=0.5, max_rss=4096, printed=5),
)
OPEN = Attempt(number=2, launched=FIRE, launched_monotonic=0.0, waited=0.0, pid=4712)
ROW = RunRow(
    key="a@2026-11-21T01:30Z",
    label="a",
    user="ann",
    fire=FIRE,
    nominal=datetime(2026, 11, 21, 2, 30),  # noqa: DTZ001 # a wall time
    pass_number=1,
    asked=False,
    caught_up=False,
    begun=FIRE,
    outcome=RunOutcome.FAILED,
    why="",
    over_at=FIRE + timedelta(seconds=90),
    retry_at=None,
    attempts=1,
    latest=ENDED,
)


def test_instants_are_in_utc_and_the_nominal_time_is_that_of_the_table() -> None:
    told = row_object(ROW)
    assert told["fire_time"] == "2026-11-21T01:30:00Z"
    assert told["nominal"] == "2026-11-21T02:30:00"
    assert told["over"] == "2026-11-21T01:31:30Z"


def test_every_object_can_be_written_as_json() -> None:
    notice = Notice(NoticeKind.MAIL, "ops", None)
    detail = RunDetail(ROW, "x", "t.tab", "", (ENDED,), (None,), (NoticeRow(notice, None, ""),))
    missed = MissedRow("a", None, FIRE, FIRE, 1, "no daemon was running")
    for told in (row_object(ROW), row_object(missed), detail_object(detail), outcome_object(ROW)):
        assert json.loads(json.dumps(told)) == told


STATES = [
    (ROW, "over"),
    (ROW._replace(outcome=None, latest=OPEN), "running"),
    (ROW._replace(outcome=None, retry_at=FIRE), "waiting"),
    (ROW._replace(outcome=None, latest=None, attempts=0), "waiting"),
]


@pytest.mark.parametrize(("row", "state"), STATES)
def test_a_run_runs_while_its_latest_attempt_has_no_outcome(row: RunRow, state: str) -> None:
    assert row_object(row)["state"] == state


def test_what_only_the_end_of_an_attempt_tells_is_null_until_then() -> None:
    detail = RunDetail(ROW, "x", "t.tab", "host", (ENDED, OPEN), (None, None), ())
    ladder = detail_object(detail)["ladder"]
    assert isinstance(ladder, list)
    ended, still = ladder
    assert (ended["ended"], ended["exit_status"]) == ("2026-11-21T01:31:30Z", 3)
    assert (ended["cpu_seconds"], ended["waits"]) == (1.5, [{"for": "a slot", "seconds": 2.0}])
    unknown = ("ended", "seconds", "outcome", "exit_status", "cpu_seconds", "max_rss", "printed")
    assert {still[name] for name in unknown} == {None}


def test_how_long_an_attempt_took_whose_end_nobody_saw_is_null() -> None:
    lost = OPEN._replace(outcome=Outcome.LOST, ending=Ending(lost=True, error="the daemon died"))
    told = attempt_object(lost)
    assert (told["outcome"], told["why"]) == ("lost", "the daemon died")
    unknown = ("ended", "seconds", "cpu_seconds", "max_rss", "printed", "left_behind")
    assert {told[name] for name in unknown} == {None}


def test_the_outcome_of_a_run_comes_with_that_of_its_latest_attempt() -> None:
    told = outcome_object(ROW._replace(outcome=RunOutcome.GAVE_UP, why="retries are exhausted"))
    assert (told["outcome"], told["latest"], told["code"]) == ("gave-up", "failed", 3)
    skipped = ROW._replace(outcome=RunOutcome.SKIPPED, latest=None, attempts=0)
    assert outcome_object(skipped)["latest"] is None


OUTPUTS = [
    (None, []),
    (Kept(), []),
    (Kept(b"all\n"), [{"output": b"all\n"}]),
    (Kept(b"a", b"z", 7), [{"output": b"a"}, {"left_out": 7}, {"output": b"z"}]),
]


@pytest.mark.parametrize(("kept", "lines"), OUTPUTS)
def test_output_is_told_with_what_is_left_out_in_its_place(
    kept: Kept | None, lines: list[dict[str, object]]
) -> None:
    assert list(output_objects(2, kept)) == [{"attempt": 2}, *lines]
