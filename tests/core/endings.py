"""Runs that are over, as the history has them."""

from datetime import UTC, datetime, timedelta

from cronjob.core.attempt import Attempt, Ending
from cronjob.core.outcome import Outcome, RunOutcome
from cronjob.core.output import Kept
from cronjob.core.query import RunDetail, RunRow

FIRE = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)


def attempt(number: int, code: int = 0, seconds: float = 1.5) -> Attempt:
    """One that exited with `code`."""
    return Attempt(
        number,
        launched=FIRE + timedelta(minutes=number - 1),
        launched_monotonic=0.0,
        waited=0.0,
        pid=100 + number,
        outcome=Outcome.FAILED if code else Outcome.SUCCEEDED,
        code=code,
        seconds=seconds,
        ending=Ending(status=code << 8),
    )


def detail(
    *outputs: bytes | Kept | None,
    codes: tuple[int, ...] | None = None,
    outcome: RunOutcome | None = RunOutcome.SUCCEEDED,
    command: str = "/usr/sbin/backup",
    why: str = "",
    user: str | None = "ann",
) -> RunDetail:
    """A run with these outputs, one of each attempt, which exited with `codes`."""
    exits = (0,) * len(outputs) if codes is None else codes
    attempts = tuple(attempt(number, code) for number, code in enumerate(exits, 1))
    row = RunRow(
        key="backup@2026-11-21T01:30Z",
        label="backup",
        user=user,
        fire=FIRE,
        nominal=FIRE.replace(tzinfo=None),
        pass_number=1,
        asked=False,
        caught_up=False,
        begun=FIRE,
        outcome=outcome,
        why=why,
        over_at=FIRE + timedelta(hours=1, seconds=7),
        retry_at=None,
        attempts=len(attempts),
        latest=attempts[-1] if attempts else None,
    )
    kept = tuple(Kept(one) if isinstance(one, bytes) else one for one in outputs)
    return RunDetail(
        row=row,
        command=command,
        source="/etc/cronjob.tab",
        host="db1",
        attempts=attempts,
        outputs=kept,
        notices=(),
    )
