"""The control socket by itself: who gets in, how much is listened to, what is kept."""

import asyncio
import json
import os
import socket
import stat
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cronjob.host import control
from cronjob.host.control import Client, ControlSocket

HANG = 30.0


def _echo(client: Client, line: bytes) -> None:
    client.tell(line=line.decode())
    client.finish()


@asynccontextmanager
async def _listening(
    path: Path, respond: Callable[[Client, bytes], None] = _echo
) -> AsyncIterator[tuple[ControlSocket, list[str]]]:
    defects: list[str] = []
    one = ControlSocket(str(path), respond, lambda what, error: defects.append(f"{what}: {error}"))
    one.bind()
    await one.listen()
    try:
        async with asyncio.timeout(HANG):
            yield one, defects
    finally:
        await one.close()


async def _ask(path: Path, data: bytes) -> list[dict[str, Any]]:
    """Send it, and read until the other side closes."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(data)
    try:
        received = await reader.read()
    finally:
        writer.close()
    return [json.loads(line) for line in received.splitlines()]


def test_a_line_is_answered_and_the_connection_closed(tmp_path: Path) -> None:
    async def scene() -> None:
        async with _listening(tmp_path / "s"):
            assert await _ask(tmp_path / "s", b"hello\n") == [{"version": 1, "line": "hello"}]

    asyncio.run(scene())


TOO_MUCH = {
    b"a\nb": "there is more than the one line that a request is",
    b"a" * 70_000: "a request has at most 65536 bytes",
    b"a" * 65_536 + b"\n": "a request has at most 65536 bytes",
}


@pytest.mark.parametrize("data", TOO_MUCH, ids=lambda data: f"{len(data)} bytes")
def test_what_is_too_much_is_refused(tmp_path: Path, data: bytes) -> None:
    async def scene() -> None:
        async with _listening(tmp_path / "s"):
            assert await _ask(tmp_path / "s", data) == [{"version": 1, "error": TOO_MUCH[data]}]

    asyncio.run(scene())


def test_the_longest_request_is_heard(tmp_path: Path) -> None:
    async def scene() -> None:
        async with _listening(tmp_path / "s"):
            (told,) = await _ask(tmp_path / "s", b"a" * 65_535 + b"\n")
            assert told["line"] == "a" * 65_535

    asyncio.run(scene())


def test_a_request_that_does_not_come_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "REQUEST_SECONDS", 0.05)

    async def scene() -> None:
        async with _listening(tmp_path / "s") as (one, _):
            assert await _ask(tmp_path / "s", b"never") == [
                {"version": 1, "error": "no request within 0.05 s"}
            ]
            assert not one.clients

    asyncio.run(scene())


def test_a_client_that_goes_is_forgotten_and_that_is_told(tmp_path: Path) -> None:
    async def scene() -> None:
        left = asyncio.Event()

        def respond(client: Client, line: bytes) -> None:
            client.on_leave = left.set
            client.tell(line=line.decode())

        async with _listening(tmp_path / "s", respond) as (one, _):
            reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
            writer.write(b"hello\n")
            await reader.readline()
            assert len(one.clients) == 1
            writer.transport.abort()
            await left.wait()
            assert not one.clients

    asyncio.run(scene())


def test_a_defect_ends_its_connection_alone(tmp_path: Path) -> None:
    def respond(client: Client, line: bytes) -> None:
        client.tell(half=1 / int(line))
        client.finish()

    async def scene() -> None:
        async with _listening(tmp_path / "s", respond) as (_, defects):
            (told,) = await _ask(tmp_path / "s", b"0\n")
            assert told["error"] == "internal error, see the log of the daemon"
            assert defects == ["cannot answer a request: division by zero"]
            assert await _ask(tmp_path / "s", b"2\n") == [{"version": 1, "half": 0.5}]

    asyncio.run(scene())


def test_connections_are_counted_for_each_user_for_others_and_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with _listening(tmp_path / "s") as (one, _):

            def room_for(uid: int, **clients: int) -> str:
                one.clients = set()
                for number, count in clients.items():
                    for _ in range(count):
                        client = Client(one)
                        client.uid = int(number.removeprefix("u"))
                        one.clients.add(client)
                newcomer = Client(one)
                newcomer.uid = uid
                why = one.why_not(newcomer)
                one.clients = set()
                return why

            own = os.geteuid()
            monkeypatch.setattr(control, "CONNECTIONS", 100)
            assert not room_for(7, u7=control.OF_ONE - 1)
            assert room_for(7, u7=control.OF_ONE) == "this user has 8 connections already"
            assert not room_for(8, u7=control.OF_ONE)
            many = {f"u{uid}": 4 for uid in range(70_001, 70_017)}
            assert room_for(7, **many) == "users other than root have 64 connections already"
            assert not room_for(0, **many)
            assert not room_for(own, **many)
            assert not room_for(0, u0=99)
            assert room_for(0, u0=100) == "there are 100 connections already"

    asyncio.run(scene())


def test_requests_beyond_a_users_pace_wait_and_those_of_others_do_not(tmp_path: Path) -> None:
    async def scene() -> None:
        async with _listening(tmp_path / "s") as (one, _):

            def delay(uid: int) -> float:
                client = Client(one)
                client.uid = uid
                return one.delay(client)

            delays = [delay(7) for _ in range(control.AT_ONCE + control.OF_ONE)]
            assert set(delays[: control.AT_ONCE]) == {0.0}
            assert 0 < delays[-2] < delays[-1]
            assert delay(8) == delay(0) == delay(os.geteuid()) == 0.0
            for _ in range(1000):  # that it does not wait for
                longest = delay(7)
            assert longest <= control.OF_ONE / control.REQUESTS

    asyncio.run(scene())


def test_a_request_that_waits_is_answered_in_its_turn_and_dropped_with_its_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = []

    def respond(client: Client, line: bytes) -> None:
        answered.append(line)
        _echo(client, line)

    async def scene() -> None:
        async with _listening(tmp_path / "s", respond) as (one, _):
            monkeypatch.setattr(one, "delay", lambda _: HANG)
            reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
            writer.write(b"gone\n")
            await writer.drain()
            writer.close()
            assert not await reader.read()
            monkeypatch.setattr(one, "delay", lambda _: 0.01)
            assert await _ask(tmp_path / "s", b"here\n") == [{"version": 1, "line": "here"}]
            assert answered == [b"here"]

    asyncio.run(scene())


def test_what_a_client_does_not_read_is_counted_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client reads nothing until all was printed; what it got then is the beginning."""
    monkeypatch.setattr(control, "MOST_UNREAD", 1024**2)
    chunk = bytes(range(256)) * 64
    total = 0

    async def scene() -> None:
        asked = asyncio.Event()
        clients: list[Client] = []

        def respond(client: Client, line: bytes) -> None:
            del line
            clients.append(client)
            asked.set()

        async with _listening(tmp_path / "s", respond):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(tmp_path / "s"))
            connection.sendall(b"go\n")
            await asked.wait()
            (client,) = clients
            nonlocal total
            for _ in range(1000):
                client.output(chunk)
                total += len(chunk)
                assert client.unread <= control.MOST_UNREAD
            client.tell(end=True)
            client.finish()
            received = await asyncio.to_thread(_all_of, connection)
        lines = [json.loads(line) for line in received.splitlines()]
        output = b"".join(b64decode(line["output"]) for line in lines if "output" in line)
        (left_out,) = (line["left_out"] for line in lines if "left_out" in line)
        assert len(output) + left_out == total
        assert "end" in lines[-1]
        assert output == (chunk * 1000)[: len(output)]
        assert len(output) >= 512 * 1024

    asyncio.run(scene())


