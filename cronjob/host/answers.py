"""What is answered to requests: one method for each verb."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import assert_never

from cronjob.core.events import Event, KillRequested, Moment, RunRequested
from cronjob.core.naming import nearest_label
from cronjob.core.report import Report, run_requested
from cronjob.core.request import (
    KillRequest,
    Request,
    RequestError,
    RunRequest,
    StatusRequest,
    read_request,
)
from cronjob.core.run import Run, RunOutcome, RunState, manual_key
from cronjob.core.state import State
from cronjob.core.status import Asker, run_status, status
from cronjob.errors import quoted
from cronjob.host.control import Client
from cronjob.host.identity import own_name
from cronjob.host.usernames import UserNames

COMPARED = 1000  #: labels at most that a wrong one is compared with
NAMED = 1000  #: ended runs that are named; the rest is counted
MOST_ASKED = 100  #: unfinished runs that one user other than root has asked for
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


class Answers:
    """Answers the requests of clients; some answers end when a run does."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._names = UserNames()
        self._followed: dict[str, Client] = {}  #: by the key of the run whose end is told
        self._asked: dict[str, str] = {}  #: who asked for an unfinished run, unless root did
        self._lookups: set[asyncio.Task[None]] = set()

    def respond(self, client: Client, line: bytes) -> None:
        """Answer the request, now or when it is known who asks."""
        try:
            request = read_request(line)
            if client.privileged:
                name = "root" if client.uid == 0 else own_name()
                self._carry_out(client, Asker(name, everything=True), request)
            else:
                look_up = self._look_up_and_carry_out(client, request)
                task = asyncio.get_running_loop().create_task(look_up)
                self._lookups.add(task)
                task.add_done_callback(self._lookups.discard)
        except RequestError as error:
            client.refuse(str(error))

    def finished(self, run: Run, outcome: RunOutcome, why: str) -> None:
        """A run is over: whoever waits for that is told."""
        self._asked.pop(run.key, None)
        if (client := self._followed.pop(run.key, None)) is None:
            return
        self._desk.unfollow(run.key, client.output)
        last = run.attempts[-1] if run.attempts else None
        client.tell(
            run=run.key,
            outcome=str(outcome),
            why=why,
            attempts=len(run.attempts),
            code=last.code if last else None,
            signal=last.signal if last else None,
        )
        client.finish()

    async def _look_up_and_carry_out(self, client: Client, request: Request) -> None:
        name = await self._names.get(client.uid)
        try:
            if name is None:
                raise RequestError(f"nobody knows the name of user {client.uid}")
            self._carry_out(client, Asker(name, everything=False), request)
        except RequestError as error:
            client.refuse(str(error))

    def _carry_out(self, client: Client, asker: Asker, request: Request) -> None:
        match request:
            case StatusRequest():
                self._tell_status(client, asker)
            case RunRequest():
                self._start(client, asker, request)
            case KillRequest():
                self._kill(client, asker, request)
            case _:
                assert_never(request)

    # -- the verbs -------------------------------------------------------------------------------

    def _tell_status(self, client: Client, asker: Asker) -> None:
        now = status(self._desk.state(), self._desk.moment(), asker)
        client.tell(**_plain(asdict(now)), **self._desk.facts())
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
        if key not in self._followed:
            return  # it is over already, and that was told
        client.tell(**_plain(asdict(run_status(state.runs[key], moment))))
        if not request.wait:
            del self._followed[key]
            client.finish()

    def _kill(self, client: Client, asker: Asker, request: KillRequest) -> None:
        state, moment = self._desk.state(), self._desk.moment()
        ended = tuple(_meant(request.subject, state, asker))
        if not ended:
            raise RequestError(_nothing_to_end(request.subject, state, asker))
        rows = [_plain(asdict(run_status(run, moment))) for run in ended[:NAMED]]
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
    """Those of others are not even said to exist."""
    own = (known for known, entry in state.entries.items() if asker.owns(entry))
    near = nearest_label(label, list(islice(own, COMPARED)))
    hint = f"; did you mean {near}?" if near else ""
    whose = "" if asker.everything else f" that runs as {asker.name}"
    return f"no entry{whose} is called {quoted(label, 100)}{hint}"


def _plain(value: dict[str, object]) -> dict[str, object]:
    """The same for JSON: instants as text."""
    return {name: _plain_value(one) for name, one in value.items()}


def _plain_value(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case dict():
            return _plain(value)
        case tuple():
            return [_plain_value(one) for one in value]
    return value
