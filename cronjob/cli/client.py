"""Asking a daemon: one request on its control socket, and the lines of the answer."""

import json
import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from typing import Any

from cronjob.cli.unanswered import BrokenAnswerError, NoDaemonError, RefusedError
from cronjob.core.request import VERSION
from cronjob.errors import printable
from cronjob.host.directories import CONTROL_SOCKET, LONGEST_SOCKET, runtimes_to_ask

_CHUNK = 256 * 1024
_NO_LIMIT = 0.0  #: as setsockopt(2) has it


class Conversation:
    """One request, and its answer line by line.

    `seconds` is how long connecting and the whole answer may take; None is for ever.
    """

    def __init__(
        self, runtime: str | None, request: Mapping[str, object], *, seconds: float | None = None
    ) -> None:
        """Ask.  Raises `NoDaemonError`."""
        self._ends = None if seconds is None else time.monotonic() + seconds
        self._socket, self.path = self._connect(runtime)
        line = json.dumps({"version": VERSION, **request}).encode() + b"\n"
        try:
            self._socket.sendall(line)
        except OSError as error:
            if not isinstance(error, BrokenPipeError):  # then it has said why
                self.close()
                raise _no_answer(self.path, error) from None

    def lines(self) -> Iterator[dict[str, Any]]:
        """The lines as they come.

        Raises `RefusedError`, and `NoDaemonError` when nothing more comes in time.
        """
        rest = b""
        while chunk := self._receive():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield _told(line)

    def line(self) -> dict[str, Any]:
        """The next line where there has to be one.  Raises as `lines`, or `BrokenAnswerError`."""
        line = next(self.lines(), None)
        if line is None:
            raise BrokenAnswerError("the daemon has gone without an answer")
        return line

    def close(self) -> None:
        """Go; what the daemon does goes on."""
        self._socket.close()

    def _connect(self, runtime: str | None) -> tuple[socket.socket, str]:
        folders = (os.path.abspath(runtime),) if runtime is not None else runtimes_to_ask()
        failures = []
        for path in (os.path.join(folder, CONTROL_SOCKET) for folder in folders):
            connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            # Not by settimeout(): connect(2) would not wait where a queue of clients is full.
            self._limit(connected, socket.SO_SNDTIMEO)
            try:
                connected.connect(path)
                return connected, path
            except OSError as error:
                connected.close()
                failures.append(str(_no_answer(path, error)))
        raise NoDaemonError("; ".join(failures))

    def _receive(self) -> bytes:
        try:
            self._limit(self._socket, socket.SO_RCVTIMEO)
            return self._socket.recv(_CHUNK)
        except ConnectionResetError:
            return b""
        except BlockingIOError as error:
            raise _no_answer(self.path, error) from None

    def _limit(self, connection: socket.socket, option: int) -> None:
        left = _NO_LIMIT if self._ends is None else max(self._ends - time.monotonic(), 0.001)
        whole = int(left)
        value = struct.pack("ll", whole, int((left - whole) * 1_000_000))
        connection.setsockopt(socket.SOL_SOCKET, option, value)


def ask(
    runtime: str | None, request: Mapping[str, object], *, seconds: float = 10.0
) -> dict[str, Any]:
    """The answer to a request that has one line.  Raises `AskError`."""
    conversation = Conversation(runtime, request, seconds=seconds)
    try:
        return conversation.line()
    finally:
        conversation.close()


def _told(line: bytes) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(line)
        if told["version"] != VERSION:
            raise BrokenAnswerError(f"the daemon speaks version {told['version']}, not {VERSION}")
    except (ValueError, KeyError, TypeError):
        raise BrokenAnswerError("what listens there is no daemon of this kind") from None
    if "error" in told:
        raise RefusedError(printable(str(told["error"])))
    return told


def _no_answer(path: str, error: OSError) -> NoDaemonError:
    if isinstance(error, BlockingIOError):
        return NoDaemonError(f"no daemon answers in time at {printable(path)}")
    if len(os.fsencode(path)) > LONGEST_SOCKET:
        return NoDaemonError(f"{printable(path)} is too long for a socket")
    return NoDaemonError(f"no daemon answers at {printable(path)}: {error.strerror}")