def _all_of(connection: socket.socket) -> bytes:
    with connection:
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def test_a_client_that_never_reads_is_gone_after_its_farewell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "FAREWELL_SECONDS", 0.05)

    async def scene() -> None:
        left = asyncio.Event()

        def respond(client: Client, line: bytes) -> None:
            del line
            client.on_leave = left.set
            client.tell(much="x" * 1_000_000)
            client.finish()

        async with _listening(tmp_path / "s", respond):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(tmp_path / "s"))
                connection.sendall(b"go\n")
                await left.wait()

    asyncio.run(scene())


def test_a_stop_sends_what_is_to_be_sent(tmp_path: Path) -> None:
    async def scene() -> None:
        asked = asyncio.Event()

        def respond(client: Client, line: bytes) -> None:
            del line
            client.tell(much="x" * 1_000_000)
            asked.set()

        async with _listening(tmp_path / "s", respond):
            asking = asyncio.create_task(_ask(tmp_path / "s", b"go\n"))
            await asked.wait()
        (told,) = await asking
        assert len(told["much"]) == 1_000_000

    asyncio.run(scene())


def test_the_socket_of_a_dead_daemon_is_replaced_and_ours_removed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert stat.S_ISSOCK(path.stat().st_mode)

    async def scene() -> None:
        async with _listening(path):
            assert await _ask(path, b"hello\n")
            mode = 0o666 if os.geteuid() == 0 else 0o600
            assert stat.S_IMODE(path.stat().st_mode) == mode

    asyncio.run(scene())
    assert not path.exists()


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("keep me")
    with pytest.raises(FileExistsError, match="in the way of the control socket"):
        ControlSocket(str(path), _echo, lambda *_: None).bind()
    assert path.read_text() == "keep me"


def test_a_path_may_have_107_bytes(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * (107 - len(str(tmp_path)) - 3))
    folder.mkdir()

    async def scene() -> None:
        async with _listening(folder / "s"):
            assert await _ask(folder / "s", b"hello\n")

    asyncio.run(scene())
    with pytest.raises(OSError, match="longer than the 107 bytes that a socket's path may have"):
        ControlSocket(str(folder / "ss"), _echo, lambda *_: None).bind()


def test_a_socket_that_somebody_removed_is_no_error_at_the_end(tmp_path: Path) -> None:
    async def scene() -> None:
        async with _listening(tmp_path / "s"):
            (tmp_path / "s").unlink()

    asyncio.run(scene())
