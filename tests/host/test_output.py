import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from cronjob.core.fields import Tell
from cronjob.core.output import Kept, LineTeller
from cronjob.host.output import Follower, Output, Outputs
from tests.host.descriptors import own_descriptors


def output(
    lines: list[str], log: Tell = Tell.ALWAYS, followers: list[Follower] | None = None
) -> Output:
    def teller() -> LineTeller:
        return LineTeller(lines.append, lambda *counts: lines.append(f"dropped {counts}"))

    return Output(teller, log, followers or [], uid=os.getuid(), gid=os.getgid())


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0)


def attempt(
    data: bytes, failed: bool, log: Tell = Tell.ALWAYS, followers: list[Follower] | None = None
) -> tuple[list[str], Kept]:
    """What is told and kept of an attempt that wrote `data` and ended at once."""
    lines: list[str] = []

    async def scenario() -> Kept:
        said = output(lines, log, followers)
        os.write(said.write_end, data)
        said.launched()
        return Outputs().finish(said, failed)

    return lines, asyncio.run(scenario())


@pytest.mark.parametrize(
    ("log", "failed", "lines"),
    [
        (Tell.ALWAYS, False, ["one", "two"]),
        (Tell.ALWAYS, True, ["one", "two"]),
        (Tell.FAILURE, False, []),
        (Tell.FAILURE, True, ["one", "two"]),
        (Tell.NEVER, False, []),
        (Tell.NEVER, True, []),
    ],
)
def test_the_entry_decides_what_is_told(log: Tell, failed: bool, lines: list[str]) -> None:
    told, kept = attempt(b"one\ntwo", failed, log)
    assert told == lines
    assert kept.head == b"one\ntwo"


@pytest.mark.parametrize("log", list(Tell))
def test_a_follower_gets_the_bytes_whatever_is_told(log: Tell) -> None:
    followed: list[bytes] = []
    attempt(b"raw \xff\n", False, log, [followed.append])
    assert followed == [b"raw \xff\n"]


def test_output_before_the_start_was_announced_waits_in_the_pipe() -> None:
    lines: list[str] = []

    async def scenario() -> None:
        outputs, said = Outputs(), output(lines)
        os.write(said.write_end, b"early\n")
        await asyncio.sleep(0)
        assert lines == []
        outputs.add(said)
        await until(lambda: lines)
        said.launched()
        await until(lambda: not said.open)

    asyncio.run(scenario())
    assert lines == ["early"]


@pytest.mark.parametrize(
    ("log", "failed", "expected"),
    [
        (Tell.ALWAYS, False, ["before", "after", "last"]),
        (Tell.FAILURE, True, ["before", "after", "last"]),
        (Tell.FAILURE, False, []),
    ],
)
def test_a_process_that_keeps_the_pipe_is_still_heard_after_the_end(
    log: Tell, failed: bool, expected: list[str]
) -> None:
    lines: list[str] = []

    async def scenario() -> None:
        outputs, said = Outputs(), output(lines, log)
        held = os.dup(said.write_end)
        said.launched()
        os.write(held, b"before\n")
        assert outputs.finish(said, failed).head == b"before\n"
        assert lines == expected[:1]
        os.write(held, b"after\nlast")
        os.close(held)
        await until(lambda: not said.open)

    asyncio.run(scenario())
    assert lines == expected


def test_who_fills_the_pipe_all_the_while_does_not_hold_the_end() -> None:
    lines: list[str] = []
    enough = threading.Event()

    async def scenario() -> None:
        outputs, said = Outputs(), output(lines)

        def flood() -> None:
            while not enough.is_set():
                os.write(said.write_end, b"y\n" * 1000)
            said.launched()

        writer = threading.Thread(target=flood)
        writer.start()
        outputs.finish(said, False)
        assert said.open
        enough.set()
        await until(lambda: not said.open)
        writer.join()

    asyncio.run(scenario())
    assert lines


def test_a_flood_takes_turns_with_everything_else() -> None:
    """Eight pipes that are never empty: the loop goes on to others, and all of them are read."""
    followed = [0] * 8
    lines: list[str] = []
    enough = threading.Event()

    def count(number: int) -> Follower:
        def follow(data: bytes) -> None:
            followed[number] += len(data)

        return follow

    def flood(said: Output) -> None:
        while not enough.is_set():
            os.write(said.write_end, b"a line of text\n" * 4000)
        said.launched()

    async def scenario() -> None:
        outputs = Outputs()
        floods = [output(lines, followers=[count(number)]) for number in range(8)]
        writers = [threading.Thread(target=flood, args=(said,)) for said in floods]
        for writer, said in zip(writers, floods, strict=True):
            writer.start()
            outputs.add(said)
        await until(lambda: all(followed))
        for _ in range(200):
            before = sum(followed)
            await asyncio.sleep(0)
            assert sum(followed) - before <= 4 * 65536, "more than its share in one turn"
        enough.set()
        await until(lambda: not any(said.open for said in floods))
        for writer in writers:
            writer.join()

    asyncio.run(scenario())
    assert max(followed) <= 20 * min(followed)


def test_no_descriptor_is_left_when_both_ends_are_closed() -> None:
    attempt(b"", False)  # what asyncio imports and opens once
    before = own_descriptors()
    for data in (b"", b"x\n"):
        attempt(data, False)
    assert own_descriptors() == before


def test_without_descriptors_there_is_no_output_and_none_is_left(
    no_descriptors: Callable[[], AbstractContextManager[None]],
) -> None:
    with no_descriptors(), pytest.raises(OSError, match="Too many open files"):
        output([])
