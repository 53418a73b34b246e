"""The output of a run, told while the run goes on and to its end."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from cronjob.core.output import Kept
from cronjob.core.request import Asker, LogsRequest
from cronjob.core.retelling import output_objects
from cronjob.core.run import Run, RunState
from cronjob.core.state import State
from cronjob.errors import HistoryError
from cronjob.host.control import Client
from cronjob.host.past import Line, retell
from cronjob.ports import Reader

LOOKS = 20  #: at the history, until it has the attempts that are over
LOOK_SECONDS = 0.05  #: between two of them

Ask = Callable[[Callable[[Reader], Any]], Awaitable[Any]]  #: a question -> what it answers


@dataclass(frozen=True, slots=True)
class Streams:
    """Where the output of runs comes from."""

    state: Callable[[], State]
    ask: Ask  #: the history
    printed: Callable[[str], Kept]  #: what the going attempt of a run has printed by now
    follow: Callable[[str, Callable[[bytes], None]], None]
    unfollow: Callable[[str, Callable[[bytes], None]], None]


class Following:
    """Tells clients what runs have printed, and those who follow how each run ends."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._ends: dict[str, list[asyncio.Future[Line]]] = {}  #: who waits for the end, by run

    def finished(self, key: str, line: Line) -> None:
        """A run is over, as `line` says."""
        for end in self._ends.pop(key, ()):
            if not end.done():
                end.set_result(line)

    async def tell(
        self, client: Client, asker: Asker, request: LogsRequest, labels: Iterable[str]
    ) -> None:
        """The whole answer; `labels` are the asker's.  Raises `RequestError`, `HistoryError`."""
        run = _unfinished(self._streams.state(), request.subject, asker)
        if run is None:
            await self._tell_past(client, asker, request, labels)
        elif request.follow:
            await self._follow(client, asker, run)
        else:
            tell(client, await self._stored(run.key))
            self._tell_printed(client, run.key)
            client.tell(run=run.key, outcome=None, state=str(run.state))

    async def _tell_past(
        self, client: Client, asker: Asker, request: LogsRequest, labels: Iterable[str] = ()
    ) -> None:
        tell(client, await self._streams.ask(lambda reader: retell(reader, asker, request, labels)))

    async def _follow(self, client: Client, asker: Asker, run: Run) -> None:
        end: asyncio.Future[Line] = asyncio.get_running_loop().create_future()
        self._ends.setdefault(run.key, []).append(end)
        try:
            stored = await self._stored(run.key)
            if run.key not in self._streams.state().runs:  # it has ended meanwhile
                await end
                await self._tell_past(client, asker, LogsRequest(run.key))
                return
            tell(client, stored)
            self._tell_printed(client, run.key)
            self._streams.follow(run.key, client.output)
            client.tell(**await end)
        finally:
            self._streams.unfollow(run.key, client.output)
            if (waiting := self._ends.get(run.key)) and end in waiting:
                waiting.remove(end)

    async def _stored(self, key: str) -> list[Line]:
        """The output of the attempts that are over, once the history has all of them."""
        kept: dict[int, Kept | None] = {}
        for _ in range(LOOKS):
            run = self._streams.state().runs.get(key)
            over = [one for one in run.attempts if one.outcome is not None] if run else []
            if {attempt.number for attempt in over} <= kept.keys():
                break
            kept = await self._kept(key)
            await asyncio.sleep(0 if len(kept) >= len(over) else LOOK_SECONDS)
        lines: list[Line] = []
        for attempt in over:
            printed = attempt.ending.printed if attempt.ending else 0
            lost = Kept(left_out=printed)  # the history could not be written
            lines += output_objects(attempt.number, kept.get(attempt.number, lost))
        return lines

    async def _kept(self, key: str) -> dict[int, Kept | None]:
        try:
            detail = await self._streams.ask(lambda reader: reader.run(key))
        except HistoryError:
            return {}
        if detail is None:
            return {}
        found = zip(detail.attempts, detail.outputs, strict=True)
        return {one.number: kept for one, kept in found if one.outcome is not None}

    def _tell_printed(self, client: Client, key: str) -> None:
        run = self._streams.state().runs.get(key)
        if run is not None and run.state is RunState.RUNNING:
            tell(client, output_objects(run.attempt.number, self._streams.printed(key)))


def _unfinished(state: State, subject: str, asker: Asker) -> Run | None:
    """The unfinished run of this key; else of the entry the latest, one that runs before others."""
    keys = (subject,) if subject in state.runs else state.of_label.get(subject, ())
    own = [run for key in keys if asker.owns((run := state.runs[key]).entry)]
    begun = [run for run in own if run.attempts]
    return next(reversed(begun or own), None)


def tell(client: Client, lines: Iterable[Line]) -> None:
    """Lines of an answer; bytes as the client may have them."""
    for line in lines:
        chunk = line.get("output")
        if isinstance(chunk, bytes):
            client.output(chunk)
        else:
            client.tell(**line)
