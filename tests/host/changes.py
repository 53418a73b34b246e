"""Changes as an engine makes them, and what a history is to make of them."""

import random  # noqa: TID251 # what attempts do, drawn by a seed
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cronjob.core.attempt import Attempt, Ending, ended
from cronjob.core.found import Left
from cronjob.core.outcome import RunOutcome
from cronjob.core.record import Begun, Change, Ended, Launching, Over, Started
from cronjob.core.run import Run, run_key
from cronjob.core.schedule import FireTime
from cronjob.ports import Batch
from cronjob.testing import Act, Simulation, entries_of, exited, killed, not_started

START = datetime(2026, 3, 2, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

TABLE = """\
SHELL=/bin/bash
MAILTO=ops
* * * * * name=plain root true
*/2 * * * * name=ladder retry=2,20s retry-on=failure,lost nobody false
* * * * * name=slow overlap=queue timeout=3m root sleep 200
*/3 * * * * name=late jitter=30s deadline=1m mail=always root echo caf\u00e9
"""
ENTRIES = entries_of(TABLE, host="machine")


def play(seed: int, minutes: int = 12) -> list[tuple[Change, ...]]:
    """The records of a daemon on whose entries much happens, and which stops at the end or not."""
    drawn = random.Random(seed)
    endings = (exited(0), exited(1), killed(9), not_started("no memory"), exited(75))

    def act(_run: Run, _attempt: Attempt) -> Act:
        return Act(
            lasts=timedelta(seconds=drawn.choice((1, 20, 90, 250))), ending=drawn.choice(endings)
        )

    records = list[tuple[Change, ...]]()

    def store(changes: tuple[Change, ...]) -> tuple[str, ...]:
        records.append(changes)
        return ()

    simulation = Simulation(
        ENTRIES, start=START, slots=3, script=act, chance=drawn.random(), store=store,
        since=dict.fromkeys(ENTRIES, START - timedelta(days=1)), reboot=True,
    )  # fmt: skip
    for _ in range(minutes):
        simulation.run_until(simulation.clock.now() + MINUTE)
        if drawn.random() < 0.2:
            simulation.ask_for(drawn.choice(list(ENTRIES)))
        if drawn.random() < 0.1:
            simulation.jump_wall(timedelta(minutes=drawn.choice((-40, -2, 2, 10))))
    if drawn.random() < 0.5:
        simulation.stop()
        simulation.run_until(simulation.clock.now() + 10 * MINUTE)
    return records


def one_run(number: int, label: str = "plain", outcome: int = 0) -> tuple[Change, ...]:
    """All that a short run at the `number`th minute has recorded."""
    at = START + number * MINUTE
    fire = FireTime(at, at.replace(tzinfo=None))
    run = Run(run_key(label, at), label, ENTRIES[label], fire)
    first = Attempt(1, at, 1.0, 0.0)
    ending = Ending(status=outcome << 8, user_seconds=0.25, max_rss=1 << 20, printed=3)
    last = ended(first._replace(pid=1000 + number), ending, None, 2.5)
    over = RunOutcome(str(last.outcome))
    return (
        *(Begun(run, at), Launching(run, first), Started(run.key, 1, 1000 + number)),
        *(Ended(run.key, last, at + timedelta(seconds=1.5)), Over(run.key, over, "", at)),
    )


def run_of(changes: Sequence[Change]) -> Run:
    """The run that begins with these changes."""
    assert isinstance(changes[0], Begun)
    return changes[0].run


def batch_of(*records: Sequence[Change], own: frozenset[str] = frozenset()) -> Batch:
    """The records together."""
    return Batch(tuple(change for record in records for change in record), own)


def comparable(left: Left) -> Left:
    """The same without what no store can keep: the monotonic clock of a launch."""
    return replace(
        left,
        unfinished=tuple(
            run._replace(
                attempts=tuple(one._replace(launched_monotonic=0.0) for one in run.attempts)
            )
            for run in sorted(left.unfinished)
        ),
    )
