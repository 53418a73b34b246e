"""The broker and what people build with: make of two generations, ninja, cargo."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cronjob.host.jobserver import Broker, makeflags
from cronjob.ports import TOKEN_DESCRIPTORS
from tests.host.builds import (
    CARGOS,
    HANG,
    MAKES,
    NINJAS,
    Site,
    cargo_workspace,
    makefile,
    ninja_file,
)
from tests.host.descriptors import own_descriptors
from tests.host.processes import readable

ROUNDS = int(os.environ.get("CRONJOB_ROUNDS", "5"))

each_make = pytest.mark.parametrize("make", MAKES)


class Pool:
    """Slots, lent to builds: what the engine does, in short."""

    def __init__(self, site: Site, slots: int) -> None:
        self.site, self.slots = site, slots
        self.held: dict[str, int] = {}  #: by build: its own slot, and the tokens that it took
        self.offered: set[str] = set()
        self.plain = 0  #: slots that others want at once
        self.broker = Broker(self._taken, self._returned, self._withdrawn)
        self._changed = asyncio.Event()
        asyncio.get_running_loop().add_reader(site, self._look)

    @property
    def free(self) -> int:
        return self.slots - sum(self.held.values()) - len(self.offered) - self.plain

    async def run(self, *argv: str, name: str = "build") -> tuple[int, str]:
        """Run a build to its end: its status and what it said."""
        with self.start(*argv, name=name) as process:
            pidfd = os.pidfd_open(process.pid)
            try:
                async with asyncio.timeout(HANG):
                    await readable(pidfd)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
            finally:
                os.close(pidfd)
                self.ended(name)
            assert process.stdout is not None
            return process.wait(), process.stdout.read()

    def start(self, *argv: str, name: str = "build") -> subprocess.Popen[str]:
        ends = self.broker.open(name)
        for end, number in zip(ends, TOKEN_DESCRIPTORS, strict=True):
            os.dup2(end, number)
        try:
            process = subprocess.Popen(
                argv,
                cwd=self.site.folder,
                env={**os.environ, "MAKEFLAGS": makeflags()},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                pass_fds=TOKEN_DESCRIPTORS,
                start_new_session=True,
            )
        finally:
            for number in TOKEN_DESCRIPTORS:
                os.close(number)
        self.broker.opened(name)
        self.held[name] = 1
        self._share()
        return process

    def ended(self, name: str) -> None:
        self.broker.close(name)
        self.offered.discard(name)
        del self.held[name]
        self._share()

    def want(self) -> None:
        """A plain command wants a slot."""
        self.plain += 1
        if self.free < 0:
            self.broker.withdraw(next(iter(self.offered)))

    async def until_running(self, least: int, most: int | None = None) -> None:
        await self.until(lambda: least <= self.site.running <= (least if most is None else most))

    async def let_one_go(self) -> None:
        """Let a recipe go, and see it end."""
        ended = self.site.ended
        self.site.let_go()
        await self.until(lambda: self.site.ended > ended)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(HANG):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def build(self, total: int, at_once: int) -> None:
        """Let all recipes go, one after the other, each when so many run that no more may."""
        site = self.site
        while (left := total - site.ended) > 0:
            await self.until_running(min(at_once, left))
            await self.let_one_go()
        assert site.most == at_once

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.site)
        assert self.held == {}
        assert self.free + self.plain == self.slots

    def _share(self) -> None:
        waiting = self.held.keys() - self.offered
        for name in sorted(waiting, key=self.held.__getitem__):
            if self.free > 0:
                self.offered.add(name)
                self.broker.offer(name)
        assert self.free >= 0 or self.plain
        self._changed.set()

    def _taken(self, name: str) -> None:
        self.offered.remove(name)
        self.held[name] += 1
        self._share()

    def _returned(self, name: str, count: int) -> None:
        self.held[name] -= count
        self._share()

    def _withdrawn(self, name: str) -> None:
        self.offered.remove(name)
        self._share()

    def _look(self) -> None:
        self.site.look()
        self._changed.set()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as site:
        yield site


def build(site: Site, slots: int, recipes: int, at_once: int, *argv: str) -> tuple[int, str]:
    """Run one build in a pool, and see that so many of its recipes run at once."""

    async def main() -> tuple[int, str]:
        before = own_descriptors()
        pool = Pool(site, slots)
        async with asyncio.TaskGroup() as group:
            done = group.create_task(pool.run(*argv))
            group.create_task(pool.build(recipes, at_once))
        pool.close()
        assert own_descriptors() == before
        return done.result()

    return asyncio.run(main())


@pytest.mark.parametrize("slots", [1, 2, 4])
@each_make
def test_make_runs_as_many_recipes_as_there_are_slots(site: Site, make: str, slots: int) -> None:
    makefile(site, 8)
    assert build(site, slots, 8, slots, make) == (0, "")


@each_make
def test_make_in_a_shell_takes_part(site: Site, make: str) -> None:
    makefile(site, 6)
    assert build(site, 3, 6, 3, "/bin/sh", "-c", f"cd / && {make} -C {site.folder} -s") == (0, "")


@each_make
def test_make_in_make_shares_the_same_slots(site: Site, make: str) -> None:
    makefile(site, 4, "Part.mk")
    (site.folder / "Makefile").write_text(
        "all: a b c\n.PHONY: a b c\na b c:\n\t@$(MAKE) --no-print-directory -f Part.mk\n"
    )
    assert build(site, 4, 12, 4, make) == (0, "")


@each_make
def test_a_number_of_its_own_leaves_the_jobserver(site: Site, make: str) -> None:
    makefile(site, 6)
    status, said = build(site, 2, 6, 6, make, "-j6")
    assert status == 0
    assert "resetting jobserver mode" in said


@each_make
def test_without_its_descriptors_make_runs_one_recipe_at_a_time(site: Site, make: str) -> None:
    makefile(site, 3)
    command = f"exec 98>&- 99>&-; exec {make}"
    status, said = build(site, 4, 3, 1, "/bin/bash", "-c", command)
    assert status == 0
    assert "jobserver unavailable: using -j1" in said


@pytest.mark.parametrize("ninja", NINJAS)
def test_ninja_stays_within_the_slots_and_comes_near(site: Site, ninja: str) -> None:
    """It looks for tokens only when a command of it ends, and then one lies there at most."""
    ninja_file(site, 20)

    async def main() -> None:
        pool = Pool(site, 4)
        async with asyncio.TaskGroup() as group:
            done = group.create_task(pool.run(ninja, "--quiet"))
            for _ in range(20):
                await pool.until_running(1, 4)
                await pool.let_one_go()
        pool.close()
        assert done.result()[0] == 0

    asyncio.run(main())
    assert 2 <= site.most <= 4


@pytest.mark.parametrize("cargo", CARGOS)
def test_cargo_runs_as_many_compilers_as_there_are_slots(site: Site, cargo: str) -> None:
    wrapper = cargo_workspace(site, 6)
    program = f"RUSTC_WRAPPER={wrapper} exec {cargo} build --quiet --offline"
    status, said = build(site, 3, 6, 3, "/bin/sh", "-c", program)
    assert (status, said) == (0, "")


@each_make
def test_two_builds_share_one_pool(site: Site, make: str) -> None:
    path = makefile(site, 8)

    async def main() -> None:
        pool = Pool(site, 6)
        async with asyncio.TaskGroup() as group:
            for name in ("one", "two"):
                group.create_task(pool.run(make, "-f", str(path), name=name))
            for left in range(16, 0, -1):
                await pool.until_running(6 if left == 16 else 1, 6)
                await pool.let_one_go()
        pool.close()

    asyncio.run(main())
    assert site.most == 6


@each_make
def test_a_build_that_needs_no_more_gives_way_to_others(site: Site, make: str) -> None:
    path = makefile(site, 1)

    async def main() -> None:
        pool = Pool(site, 2)
        async with asyncio.TaskGroup() as group:
            group.create_task(pool.run(make, "-f", str(path)))
            await pool.until_running(1)
            assert pool.offered == {"build"}
            pool.want()
            await pool.until(lambda: not pool.offered)
            assert pool.free == 0
            site.let_go()
        pool.close()

    asyncio.run(main())


@each_make
def test_a_killed_make_gives_back_every_token_that_it_held(site: Site, make: str) -> None:
    makefile(site, 4)

    async def main() -> None:
        pool = Pool(site, 4)
        before = own_descriptors()
        for number in range(ROUNDS):
            with pool.start(make) as process:
                try:
                    await pool.until_running(4 * (number + 1))  # those killed say no goodbye
                    await pool.until(lambda: pool.held == {"build": 4})
                finally:
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                pool.ended("build")
            assert pool.free == pool.slots
            assert own_descriptors() == before
        pool.close()

    asyncio.run(main())
