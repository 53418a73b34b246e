"""The broker alone: a command's reads and writes, one by one, without a command."""

import asyncio
import fcntl
import os
import selectors
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field

import pytest

from cronjob.errors import LaunchError
from cronjob.host.jobserver import MOST_UNASKED, Broker, makeflags
from tests.host.descriptors import own_descriptors
from tests.host.processes import needs_root

KEY = "build@2026-11-21T09:30Z/1"


@dataclass
class Desk:
    """A broker, and what it told."""

    told: list[tuple[str, str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.broker = Broker(
            taken=lambda key: self.told.append((key, "taken", 1)),
            returned=lambda key, count: self.told.append((key, "returned", count)),
            withdrawn=lambda key: self.told.append((key, "withdrawn", 1)),
            unruly=lambda key: self.told.append((key, "unruly", 1)),
        )

    def words(self) -> list[str]:
        return [f"{word} {count}" for _, word, count in self.told]


class CountingSelector(selectors.EpollSelector):
    """How often the loop looked."""

    looks = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.looks += 1
        return super().select(timeout)


async def quiet() -> None:
    """Let everything that is there be handled."""
    for _ in range(10):
        await asyncio.sleep(0)


def at_the_desk(scenario: Callable[[Desk], Awaitable[None]]) -> list[str]:
    """What the broker told in the scenario; no descriptor may be left."""
    desk = Desk()

    async def main() -> None:
        before = own_descriptors()
        await scenario(desk)
        await quiet()
        desk.broker.close(KEY)
        assert own_descriptors() == before

    asyncio.run(main())
    return desk.words()


def test_a_token_that_is_taken_and_given_back_is_told() -> None:
    async def scenario(desk: Desk) -> None:
        reading, writing = desk.broker.open(KEY)
        desk.broker.offer(KEY)
        await quiet()
        assert desk.told == []
        assert os.read(reading, 1) == b"+"
        await quiet()
        assert desk.words() == ["taken 1"]
        os.write(writing, b"+")

    assert at_the_desk(scenario) == ["taken 1", "returned 1"]


def test_a_token_given_back_at_once_counts_as_taken_before() -> None:
    async def scenario(desk: Desk) -> None:
        reading, writing = desk.broker.open(KEY)
        desk.broker.offer(KEY)
        os.write(writing, os.read(reading, 1))

    assert at_the_desk(scenario) == ["taken 1", "returned 1"]


def test_tokens_are_given_back_in_one_write() -> None:
    async def scenario(desk: Desk) -> None:
        reading, writing = desk.broker.open(KEY)
        for _ in range(3):
            desk.broker.offer(KEY)
            os.read(reading, 1)
            await quiet()
        os.write(writing, b"+++")

    assert at_the_desk(scenario) == ["taken 1"] * 3 + ["returned 3"]


def test_a_command_cannot_mint_tokens() -> None:
    async def scenario(desk: Desk) -> None:
        reading, writing = desk.broker.open(KEY)
        os.write(writing, b"+++++")
        await quiet()
        assert desk.told == []
        desk.broker.offer(KEY)
        os.read(reading, 1)
        os.write(writing, b"garbage")

    assert at_the_desk(scenario) == ["taken 1", "returned 1"]


def test_no_more_than_one_token_lies_in_the_pipe() -> None:
    async def scenario(desk: Desk) -> None:
        reading, _ = desk.broker.open(KEY)
        desk.broker.offer(KEY)
        desk.broker.offer(KEY)
        assert os.read(reading, 100) == b"+"
        os.set_blocking(reading, False)
        with pytest.raises(BlockingIOError):
            os.read(reading, 1)

    assert at_the_desk(scenario) == ["taken 1"]


def test_a_withdrawn_token_is_gone_from_the_pipe() -> None:
    async def scenario(desk: Desk) -> None:
        reading, _ = desk.broker.open(KEY)
        desk.broker.offer(KEY)
        desk.broker.withdraw(KEY)
        assert desk.told == []  # answers come from the loop
        os.set_blocking(reading, False)
        with pytest.raises(BlockingIOError):
            os.read(reading, 1)

    assert at_the_desk(scenario) == ["withdrawn 1"]


def test_a_withdrawal_that_comes_too_late_is_answered_once_by_taken() -> None:
    async def scenario(desk: Desk) -> None:
        reading, _ = desk.broker.open(KEY)
        desk.broker.offer(KEY)
        await quiet()
        os.read(reading, 1)
        desk.broker.withdraw(KEY)

    assert at_the_desk(scenario) == ["taken 1"]


def test_an_offer_waits_for_the_pipes() -> None:
    async def scenario(desk: Desk) -> None:
        desk.broker.offer(KEY)
        reading, _ = desk.broker.open(KEY)
        assert os.read(reading, 1) == b"+"

    assert at_the_desk(scenario) == ["taken 1"]


@pytest.mark.parametrize("opens", [False, True])
def test_an_offer_can_be_withdrawn_before_the_pipes_are_made(opens: bool) -> None:
    async def scenario(desk: Desk) -> None:
        desk.broker.offer(KEY)
        desk.broker.withdraw(KEY)
        if opens:
            reading, _ = desk.broker.open(KEY)
            os.set_blocking(reading, False)
            with pytest.raises(BlockingIOError):
                os.read(reading, 1)

    assert at_the_desk(scenario) == ["withdrawn 1"]


@pytest.mark.parametrize("early", [False, True])
def test_nothing_is_told_about_an_attempt_that_is_over(early: bool) -> None:
    async def scenario(desk: Desk) -> None:
        if not early:
            reading, writing = desk.broker.open(KEY)
            desk.broker.offer(KEY)
            os.write(writing, os.read(reading, 1))
        desk.broker.offer(KEY)
        desk.broker.withdraw(KEY)
        desk.broker.close(KEY)

    assert at_the_desk(scenario) == []


def test_what_a_command_puts_into_its_own_pipe_is_no_token() -> None:
    async def scenario(desk: Desk) -> None:
        reading, _ = desk.broker.open(KEY)
        os.write(reading, b"x")  # it may, like everybody who opens /dev/fd/98 for writing
        desk.broker.offer(KEY)
        await quiet()
        assert desk.told == []
        assert os.read(reading, 1) == b"+"

    assert at_the_desk(scenario) == ["taken 1"]


def test_a_command_that_floods_its_pipe_is_not_listened_to_any_more() -> None:
    async def scenario(desk: Desk) -> None:
        _, writing = desk.broker.open(KEY)
        os.set_blocking(writing, False)
        written = 0
        while written <= 2 * MOST_UNASKED:
            written += os.write(writing, b"x" * 1024)
            await quiet()
        room = 64 * 1024  # in the pipe, if nobody reads
        with suppress(BlockingIOError):
            while room > 0:
                room -= os.write(writing, b"x" * 1024)
        await quiet()
        with pytest.raises(BlockingIOError):
            os.write(writing, b"x")

    assert at_the_desk(scenario) == ["unruly 1"]


def test_one_flood_delays_no_other_attempt() -> None:
    async def scenario(desk: Desk) -> None:
        _, flooded = desk.broker.open("flood/1")
        os.write(flooded, b"x" * 60_000)
        reading, writing = desk.broker.open(KEY)
        desk.broker.offer(KEY)
        os.write(writing, os.read(reading, 1))
        await quiet()
        assert [word for key, word, _ in desk.told if key == KEY] == ["taken", "returned"]
        desk.broker.close("flood/1")

    at_the_desk(scenario)


def _leave(reading: int, writing: int) -> None:
    os.close(reading)
    os.close(writing)


def _keep_a_larger_one(reading: int, writing: int) -> int:
    fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, 65536)
    os.close(writing)
    return reading


@pytest.mark.parametrize("act", [_leave, _keep_a_larger_one])
def test_the_loop_sleeps_whatever_a_command_does_to_its_pipes(
    act: Callable[[int, int], int | None],
) -> None:
    selector = CountingSelector()

    async def main() -> int:
        desk = Desk()
        reading, writing = map(os.dup, desk.broker.open(KEY))
        desk.broker.opened(KEY)
        desk.broker.offer(KEY)
        kept = act(reading, writing)
        await quiet()
        before = selector.looks
        await asyncio.sleep(0.05)  # the time in which it must not look
        looks = selector.looks - before
        desk.broker.close(KEY)
        if kept is not None:
            os.close(kept)
        return looks

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        assert runner.run(main()) <= 3


def test_who_outlives_the_attempt_waits_for_tokens_and_can_give_some_back() -> None:
    async def main() -> None:
        desk = Desk()
        reading, writing = map(os.dup, desk.broker.open(KEY))
        desk.broker.opened(KEY)
        desk.broker.close(KEY)
        os.write(writing, b"+")  # no SIGPIPE
        os.set_blocking(reading, False)
        with pytest.raises(BlockingIOError):  # no end of file, at which make would spin
            os.read(reading, 1)
        _leave(reading, writing)

    asyncio.run(main())


def test_a_thousand_attempts_leave_no_descriptor() -> None:
    async def main() -> None:
        desk = Desk()
        before = own_descriptors()
        for number in range(1000):
            key = f"{KEY}{number}"
            reading, _ = desk.broker.open(key)
            desk.broker.offer(key)
            os.read(reading, 1)
            if number % 2:
                desk.broker.opened(key)
            if number % 3:
                await asyncio.sleep(0)
            desk.broker.close(key)
        assert own_descriptors() == before

    asyncio.run(main())


def test_without_descriptors_the_attempt_is_not_started_and_nothing_is_left(
    no_descriptors: Callable[[], AbstractContextManager[None]],
) -> None:
    async def main() -> None:
        desk = Desk()
        before = own_descriptors()
        with no_descriptors(), pytest.raises(LaunchError, match="jobserver: Too many open files"):
            desk.broker.open(KEY)
        assert own_descriptors() == before
        desk.broker.close(KEY)

    asyncio.run(main())


@needs_root
def test_the_pipes_belong_to_the_user_of_the_command() -> None:
    async def scenario(desk: Desk) -> None:
        ends = desk.broker.open(KEY, uid=1234, gid=2345)
        assert {(os.fstat(end).st_uid, os.fstat(end).st_gid) for end in ends} == {(1234, 2345)}

    at_the_desk(scenario)


@pytest.mark.parametrize(
    ("own", "whole"),
    [
        ("", " -j --jobserver-auth=98,99"),
        ("k", "k -j --jobserver-auth=98,99"),
        ("-k -s", "-k -s -j --jobserver-auth=98,99"),
        ("k -- CC=gcc V=1", "k -j --jobserver-auth=98,99 -- CC=gcc V=1"),
    ],
)
def test_the_flags_of_the_table_stay_in_makeflags(own: str, whole: str) -> None:
    assert makeflags(own) == whole
