"""What is answered to requests: one method for each verb."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

from cronjob.core.events import Event, KillRequested, Moment, RunRequested
from cronjob.core.outcome import RunOutcome
from cronjob.core.output import Kept
from cronjob.core.report import Report, run_requested
from cronjob.core.request import (
    Asker,
    HistoryRequest,
    KillRequest,
    LogsRequest,
    Request,
    RequestError,
    RunRequest,
    ShowRequest,
    StatusRequest,
    members,
    read_request,
)
from cronjob.core.retelling import end_object, row_object
from cronjob.core.run import Run, RunState, manual_key
from cronjob.core.state import State
from cronjob.core.status import run_status, status
from cronjob.errors import HistoryError, quoted
from cronjob.host.control import Client
from cronjob.host.following import Ask, Following, Streams, tell
from cronjob.host.identity import own_name
from cronjob.host.past import Line, retell, unknown_entry, whose
from cronjob.host.usernames import UserNames

NAMED = 1000  #: ended runs that are named; the rest is counted
MOST_ASKED = 100  #: unfinished runs that one user other than root has asked for
LATELY = timedelta(days=1)  #: in which runs failed that a status shows
FAILURES = 10  #: of those it shows, at most
HISTORY_SECONDS = 0.5  #: that a status waits for them
DEEPEST = 16  #: runs of which each waits for the next, or a command that asks for itself never ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the daemon lends to those who answer for it."""

    state: Callable[[], State]
    moment: Callable[[], Moment]
    handle: Callable[[Event], None]  #: steps the engine and performs its effects
    follow: Callable[[str, Callable[[bytes], None]], None]  #: a run's output, from its start on
    unfollow: Callable[[str, Callable[[bytes], None]], None]
    tell: Callable[[Report], None]  #: the journal
    facts: Callable[[], dict[str, object]]  #: more members of a status, about the machine
    printed: Callable[[str], Kept]  #: what the going attempt of a run has printed by now
    ask: Ask  #: the history; raises `HistoryError`


