"""What the tests of the launcher share: a running launcher, its reports, and waits on processes."""

import asyncio
import contextlib
import os
import select
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cronjob.core.attempt import Ending
from cronjob.host.launcher import GuardedLauncher
from cronjob.ports import Command

WAIT_SECONDS = 60.0  #: until a test hangs
PYTHON = "/usr/bin/python3"  # one that every user may execute
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
needs_python = pytest.mark.skipif(not os.path.exists(PYTHON), reason=f"there is no {PYTHON}")


def command(*argv: str, **changes: Any) -> Command:
    """A command of the tests' own user; `changes` replace what a test is about."""
    values: dict[str, Any] = {
        "environment": ENVIRONMENT,
        "cwd": "/",
        "uid": os.getuid(),
        "gid": os.getgid(),
        "groups": tuple(os.getgroups()),
    }
    return Command(argv=argv, **(values | changes))


def shell(script: str, **changes: Any) -> Command:
    return command("/bin/sh", "-c", script, **changes)


def with_badge(name: str) -> dict[str, str]:
    """The environment of an attempt that can be told from others."""
    return {**ENVIRONMENT, "CRONJOB_RUN": f"run-{name}", "CRONJOB_ATTEMPT": "1"}


@dataclass
class Machine:
    """A running launcher and everything it reported."""

    native: int = -1  #: descriptor of the native child; -1: Python takes its steps
    started: dict[str, tuple[int, str]] = field(default_factory=dict)
    endings: dict[str, Ending] = field(default_factory=dict)
    order: list[tuple[str, str]] = field(default_factory=list)
    losses: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.launcher = GuardedLauncher(
            started=self._started, ended=self._ended, lost=self._lost, native=self.native
        )

    def _started(self, name: str, pid: int, note: str) -> None:
        self.started[name] = (pid, note)
        self.order.append(("started", name))
        self.changed.set()

    def _ended(self, name: str, ending: Ending, pid: int | None = None, note: str = "") -> None:
        assert name not in self.endings, "an attempt ends once"
        if pid is not None:
            assert name not in self.started, "a start is told once"
            self._started(name, pid, note)
        self.endings[name] = ending
        self.order.append(("ended", name))
        self.changed.set()

    def _lost(self) -> None:
        self.losses += 1
        self.order.append(("lost", ""))
        self.changed.set()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for the report that makes `condition` true."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def ending(self, name: str) -> Ending:
        await self.until(lambda: name in self.endings)
        return self.endings[name]

    async def run(self, job: Command, name: str = "job") -> tuple[Ending, str]:
        """The ending of `job` and what it wrote."""
        output = os.memfd_create("output")
        try:
            self.launcher.launch(name, job, output)
            ending = await self.ending(name)
            return ending, os.pread(output, 1 << 20, 0).decode("utf-8", "surrogateescape")
        finally:
            os.close(output)

    @contextlib.asynccontextmanager
    async def running(self, name: str, job: Command) -> AsyncIterator["Talk"]:
        """A job that goes on; what it writes can be read line by line."""
        reading, writing = os.pipe()
        try:
            self.launcher.launch(name, job, writing)
        finally:
            os.close(writing)
        try:
            yield Talk(reading)
        finally:
            os.close(reading)


class Talk:
    """The read end of a job's output."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.rest = b""

    async def numbers(self, count: int) -> list[int]:
        """`count` numbers, one a line, as the job wrote them."""
        async with asyncio.timeout(WAIT_SECONDS):
            while self.rest.count(b"\n") < count:
                await readable(self.descriptor)
                part = os.read(self.descriptor, 1 << 16)
                assert part, f"the output ended after {self.rest!r}"
                self.rest += part
        *lines, self.rest = self.rest.split(b"\n", count)
        return [int(line) for line in lines]


async def readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)


def with_machine(
    scenario: Callable[[Machine], Coroutine[Any, Any, None]], native: int = -1
) -> None:
    """Run `scenario` against a launcher that is stopped afterwards, whatever happens."""

    async def main() -> None:
        machine = Machine(native)
        await machine.launcher.start()
        try:
            await scenario(machine)
        finally:
            await machine.launcher.stop(0.0)

    asyncio.run(main())


def dead(pid: int, seconds: float = 0.0) -> bool:
    """Whether `pid` has ended, waiting at most `seconds` for it."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], seconds)[0])
    finally:
        os.close(pidfd)


async def all_dead(pids: Iterable[int]) -> None:
    """Wait for the end of each of `pids`."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            pidfd = os.pidfd_open(pid)
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await readable(pidfd)
            finally:
                os.close(pidfd)


def pids_with(entry: str) -> list[int]:
    """The live processes whose environment holds exactly `entry`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if os.fsencode(entry) in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def switches_of(pid: int) -> int:
    """How often `pid` has gone to sleep of its own will."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("voluntary_ctxt_switches"):
            return int(line.split()[1])
    raise AssertionError("no such counter")


def seconds_until(condition: Callable[[], bool], limit: float = WAIT_SECONDS) -> float:
    """How long `condition`, a look at the whole of /proc, took to become true."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < limit, "it never came true"
    return time.monotonic() - begin


def run(job: Command) -> tuple[Ending, str]:
    """The ending of `job` and what it wrote, by a launcher of its own."""
    results = []

    async def scenario(machine: Machine) -> None:
        results.append(await machine.run(job))

    with_machine(scenario)
    return results[0]
