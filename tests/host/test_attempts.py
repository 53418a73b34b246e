"""From a wish to a process and back, with a real launcher."""

import asyncio
import os
import pwd
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from cronjob.core.attempt import Ending, attempt_key
from cronjob.core.engine import step
from cronjob.core.events import Launch, Loaded
from cronjob.core.output import Kept
from cronjob.core.report import Report
from cronjob.core.run import Run
from cronjob.core.state import State
from cronjob.core.table import parse_table
from cronjob.host import accounts
from cronjob.host.accounts import Account, Accounts, find_account
from cronjob.host.attempts import Attempts
from cronjob.host.clock import SystemClock
from cronjob.host.jobserver import Broker
from tests.host.descriptors import descriptors_of, own_descriptors

ME = pwd.getpwuid(os.geteuid()).pw_name


def wishes(*lines: str) -> list[Launch]:
    """What the engine wants launched for a table of `@reboot` entries called a, b, ..."""
    text = "".join(
        f"@reboot name={name} {line}\n" for name, line in zip("abcdefghij", lines, strict=False)
    )
    table = parse_table(text, source="t", zone="UTC")
    entries = {entry.name: entry for entry in table.entries}
    assert len(entries) == len(lines), table.problems
    event = Loaded(moment=SystemClock().moment(), entries=entries, reboot=True)
    _, effects = step(State(slots=16), event)
    return [effect for effect in effects if isinstance(effect, Launch)]


class Machine:
    """Attempts with a real launcher, and everything they reported."""

    def __init__(self) -> None:
        self.told: list[Report] = []
        self.endings: dict[str, Ending] = {}
        self.order: list[str] = []
        self.defects: list[str] = []
        self.kept: dict[str, Kept] = {}
        self.launchers: list[int] = []  #: pids
        self.attempts = Attempts(
            self,
            Accounts(),
            broker=Broker(print, print, print),
            started=self._started,
            ended=self._ended,
            ready=self.launchers.append,
            lost=lambda: None,
            defect=lambda what, error: self.defects.append(f"{what}: {error}"),
        )

    def _started(self, *_: object) -> None:
        self.order.append("started")

    def _ended(
        self, key: str, ending: Ending, kept: Kept, pid: int | None = None, *_: object
    ) -> None:
        self.order.append("ended" if pid is None else "started and ended")
        self.endings[key] = ending
        self.kept[key] = kept

    def tell(self, report: Report) -> None:
        self.told.append(report)
        self.order.append("told")

    @property
    def lines(self) -> list[str]:
        """What was told of outputs."""
        return [report.text for report in self.told]

    def launch(self, wish: Launch) -> str:
        self.attempts.launch(wish.run, wish.attempt)
        return attempt_key(wish.run.key, wish.attempt.number)

    async def ending(self, key: str) -> Ending:
        async with asyncio.timeout(60):
            while key not in self.endings:
                await asyncio.sleep(0.001)
        return self.endings[key]


def with_machine(scenario: Callable[[Machine], Coroutine[Any, Any, None]]) -> Machine:
    machine = Machine()

    async def main() -> None:
        await machine.attempts.start()
        try:
            await scenario(machine)
        finally:
            await machine.attempts.stop(0.0)

    asyncio.run(main())
    assert machine.defects == []
    return machine


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("{me} echo one; echo two >&2", ["a: one", "a: two"]),
        ("log=failure {me} echo one", []),
        ("log=failure {me} echo one; exit 3", ["a: one"]),
        ("log=failure ok=0,3 {me} echo one; exit 3", []),
        ("log=failure {me} echo one; kill -9 $$", ["a: one"]),
        ("log=never {me} echo one; exit 3", []),
    ],
)
def test_the_output_is_told_before_the_end_as_the_entry_says(line: str, lines: list[str]) -> None:
    (wish,) = wishes(line.format(me=ME))

    async def scenario(machine: Machine) -> None:
        await machine.ending(machine.launch(wish))
        assert machine.lines == lines

    machine = with_machine(scenario)
    fields = {report.fields[:3] for report in machine.told}
    assert fields <= {
        (("CRONJOB_NAME", "a"), ("CRONJOB_RUN", wish.run.key), ("CRONJOB_ATTEMPT", "1"))
    }


@pytest.mark.parametrize(
    ("line", "order"),
    [
        ("true", ["started and ended"]),
        ("echo one", ["started", "told", "ended"]),
        ("sleep 0.2; echo one", ["started", "told", "ended"]),
    ],
)
def test_a_start_is_told_before_the_output_and_with_the_end_when_there_is_none(
    line: str, order: list[str]
) -> None:
    (wish,) = wishes(f"{ME} {line}")

    async def scenario(machine: Machine) -> None:
        await machine.ending(machine.launch(wish))
        assert machine.order == order

    with_machine(scenario)


