"""A recorder as a test drives it: what it tells, whom it calls, and how it is waited for."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self

from cronjob.core.config import Retention
from cronjob.core.found import Found
from cronjob.core.query import HistoryQuery, RunRow
from cronjob.core.record import Change
from cronjob.core.report import Report
from cronjob.host.history.recorder import Recorder
from cronjob.ports import History

FOR_EVER = Retention(keep_for=timedelta(days=100_000), keep_runs=10**9, max_size=1 << 40)
HANG = 60.0  #: seconds after which a test that waits gives up

Given = ParamSpec("Given")


def in_a_loop(test: Callable[Given, Coroutine[None, None, None]]) -> Callable[Given, None]:
    """A test of a loop, as an ordinary test."""

    @wraps(test)
    def run(*args: Given.args, **named: Given.kwargs) -> None:
        asyncio.run(test(*args, **named))

    return run


@dataclass
class Recording:
    """A recorder in this directory, from its opening to its end."""

    directory: Path
    boot: str = "boot-1"
    retention: Retention = FOR_EVER
    unfinished: tuple[Change, ...] = ()  #: what `anew` gives
    opened: Callable[[], History] | None = None
    reports: list[Report] = field(default_factory=list)
    refused: list[tuple[str, ...]] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self.recorder = Recorder(
            str(self.directory),
            boot=self.boot,
            retention=self.retention,
            refused=self.refused.append,
            anew=lambda: self.unfinished,
            tell=self._tell,
            marker=str(self.marker),
            opened=self.opened,
        )
        self.told = asyncio.Event()
        self.found: Found = await self.recorder.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.recorder.close()

    @property
    def marker(self) -> Path:
        """The file that says that the history is away."""
        return self.directory.parent / "away"

    def begin(self, changes: Sequence[Change]) -> "asyncio.Future[None]":
        """Record the changes; done once the recorder says that whoever waits may go on."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self.recorder.record(changes, lambda: done.set_result(None))
        return done

    async def record(self, changes: Sequence[Change]) -> None:
        """Record the changes, and wait until one may go on."""
        async with asyncio.timeout(HANG):
            await self.begin(changes)

    async def hear(self, event: str) -> Report:
        """The next report of this event, or one that has been told."""
        async with asyncio.timeout(HANG):
            while True:
                for report in self.reports:
                    if report.event == event:
                        self.reports.remove(report)
                        return report
                self.told.clear()
                await self.told.wait()

    async def runs(self) -> dict[str, RunRow]:
        """What the history has."""
        rows = await self.recorder.ask(lambda reader: reader.history(HistoryQuery(limit=None)))
        return {row.key: row for row in rows if isinstance(row, RunRow)}

    def _tell(self, report: Report) -> None:
        self.reports.append(report)
        self.told.set()