class Answers:
    """Answers the requests of clients; some answers end when a run does."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._names = UserNames()
        self._followed: dict[str, Client] = {}  #: by the key of the run whose end is told
        self._asked: dict[str, str] = {}  #: who asked for an unfinished run, unless root did
        self._following = Following(
            Streams(desk.state, desk.ask, desk.printed, desk.follow, desk.unfollow)
        )
        self._tasks: set[asyncio.Task[None]] = set()  #: answers that take a while

    def respond(self, client: Client, line: bytes) -> None:
        """Answer the request, now or when it is known who asks."""
        try:
            request = read_request(line)
            if client.privileged:
                name = "root" if client.uid == 0 else own_name()
                self._carry_out(client, Asker(name, everything=True), request)
            else:
                self._later(client, self._look_up_and_carry_out(client, request))
        except RequestError as error:
            client.refuse(str(error))

    def finished(self, run: Run, outcome: RunOutcome, why: str) -> None:
        """A run is over: whoever waits for that is told."""
        last = run.attempts[-1] if run.attempts else None
        line = end_object(run.key, outcome, why, len(run.attempts), last)
        self._following.finished(run.key, line)
        self._asked.pop(run.key, None)
        if (client := self._followed.pop(run.key, None)) is not None:
            self._desk.unfollow(run.key, client.output)
            client.tell(**line)
            client.finish()

    def _later(self, client: Client, answer: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(_or_refusal(client, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _tell_later(self, client: Client, answer: Coroutine[None, None, None]) -> None:
        """Nobody is told who has gone meanwhile."""
        task = self._later(client, answer)

        def leave() -> None:
            task.cancel()

        client.on_leave = leave

    async def _look_up_and_carry_out(self, client: Client, request: Request) -> None:
        name = await self._names.get(client.uid)
        if name is None:
            raise RequestError(f"nobody knows the name of user {client.uid}")
        self._carry_out(client, Asker(name, everything=False), request)

    def _carry_out(self, client: Client, asker: Asker, request: Request) -> None:
        match request:
            case StatusRequest():
                self._tell_later(client, self._tell_status(client, asker))
            case RunRequest():
                self._start(client, asker, request)
            case KillRequest():
                self._kill(client, asker, request)
            case HistoryRequest() | ShowRequest():
                self._tell_later(client, self._tell_past(client, asker, request))
            case LogsRequest():
                self._tell_later(client, self._tell_output(client, asker, request))
            case _:
                assert_never(request)

    # -- the verbs -------------------------------------------------------------------------------

    async def _tell_status(self, client: Client, asker: Asker) -> None:
        failed = await self._failed_lately(asker)
        now = status(self._desk.state(), self._desk.moment(), asker)
        client.tell(**members(now), failed_lately=failed, **self._desk.facts())
        client.finish()

    async def _failed_lately(self, asker: Asker) -> list[Line] | None:
        """None when the history cannot be read, or not at once."""
        since = self._desk.moment().now - LATELY
        asked = self._desk.ask(
            lambda reader: reader.failed_lately(since, whose(asker), limit=FAILURES)
        )
        try:
            rows = await asyncio.wait_for(asked, HISTORY_SECONDS)
        except (HistoryError, TimeoutError):
            return None
        return [row_object(row) for row in rows]

    async def _tell_past(
        self, client: Client, asker: Asker, request: HistoryRequest | ShowRequest
    ) -> None:
        labels = _own_labels(self._desk.state(), asker)
        tell(client, await self._desk.ask(lambda reader: retell(reader, asker, request, labels)))
        client.finish()

    async def _tell_output(self, client: Client, asker: Asker, request: LogsRequest) -> None:
        labels = _own_labels(self._desk.state(), asker)
        await self._following.tell(client, asker, request, labels)
        client.finish()

    def _start(self, client: Client, asker: Asker, request: RunRequest) -> None:
        state, label = self._desk.state(), request.entry
        if label not in state.entries or not asker.owns(state.entries[label]):
            raise RequestError(_unknown(label, state, asker))
        if request.force and not asker.everything:
            raise RequestError("only root may start a run whatever holds it")
        if state.stopping:
            raise RequestError("the daemon is stopping, and starts nothing any more")
        if sum(name == asker.name for name in self._asked.values()) >= MOST_ASKED:
            raise RequestError(f"{MOST_ASKED} runs that {asker.name} asked for are not over yet")
        lender = _lender(request, state, asker)
        if _depth(lender, state) >= DEEPEST:
            raise RequestError(f"{DEEPEST} runs wait for one another already, the last is {lender}")
        moment = self._desk.moment()
        key = manual_key(label, moment.now, state.runs, state.last_asked)
        self._followed[key] = client
        if not asker.everything:
            self._asked[key] = asker.name
        client.on_leave = lambda: self._forget(key)
        if request.wait:
            self._desk.follow(key, client.output)
        self._desk.tell(run_requested(key, label, asker.name, request.force, lender))
        self._desk.handle(RunRequested(moment, key, label, request.force, lender))
        state = self._desk.state()
        if key not in state.runs:
            return  # it is over already, and that is told
        client.tell(**members(run_status(state.runs[key], moment)))
        if not request.wait:
            del self._followed[key]
            client.finish()

    def _kill(self, client: Client, asker: Asker, request: KillRequest) -> None:
        state, moment = self._desk.state(), self._desk.moment()
        ended = tuple(_meant(request.subject, state, asker))
        if not ended:
            raise RequestError(_nothing_to_end(request.subject, state, asker))
        rows = [members(run_status(run, moment)) for run in ended[:NAMED]]
        keys = tuple(run.key for run in ended)
        self._desk.handle(KillRequested(moment, keys, asker.name))
        client.tell(ended=rows, count=len(ended))
        client.finish()

    def _forget(self, key: str) -> None:
        """The client has gone; the run goes on."""
        if (client := self._followed.pop(key, None)) is not None:
            self._desk.unfollow(key, client.output)


def _meant(subject: str, state: State, asker: Asker) -> Iterator[Run]:
    """The unfinished run of this key, else all those of the entry."""
    keys = (subject,) if subject in state.runs else state.of_label.get(subject, ())
    return (run for key in keys if asker.owns((run := state.runs[key]).entry))


def _lender(request: RunRequest, state: State, asker: Asker) -> str | None:
    """The run that asks from within, believed only of an asker who owns it."""
    run = state.runs.get(request.lender or "")
    if not request.wait or run is None or run.state is not RunState.RUNNING:
        return None
    return run.key if asker.owns(run.entry) else None


def _depth(lender: str | None, state: State) -> int:
    """How many runs wait, each for the next, until this one."""
    depth = 0
    while lender is not None and (run := state.runs.get(lender)) is not None:
        depth, lender = depth + 1, run.lender
    return depth


def _nothing_to_end(subject: str, state: State, asker: Asker) -> str:
    entry = state.entries.get(subject)
    if entry is not None and asker.owns(entry):
        return f"no run of {subject} is going or waiting"
    label, at, _ = subject.partition("@")
    if at and label in state.entries and asker.owns(state.entries[label]):
        return f"no run called {quoted(subject, 100)} is going or waiting"
    return _unknown(subject, state, asker)


def _unknown(label: str, state: State, asker: Asker) -> str:
    return unknown_entry(label, asker, _own_labels(state, asker))


def _own_labels(state: State, asker: Asker) -> Iterator[str]:
    return (label for label, entry in state.entries.items() if asker.owns(entry))


async def _or_refusal(client: Client, answer: Coroutine[None, None, None]) -> None:
    try:
        await answer
    except (RequestError, HistoryError) as error:
        client.refuse(str(error))
    except Exception:
        client.refuse("internal error, see the log of the daemon")
        raise  # the loop tells it