def test_an_attempt_that_is_ended_has_failed_whatever_its_exit_status() -> None:
    (wish,) = wishes(f"log=failure {ME} trap 'exit 0' TERM; echo ready; sleep 60 & wait")

    async def scenario(machine: Machine) -> None:
        ready = asyncio.Event()
        machine.attempts.follow(wish.run.key, lambda _: ready.set())
        key = machine.launch(wish)
        await ready.wait()
        machine.attempts.end(key, 10.0)
        assert (await machine.ending(key)).status == 0
        assert machine.lines == ["a: ready"]

    with_machine(scenario)


def test_a_follower_gets_the_bytes_of_all_attempts_of_its_run_and_of_no_other() -> None:
    first, other = wishes(f"{ME} printf 'x\\377'", f"{ME} echo other")
    again = replace(first, attempt=first.attempt._replace(number=2))
    heard: list[bytes] = []

    async def scenario(machine: Machine) -> None:
        machine.attempts.follow(first.run.key, heard.append)
        for wish in (first, other, again):
            await machine.ending(machine.launch(wish))
        machine.attempts.unfollow(first.run.key, heard.append)
        third = replace(first, attempt=first.attempt._replace(number=3))
        await machine.ending(machine.launch(third))

    with_machine(scenario)
    assert b"".join(heard) == b"x\xffx\xff"


def test_a_burst_is_launched_when_its_account_is_known_and_the_next_one_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def find(name: str) -> Account:
        asked.append(name)
        return find_account(name)

    monkeypatch.setattr(accounts, "find_account", find)
    burst = wishes(*[f"{ME} true"] * 10)

    async def scenario(machine: Machine) -> None:
        for _ in range(2):
            for key in [machine.launch(wish) for wish in burst]:
                assert (await machine.ending(key)).status == 0
            machine.endings.clear()

    with_machine(scenario)
    assert asked == [ME]


@pytest.mark.parametrize(
    ("account", "error"),
    [
        ({"expired": date(2020, 1, 2)}, "account expired: ann on 2020-01-02"),
        ({"home": "/no/such/home"}, ""),
    ],
)
def test_an_account_may_not_be_fit_for_a_command(
    account: dict[str, Any], error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = replace(find_account(ME), name="ann", **account)
    monkeypatch.setattr(accounts, "find_account", lambda _: known)
    (wish,) = wishes("ann true")

    async def scenario(machine: Machine) -> None:
        for _ in range(2):  # looked up, then known
            assert (await machine.ending(machine.launch(wish))).error == error
            machine.endings.clear()

    with_machine(scenario)


def test_what_is_ended_while_its_account_is_looked_up_is_not_started() -> None:
    first, second = wishes(f"{ME} echo one", f"{ME} echo two")

    async def scenario(machine: Machine) -> None:
        keys = [machine.launch(first), machine.launch(second)]
        machine.attempts.end(keys[0], 1.0)
        assert machine.endings == {}, "callbacks come from the loop"
        assert (await machine.ending(keys[0])).error == "it was ended before it was started"
        assert (await machine.ending(keys[1])).status == 0
        assert machine.lines == ["b: two"]

    with_machine(scenario)


def test_a_thousand_attempts_leave_no_descriptor() -> None:
    burst = wishes(*[f"slots=auto {ME} true"] * 10)

    async def scenario(machine: Machine) -> None:
        await machine.ending(machine.launch(burst[0]))
        before = own_descriptors()
        for number in range(100):
            keys = [machine.launch(_numbered(wish, number + 2)) for wish in burst]
            for key in keys:
                assert (await machine.ending(key)).status == 0
        async with asyncio.timeout(60):  # another process may hold a copy of a pipe until its exec
            while descriptors_of(os.getpid()) != before:
                await asyncio.sleep(0.001)

    with_machine(scenario)


def _numbered(wish: Launch, number: int) -> Launch:
    return replace(wish, attempt=wish.attempt._replace(number=number))


def test_a_command_finds_its_jobserver_only_where_the_entry_shares_the_pool() -> None:
    plain, sharing, own = wishes(
        f'{ME} echo "[$MAKEFLAGS]"',
        f'slots=auto {ME} echo "[$MAKEFLAGS]"; test -p /dev/fd/98 -a -p /dev/fd/99',
        f'slots=auto:2 {ME} echo "[$MAKEFLAGS]"',
    )
    settings = {"MAKEFLAGS": "k"}
    own = replace(own, run=_with_environment(own.run, settings))

    async def scenario(machine: Machine) -> None:
        for wish in (plain, sharing, own):
            assert (await machine.ending(machine.launch(wish))).status == 0

    machine = with_machine(scenario)
    jobserver = "-j --jobserver-auth=98,99"
    assert machine.lines == ["a: []", f"b: [ {jobserver}]", f"c: [k {jobserver}]"]


def _with_environment(run: Run, settings: dict[str, str]) -> Run:
    return run._replace(entry=replace(run.entry, environment=settings))
