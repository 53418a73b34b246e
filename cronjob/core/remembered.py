"""A run that is over, as the daemon itself remembers it while the history does not have it."""

from datetime import datetime

from cronjob.core.attempt import Attempt
from cronjob.core.events import Finished
from cronjob.core.output import Kept
from cronjob.core.query import RunDetail, RunRow


def remembered(finished: Finished, over_at: datetime) -> RunDetail:
    """What is known of the run without the history; of each output, how long it was."""
    run = finished.run
    return RunDetail(
        row=_row(finished, over_at),
        command=run.entry.command,
        source=run.entry.source,
        host="",
        attempts=run.attempts,
        outputs=tuple(map(_length, run.attempts)),
        notices=(),
    )


def _length(attempt: Attempt) -> Kept | None:
    ending = attempt.ending
    return Kept(left_out=ending.printed) if ending is not None and ending.printed else None


def _row(finished: Finished, over_at: datetime) -> RunRow:
    run = finished.run
    return RunRow(
        key=run.key,
        label=run.label,
        user=run.entry.user,
        fire=run.fire.at,
        nominal=run.fire.nominal,
        pass_number=run.pass_number,
        asked=run.asked is not None,
        caught_up=run.caught_up,
        begun=run.fire.at,
        outcome=finished.outcome,
        why=finished.why,
        over_at=over_at,
        retry_at=None,
        attempts=len(run.attempts),
        latest=run.attempts[-1] if run.attempts else None,
    )
