"""Fakes that a test drives: a clock with two hands, a launcher, and a daemon without a machine.

`Simulation` runs the daemon's own engine.  Nothing here reads a clock, sleeps or starts a process:

    simulation = Simulation(entries_of("0 9 * * 1-5 name=open root true"), start=friday_noon)
    simulation.run_until(tuesday)
    assert simulation.starts() == [(monday_nine, "open@2026-03-02T09:00Z", 1)]
"""

from dataclasses import dataclass, field
from datetime import tzinfo

from cronjob.core.entry import Entry, label_entries
from cronjob.core.run import Ending
from cronjob.core.simulation import (
    Act,
    FakeClock,
    Simulation,
    exited,
    killed,
    lost,
    not_started,
)
from cronjob.core.table import parse_table
from cronjob.ports import Command, Ended, Started

__all__ = [
    "Act",
    "FakeClock",
    "FakeLauncher",
    "Simulation",
    "entries_of",
    "exited",
    "killed",
    "lost",
    "not_started",
]


@dataclass(kw_only=True)
class FakeLauncher:
    """A `ports.Launcher` that starts nothing: it records what it is asked for.

    The test starts and finishes the attempts; the callbacks are told as by a real launcher.
    """

    started: Started
    ended: Ended
    launches: list[tuple[str, Command]] = field(default_factory=list)
    ends: list[tuple[str, float]] = field(default_factory=list)  #: attempts, and their graces
    going: set[str] = field(default_factory=set)  #: launched and not finished
    stopped: bool = False

    def launch(self, attempt: str, command: Command, output: int) -> None:
        """Record the launch; `output` is left alone."""
        del output
        self.launches.append((attempt, command))
        self.going.add(attempt)

    def end(self, attempt: str, grace: float) -> None:
        """Record the wish; the attempt goes on until the test finishes it."""
        self.ends.append((attempt, grace))

    async def stop(self, grace: float) -> None:
        """Kill what is still going, whatever the `grace`."""
        del grace
        for attempt in sorted(self.going):
            self.finish(attempt, killed())
        self.stopped = True

    def start(self, attempt: str, pid: int = 1000, note: str = "") -> None:
        """Say that the attempt executes its program."""
        self.started(attempt, pid, note)

    def finish(self, attempt: str, ending: Ending) -> None:
        """Say how the attempt ended.  Raises `KeyError` unless it is going."""
        self.going.remove(attempt)
        self.ended(attempt, ending)


def entries_of(text: str, *, zone: str | tzinfo = "UTC", host: str = "") -> dict[str, Entry]:
    """The entries of a system table, by label.  Raises `ValueError` if a line is in error."""
    table = parse_table(text, source="table", zone=zone, host=host)
    if table.errors:
        raise ValueError("\n".join(map(str, table.errors)))
    return label_entries([table])
