"""Wraps fork, wait and kill: the small process that is the parent of every command.

It is run by an interpreter of its own and imports little: what it weighs is copied at every fork.
One thread and one epoll loop, because PR_SET_PDEATHSIG is bound to the forking thread.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import sys
import time
from functools import partial

from cronjob.host.channel import Channel, close_all
from cronjob.host.child import PROVEN, Becoming, reason, self_test
from cronjob.host.processes import (
    PR_SET_CHILD_SUBREAPER,
    child_listing,
    prctl,
    send_signal,
    walk,
)
from cronjob.host.sweep import KILL_SECONDS, WALK_SECONDS, Attempt, Sweep

TYPE_CHECKING = False  # typing itself is not worth its memory in the guardian
if TYPE_CHECKING:
    from collections.abc import Callable

    from cronjob.host.channel import Message
    from cronjob.host.processes import Process

RESERVED_DESCRIPTORS = 8  #: kept free, so that a full table never stops a walk over /proc


class Guardian:
    """The loop: requests from the daemon, ends of children, due sweeps."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.epoll = select.epoll()
        self.watchers: dict[int, tuple[Callable[[], None], Attempt | None]] = {}
        self.attempts: dict[str, Attempt] = {}
        self.by_pid: dict[int, Attempt] = {}  #: attempts whose first process is not reaped
        self.sweeps: list[Sweep] = []
        self.stopping: Sweep | None = None
        self.finished = False
        self.room = 0  #: EPOLLOUT while something waits for room in the socket
        self.children, wake = os.pipe()
        os.set_blocking(self.children, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self.watch(self.children, self.child_ended)
        self.epoll.register(channel.socket, select.EPOLLIN | select.EPOLLRDHUP)
        self.handlers: dict[str, Callable[[Message, list[int]], None]] = {
            "launch": self.launch,
            "end": self.end,
            "stop": self.stop,
        }

    def run(self) -> None:
        """Until everything has been stopped, or the daemon is gone."""
        stream = self.channel.socket.fileno()
        gone = select.EPOLLHUP | select.EPOLLRDHUP | select.EPOLLERR
        while not self.finished or self.channel.unsent:
            room = select.EPOLLOUT if self.channel.unsent else 0
            if room != self.room:
                self.room = room
                self.epoll.modify(stream, select.EPOLLIN | select.EPOLLRDHUP | room)
            now = time.monotonic()
            due = min((max(sweep.due - now, 0.0) for sweep in self.sweeps), default=None)
            for descriptor, events in self.epoll.poll(due):
                if descriptor != stream:
                    self.call(descriptor)
                elif events & gone or not self.listen():
                    return self.perish()  # what it still asked for is not begun any more
            self.step_sweeps()
        return None

    def perish(self) -> None:
        """The daemon is gone: KILL all that is below, until wait says that nothing is left."""
        limit = time.monotonic() + KILL_SECONDS
        while time.monotonic() < limit:
            with contextlib.suppress(OSError):  # no descriptor for a walk: soon again
                for process in walk():
                    send_signal(process, signal.SIGKILL)
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return
            select.select([self.children], [], [], WALK_SECONDS)
            self.drain()

    def step_sweeps(self) -> None:
        for sweep in list(self.sweeps):
            try:
                over = sweep.step()
            except OSError:  # no descriptor for a walk: soon again
                sweep.due = max(sweep.due, time.monotonic() + 0.05)
                continue
            if over:
                self.sweeps.remove(sweep)
                sweep.done()

    def listen(self) -> bool:
        """Take requests, send what waits; False when the daemon is gone."""
        self.channel.flush()
        try:
            messages = self.channel.receive()
        except (BlockingIOError, MemoryError):
            return True
        except EOFError:
            return False
        for message, descriptors in messages:
            try:
                self.handlers[message["op"]](message, descriptors)
            except Exception as error:
                sys.excepthook(type(error), error, error.__traceback__)
                if message.get("op") == "launch" and "id" in message:
                    self.abandon(message["id"], f"cannot start: {reason(error)}")
            finally:
                close_all(descriptors)
        return True

    def watch(
        self, descriptor: int, callback: Callable[[], None], attempt: Attempt | None = None
    ) -> None:
        self.epoll.register(descriptor, select.EPOLLIN)
        self.watchers[descriptor] = (callback, attempt)

    def unwatch(self, descriptor: int) -> None:
        if descriptor >= 0:
            if self.watchers.pop(descriptor, None):
                self.epoll.unregister(descriptor)
            os.close(descriptor)

    def call(self, descriptor: int) -> None:
        callback, attempt = self.watchers.get(descriptor, (None, None))
        if callback is not None:
            self.guard(callback, attempt)

    def guard(self, callback: Callable[[], None], attempt: Attempt | None) -> None:
        """Run `callback`; a failure in here costs its attempt, not the others."""
        try:
            callback()
        except Exception as error:
            sys.excepthook(type(error), error, error.__traceback__)
            if attempt is not None:
                self.abandon(attempt.name, f"internal error: {reason(error)}")

    def launch(self, job: Message, descriptors: list[int]) -> None:
        """Fork the first process of an attempt; how its exec went is told by a pipe."""
        try:
            if self.stopping is not None:
                raise OSError(errno.ESHUTDOWN, "the launcher is stopping")
            if len(descriptors) != job["fds"]:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            self.fork(job, descriptors)
        except (OSError, ValueError) as error:
            self.abandon(job["id"], f"cannot start a process: {reason(error)}")

    def fork(self, job: Message, descriptors: list[int]) -> None:
        becoming, attempt = Becoming(job, descriptors), Attempt(job["id"], job["env"])
        reading, writing = os.pipe()
        try:
            if reading >= os.sysconf("SC_OPEN_MAX") - RESERVED_DESCRIPTORS:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            attempt.pid = os.fork()
        except OSError:
            close_all((reading, writing))
            raise
        if attempt.pid == 0:
            try:
                becoming.run(writing)
            finally:
                os._exit(127)
        os.close(writing)
        os.set_blocking(reading, False)
        attempt.report = reading
        self.attempts[attempt.name] = self.by_pid[attempt.pid] = attempt
        attempt.pidfd = os.pidfd_open(attempt.pid)
        self.watch(attempt.pidfd, self.reap, attempt)
        self.watch(reading, partial(self.read_report, attempt), attempt)

    def read_report(self, attempt: Attempt) -> None:
        """What the child says before its exec; the end of it means that exec is done."""
        try:
            while part := os.read(attempt.report, 1 << 16):
                attempt.said += part
        except BlockingIOError:
            return
        self.unwatch(attempt.report)
        attempt.report = -1
        said = [record.decode() for record in attempt.said.split(b"\0")]
        attempt.error = "".join(text[1:] for text in said if text.startswith("E"))
        note = "".join(text[1:] for text in said if text.startswith("N"))
        if not attempt.error:
            self.tell("started", attempt.name, pid=attempt.pid, note=note)

    def tell(self, operation: str, name: str, **rest: object) -> None:
        self.channel.send({"op": operation, "id": name, **rest})

    def child_ended(self) -> None:
        """SIGCHLD: an orphan that was adopted, or an attempt not seen by its pidfd yet."""
        self.drain()
        self.reap()

    def drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self.children, 512):
                pass

    def reap(self) -> None:
        """Collect every ended child, by whichever way its end was heard of."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if attempt := self.by_pid.pop(pid, None):
                attempt.status = status
                # maxrss is never below the guardian's own: the kernel counts what was before exec.
                attempt.usage = {
                    "user": usage.ru_utime,
                    "system": usage.ru_stime,
                    "maxrss": usage.ru_maxrss * 1024,
                }
                self.guard(partial(self.settle, attempt), attempt)

    def settle(self, attempt: Attempt) -> None:
        """Report the end of `attempt` once its first process, and a wished end, are over."""
        if attempt.status is None or attempt.sweep in self.sweeps:
            return
        if attempt.report >= 0:
            self.read_report(attempt)
        left = self.left_behind(attempt)
        self.finish(attempt, left, [process.pid for process in left] if attempt.sweep else [])

    def left_behind(self, attempt: Attempt) -> list[Process]:
        """What outlives it; to look closer is dear, so only when there is an orphan at all."""
        if self.by_pid.keys() >= set(child_listing()(os.getpid())):
            return []
        return self.tree(attempt)

    def finish(self, attempt: Attempt, left: list[Process], survivors: list[int]) -> None:
        self.forget(attempt)
        status = None if attempt.error else attempt.status
        ending = {"status": status, "error": attempt.error, **attempt.usage, "left": len(left)}
        self.tell("ended", attempt.name, **ending, survivors=survivors)

    def forget(self, attempt: Attempt) -> None:
        self.attempts.pop(attempt.name, None)
        self.by_pid.pop(attempt.pid, None)
        self.unwatch(attempt.pidfd)
        self.unwatch(attempt.report)
        attempt.pidfd = attempt.report = -1

    def abandon(self, name: str, text: str) -> None:
        """A failed start, or a failure in here: what there is of it is killed."""
        attempt = self.attempts.get(name)
        if attempt is not None:
            if attempt.pid in self.by_pid:
                os.kill(attempt.pid, signal.SIGKILL)  # a child not reaped: its pid is its own
            self.forget(attempt)
        self.tell("ended", name, status=None, error=text)

    def tree(self, attempt: Attempt) -> list[Process]:
        """The live processes of `attempt`: below its first one, in its session, or marked."""
        family: set[int] = set()
        members = []
        for process in walk(self.by_pid.keys() - {attempt.pid}):
            if attempt.owns(process, family):
                family.add(process.pid)
                attempt.members[process.pid] = process.start
                if process.live:
                    members.append(process)
        return members

    def end(self, message: Message, _: list[int]) -> None:
        """End the tree of one attempt; an unknown one has ended already."""
        if attempt := self.attempts.get(message["id"]):
            self.sweep_attempt(attempt, message["grace"])

    def sweep_attempt(self, attempt: Attempt, grace: float) -> None:
        if attempt.sweep is not None:
            attempt.sweep.hasten(grace)
            return
        attempt.sweep = Sweep(partial(self.tree, attempt), partial(self.settle, attempt), grace)
        self.sweeps.append(attempt.sweep)
        attempt.sweep.begin()

    def stop(self, message: Message, _: list[int]) -> None:
        """End every attempt and every orphan; each of them is told once."""
        for attempt in list(self.attempts.values()):
            self.sweep_attempt(attempt, message["grace"])
        if self.stopping is not None:
            self.stopping.hasten(message["grace"])
            return
        told = {process.pid for sweep in self.sweeps for process in sweep.known}
        self.stopping = Sweep(self.everything, self.stopped, message["grace"])
        self.sweeps.append(self.stopping)
        self.stopping.begin(told)

    def everything(self) -> list[Process]:
        return [process for process in walk() if process.live]

    def stopped(self) -> None:
        """Whatever could not be killed by now is named."""
        self.reap()
        for attempt in list(self.attempts.values()):
            left = self.tree(attempt)
            self.finish(attempt, left, [process.pid for process in left])
        survivors = [process.pid for process in self.everything()]
        self.channel.send({"op": "stopped", "survivors": survivors})
        self.finished = True


def isolate(stream: int) -> None:
    """Own session, no signal but SIGCHLD heard, no descriptor but the standard ones and `stream`.

    Signals are blocked, not ignored: an ignored TERM would be lost to a child on its way to exec.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals() - {signal.SIGCHLD})
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    if os.getsid(0) != os.getpid():
        os.setsid()
    os.chdir("/")
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != stream:
            with contextlib.suppress(OSError):
                os.close(int(name))
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    os.set_inheritable(stream, False)


def main(stream: int) -> int:
    """Exit status: 0 after a stop or the end of the daemon, 1 when it is not safe to start."""
    isolate(stream)
    channel = Channel(socket.socket(fileno=stream))
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    said = self_test() if os.geteuid() == 0 else PROVEN
    if said != PROVEN:
        channel.send({"op": "refused", "error": said})
        return 1
    guardian = Guardian(channel)
    channel.send({"op": "ready"})
    guardian.run()
    return 0
