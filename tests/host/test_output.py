import asyncio
import os
from collections.abc import Callable

import pytest

from cronjob.host.output import LONGEST_LINE, OutputPipe


def told(act: Callable[[OutputPipe], None]) -> list[str]:
    """The lines told when `act` wrote into the pipe and the attempt ended."""
    lines: list[str] = []

    async def scenario() -> None:
        pipe = OutputPipe(lines.append, uid=os.getuid(), gid=os.getgid())
        act(pipe)
        pipe.launched()
        pipe.drain()

    asyncio.run(scenario())
    return lines


def write(data: bytes) -> Callable[[OutputPipe], None]:
    def act(pipe: OutputPipe) -> None:
        os.write(pipe.write_end, data)

    return act


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"one\ntwo\n", ["one", "two"]),
        (b"no newline at the end", ["no newline at the end"]),
        (b"\n\nx\n", ["", "", "x"]),
        (b"caf\xc3\xa9 \xff\n", ["caf\xe9 \udcff"]),
        (b"nul\0byte\n", ["nul\0byte"]),
    ],
)
def test_output_is_told_line_by_line_with_every_byte_kept(data: bytes, lines: list[str]) -> None:
    assert told(write(data)) == lines


def test_an_endless_line_is_told_in_bounded_parts() -> None:
    lines = told(write(b"x" * (3 * LONGEST_LINE + 5)))
    assert [len(line) for line in lines] == [LONGEST_LINE] * 3 + [5]


def test_output_before_the_start_was_announced_waits_in_the_pipe() -> None:
    lines: list[str] = []

    async def scenario() -> None:
        pipe = OutputPipe(lines.append, uid=os.getuid(), gid=os.getgid())
        os.write(pipe.write_end, b"early\n")
        await asyncio.sleep(0)
        assert lines == []
        pipe.listen()
        os.close(pipe.write_end)
        while not lines:
            await asyncio.sleep(0)

    asyncio.run(scenario())
    assert lines == ["early"]


def test_a_process_that_keeps_the_pipe_is_still_heard_after_the_end() -> None:
    lines: list[str] = []

    async def scenario() -> None:
        pipe = OutputPipe(lines.append, uid=os.getuid(), gid=os.getgid())
        held = os.dup(pipe.write_end)
        pipe.launched()
        os.write(held, b"before\n")
        pipe.drain()
        assert lines == ["before"]
        os.write(held, b"after\n")
        os.close(held)
        while len(lines) < 2:
            await asyncio.sleep(0)

    asyncio.run(scenario())
    assert lines == ["before", "after"]


def test_no_descriptor_is_left_when_both_ends_are_closed() -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    told(write(b"x\n"))
    assert sorted(os.listdir("/proc/self/fd")) == before
