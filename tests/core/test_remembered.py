"""A run without the history: what its mail and its hook can still say."""

from datetime import UTC, datetime, timedelta

from cronjob.core.attempt import Attempt, Ending
from cronjob.core.events import Finished
from cronjob.core.outcome import RunOutcome
from cronjob.core.output import Kept
from cronjob.core.remembered import remembered
from cronjob.core.run import Run
from cronjob.testing import Act, Simulation, entries_of

START = datetime(2026, 3, 2, 8, 59, tzinfo=UTC)
ENDING = Ending(status=1 << 8, printed=7)


def finished(line: str) -> Finished:
    """The end of the first run of this entry."""

    def act(_run: Run, _attempt: Attempt) -> Act:
        return Act(lasts=timedelta(seconds=2), ending=ENDING)

    simulation = Simulation(entries_of(line), start=START, script=act)
    simulation.run_until(START + timedelta(minutes=5))
    return next(one for _, one in simulation.timeline if isinstance(one, Finished))


def test_all_is_remembered_but_what_was_printed() -> None:
    over = finished("0 9 * * * name=x retry=1,10s root echo a\n")
    detail = remembered(over, START)
    assert detail.row.key == over.run.key == "x@2026-03-02T09:00Z"
    assert (detail.row.outcome, detail.row.over_at) == (RunOutcome.GAVE_UP, START)
    assert (detail.row.user, detail.command) == ("root", "echo a")
    assert [attempt.code for attempt in detail.attempts] == [1, 1]
    assert detail.row.latest == detail.attempts[-1]
    assert detail.outputs == (Kept(left_out=7), Kept(left_out=7))


def test_a_run_without_an_attempt_is_one_without_outputs() -> None:
    over = finished("0 9 * * * name=x retry=1,10s root echo a\n")
    skipped = Finished(over.run._replace(attempts=()), RunOutcome.SKIPPED, "no", ())
    detail = remembered(skipped, START)
    assert (detail.row.latest, detail.attempts, detail.outputs) == (None, (), ())
