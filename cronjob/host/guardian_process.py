"""Wraps a running guardian as the daemon sees it: its start, its socket, its end."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cronjob.host.channel import Channel

Message = dict[str, Any]

#: What the interpreter of a guardian runs.
SCRIPT = str(Path(__file__).with_name("guardian_main.py"))


class GuardianProcess:
    """One running guardian as the daemon sees it; `gone` is called once, after its last words.

    `native` is a descriptor of the program that takes a child's steps, `groups` the directory for
    the cgroups of attempts.
    """

    def __init__(
        self,
        heard: Callable[[Message], None],
        gone: Callable[["GuardianProcess"], None],
        *,
        native: int = -1,
        groups: str = "",
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._heard = heard
        self._gone = gone
        self.over: asyncio.Future[None] = self._loop.create_future()  #: done after `gone`
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.channel = Channel(ours)
        with theirs:
            try:
                self.pid, self._pidfd = spawn(theirs, native, groups)
            except OSError:
                ours.close()
                raise
        self._flushing = False
        self._loop.add_reader(ours, self._read)
        self._loop.add_reader(self._pidfd, self._exited)

    def send(self, message: Message, descriptors: tuple[int, ...] = ()) -> None:
        """Send with all else of this pass of the loop; the descriptors are closed then."""
        self.channel.queue(message, descriptors)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def kill(self) -> None:
        """SIGKILL; `gone` follows."""
        if self._pidfd >= 0:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def _flush(self) -> None:
        self._flushing = False
        self.channel.flush()
        if self.channel.unsent:
            self._loop.add_writer(self.channel.socket, self._write)

    def _write(self) -> None:
        self.channel.flush()
        if not self.channel.unsent:
            self._loop.remove_writer(self.channel.socket)

    def _read(self) -> None:
        try:
            messages = self.channel.receive()
        except BlockingIOError:
            return
        except EOFError:
            self._loop.remove_reader(self.channel.socket)
            self.kill()  # without its socket it is of no use, should it live at all
            return
        for message, _ in messages:
            # One turn of the loop each: a callback that fails costs only its own message.
            self._loop.call_soon(self._heard, message)

    def _exited(self) -> None:
        with contextlib.suppress(EOFError, BlockingIOError):
            while True:
                for message, _ in self.channel.receive():
                    self._loop.call_soon(self._heard, message)
        self._loop.remove_reader(self.channel.socket)
        self._loop.remove_writer(self.channel.socket)
        self._loop.remove_reader(self._pidfd)
        self.channel.close()
        os.close(self._pidfd)
        self._pidfd = -1
        os.waitpid(self.pid, 0)
        self._loop.call_soon(self._gone, self)
        self._loop.call_soon(self.over.set_result, None)


def spawn(stream: socket.socket, native: int = -1, groups: str = "") -> tuple[int, int]:
    """The pid and a pidfd of a new guardian which talks over `stream`.

    It starts with every signal blocked, so that a Ctrl-C before it has its own session, which
    is meant for the daemon, does not end it.
    """
    os.set_inheritable(stream.fileno(), True)
    if native >= 0:
        os.set_inheritable(native, True)
    argv = [sys.executable, "-I", "-S", SCRIPT, str(stream.fileno()), str(native), groups]
    kept = {key: os.environ[key] for key in ("LD_LIBRARY_PATH",) if key in os.environ}
    pid = os.posix_spawn(
        sys.executable,
        argv,
        # What the dynamic linker put off would be done by each child anew, after its fork.
        {"LC_ALL": "C.UTF-8", "LD_BIND_NOW": "1", **kept},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        ],
        setsigmask=signal.valid_signals(),
    )
    try:
        return pid, os.pidfd_open(pid)
    except OSError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
