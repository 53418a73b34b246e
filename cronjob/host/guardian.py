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
import sys
import time
from collections import deque
from functools import partial

from cronjob.host import native
from cronjob.host.belonging import Attempt, Orphans
from cronjob.host.cgroup import AttemptGroup, kill_group
from cronjob.host.channel import Channel, close_all
from cronjob.host.child import Becoming, reason
from cronjob.host.processes import child_listing, child_signals, send_signal, walk
from cronjob.host.sweep import KILL_SECONDS, WALK_SECONDS, Sweep

TYPE_CHECKING = False  # typing itself is not worth its memory in the guardian
if TYPE_CHECKING:
    from collections.abc import Callable

    from cronjob.host.channel import Message
    from cronjob.host.processes import Process

QUICK_SECONDS = 0.02  #: the start of an attempt that ends sooner is told with its end
RESERVED_DESCRIPTORS = 8  #: kept free, so that a full table never stops a walk over /proc


class Guardian:
    """The loop: requests from the daemon, ends of children, due sweeps.

    `program` is the descriptor of the one that takes a child's steps, -1 without it; `groups`
    the directory for the cgroups of attempts, empty without one.
    """

    def __init__(self, channel: Channel, program: int = -1, groups: str = "") -> None:
        self.channel = channel
        self.program = program
        self.groups = groups
        self.grouped = 0  #: cgroups made so far: their names
        self.emptying: list[AttemptGroup] = []  #: of ended attempts that left processes behind
        self.epoll = select.epoll()
        self.reports: dict[int, tuple[Attempt, Becoming]] = {}  #: by descriptor, until read
        self.young: deque[tuple[float, Attempt]] = deque()  #: when to look for its exec
        self.prepared: list[tuple[Attempt, Becoming, list[int]]] = []  #: launches, up to the fork
        self.attempts: dict[str, Attempt] = {}
        self.by_pid: dict[int, Attempt] = {}  #: attempts whose first process is not reaped
        self.orphans = Orphans()
        self.sweeps: list[Sweep] = []
        self.stopping: Sweep | None = None
        self.finished = False
        self.room = 0  #: EPOLLOUT while something waits for room in the socket
        self.children = child_signals()
        self.epoll.register(self.children, select.EPOLLIN)
        self.epoll.register(channel.socket, select.EPOLLIN | select.EPOLLRDHUP)
        self.handlers: dict[str, Callable[[Message, list[int]], None]] = {
            "launch": self.prepare,
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
            for descriptor, events in self.epoll.poll(self.patience()):
                if descriptor == self.children:
                    self.child_ended()
                elif descriptor != stream:
                    self.reported(descriptor)
                elif events & gone or not self.listen():
                    return self.perish()  # what it still asked for is not begun any more
            self.step_sweeps()
            self.look_at_young()
            self.channel.flush()  # all that this pass had to say, in one go
        return None

    def patience(self) -> float | None:
        """Seconds until something is due; None when nothing is."""
        dues = [sweep.due for sweep in self.sweeps]
        if self.young:
            dues.append(self.young[0][0])
        return max(min(dues) - time.monotonic(), 0.0) if dues else None

    def perish(self) -> None:
        """The daemon is gone: KILL all that is below, until wait says that nothing is left."""
        limit = time.monotonic() + KILL_SECONDS
        while time.monotonic() < limit:
            self.kill_groups()
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
        """Take requests; False when the daemon is gone."""
        try:
            messages = self.channel.receive()
        except (BlockingIOError, MemoryError):
            return True
        except EOFError:
            return False
        for message, descriptors in messages:
            try:
                if message["op"] != "launch":
                    self.start_prepared()
                self.handlers[message["op"]](message, descriptors)
            except Exception as error:
                sys.excepthook(type(error), error, error.__traceback__)
                if message.get("op") == "launch" and "id" in message:
                    self.abandon(message["id"], f"cannot start: {reason(error)}")
            finally:
                close_all(descriptors)
        self.start_prepared()
        return True

    def guard(self, callback: Callable[[], None], attempt: Attempt | None) -> None:
        """Run `callback`; a failure in here costs its attempt, not the others."""
        try:
            callback()
        except Exception as error:
            sys.excepthook(type(error), error, error.__traceback__)
            if attempt is not None:
                self.abandon(attempt.name, f"internal error: {reason(error)}")

    def prepare(self, job: Message, descriptors: list[int]) -> None:
        """All of a launch that can be done before its fork; the descriptors are taken over."""
        attempt = Attempt(job["id"], job["env"])
        try:
            if self.stopping is not None:
                raise OSError(errno.ESHUTDOWN, "the launcher is stopping")
            if len(descriptors) != job["fds"]:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            attempt.group = self.make_group(job)
            entrance = f"{attempt.group.path}/cgroup.procs" if attempt.group else ""
            becoming = Becoming(job, descriptors, entrance)
        except (OSError, ValueError) as error:
            self.refuse(attempt, reason(error))
        else:
            self.prepared.append((attempt, becoming, descriptors.copy()))
            descriptors.clear()

    def refuse(self, attempt: Attempt, why: str) -> None:
        self.dismiss_group(attempt)
        self.abandon(attempt.name, f"cannot start a process: {why}")

    def start_prepared(self) -> None:
        """Start what was prepared: forks in a row, because they copy what is written in between."""
        prepared, self.prepared = self.prepared, []
        highest = os.sysconf("SC_OPEN_MAX") - RESERVED_DESCRIPTORS
        refusals = [self.start(attempt, becoming, highest) for attempt, becoming, _ in prepared]
        for (attempt, becoming, descriptors), refusal in zip(prepared, refusals, strict=True):
            close_all(descriptors)
            if refusal:
                self.refuse(attempt, refusal)
                continue
            self.attempts[attempt.name] = self.by_pid[attempt.pid] = attempt
            self.reports[attempt.report] = (attempt, becoming)
            self.young.append((time.monotonic() + QUICK_SECONDS, attempt))

    def start(self, attempt: Attempt, becoming: Becoming, highest: int) -> str:
        """Start the first process of an attempt; how its exec went is told by a pipe.

        Returns why it could not be started. No descriptor of it may be as high as `highest`.
        """
        try:
            reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            return reason(error)
        try:
            if reading >= highest:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            pid = native.try_spawn(self.program, becoming, writing)
            attempt.pid = becoming.start(writing) if pid is None else pid
        except Exception as error:  # whatever it is, it costs this attempt alone
            os.close(reading)
            return reason(error)
        finally:
            os.close(writing)
        attempt.report = reading
        return ""

    def make_group(self, job: Message) -> AttemptGroup | None:
        if not self.groups:
            return None
        self.grouped += 1
        path = f"{self.groups}/{os.getpid()}.{self.grouped}"
        return AttemptGroup(path, job.get("group") or {})

    def look_at_young(self) -> None:
        """Those that are not quick: tell their start, or wait for it."""
        now = time.monotonic()
        while self.young and self.young[0][0] <= now:
            _, attempt = self.young.popleft()
            if attempt.report >= 0:
                self.reported(attempt.report)
            if attempt.report >= 0:
                self.epoll.register(attempt.report, select.EPOLLIN)

    def reported(self, descriptor: int) -> None:
        """A child said something, or is done with its exec."""
        if descriptor in self.reports:
            attempt, becoming = self.reports[descriptor]
            self.guard(partial(self.tell_start, attempt, becoming), attempt)

    def tell_start(self, attempt: Attempt, becoming: Becoming) -> None:
        self.read_report(attempt, becoming)
        if attempt.report < 0 and not attempt.error:
            attempt.told = True
            self.tell("started", attempt.name, pid=attempt.pid, note=attempt.note)

    def read_report(self, attempt: Attempt, becoming: Becoming) -> None:
        """What the child says before its exec; the end of it means that exec is done."""
        try:
            while part := os.read(attempt.report, 1 << 16):
                attempt.said += part
        except BlockingIOError:
            return
        self.close_report(attempt)
        said = [record.decode() for record in native.in_words(attempt.said, becoming).split(b"\0")]
        attempt.error = "".join(text[1:] for text in said if text.startswith("E"))
        attempt.note = "".join(text[1:] for text in said if text.startswith("N"))

    def close_report(self, attempt: Attempt) -> None:
        if self.reports.pop(attempt.report, None):
            # Closed alone it would stay: children that are on their way to exec have copies.
            with contextlib.suppress(FileNotFoundError):  # it was quick
                self.epoll.unregister(attempt.report)
            os.close(attempt.report)
        attempt.report = -1

    def tell(self, operation: str, name: str, **rest: object) -> None:
        self.channel.queue({"op": operation, "id": name, **rest})

    def child_ended(self) -> None:
        """SIGCHLD: first processes of attempts, and orphans that were adopted."""
        self.drain()
        self.reap()

    def drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self.children, 4096):
                pass

    def reap(self) -> None:
        """Collect every ended child; what their attempts left is looked for once for all."""
        ended = []
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            self.orphans.reaped(pid)
            if attempt := self.by_pid.pop(pid, None):
                # maxrss is never below the guardian's own: the kernel counts what was before exec.
                used = {"user": usage.ru_utime, "system": usage.ru_stime}
                attempt.end(status, used | {"maxrss": usage.ru_maxrss * 1024})
                ended.append(attempt)
        if ended:
            self.look_at_orphans()
        for attempt in ended:
            self.guard(partial(self.settle, attempt), attempt)
        self.emptying = [group for group in self.emptying if not group.remove()]

    def look_at_orphans(self) -> None:
        with contextlib.suppress(OSError):  # no descriptor to look with: a stop finds them
            children = set(child_listing()(os.getpid()))
            self.orphans.look(children - self.by_pid.keys(), self.attempts.values())

    def settle(self, attempt: Attempt) -> None:
        """Report the end of `attempt` once its first process, and a wished end, are over."""
        if attempt.status is None or attempt.sweep in self.sweeps:
            return
        if attempt.report >= 0:
            self.read_report(*self.reports[attempt.report])
        if attempt.group is not None:
            attempt.usage |= attempt.group.usage()
        crowded = self.dismiss_group(attempt) or self.orphans.may_be_of(attempt)
        left: list[Process] = []
        with contextlib.suppress(OSError):  # as above: what is known of its end is told
            left = self.tree(attempt) if crowded else []
        self.finish(attempt, left, [process.pid for process in left] if attempt.sweep else [])

    def dismiss_group(self, attempt: Attempt) -> bool:
        """Remove its cgroup; whether that has to wait for processes in there."""
        if attempt.group is None or attempt.group.remove():
            return False
        self.emptying.append(attempt.group)
        return True

    def finish(self, attempt: Attempt, left: list[Process], survivors: list[int]) -> None:
        self.forget(attempt)
        status = None if attempt.error else attempt.status
        ending = {"status": status, "error": attempt.error, **attempt.usage, "left": len(left)}
        if not attempt.told and not attempt.error:
            ending |= {"pid": attempt.pid, "note": attempt.note}
        self.tell("ended", attempt.name, **ending, survivors=survivors)

    def forget(self, attempt: Attempt) -> None:
        self.attempts.pop(attempt.name, None)
        self.by_pid.pop(attempt.pid, None)
        self.close_report(attempt)

    def abandon(self, name: str, text: str) -> None:
        """A failed start, or a failure in here: what there is of it is killed."""
        attempt = self.attempts.get(name)
        if attempt is not None:
            if attempt.pid in self.by_pid:
                os.kill(attempt.pid, signal.SIGKILL)  # a child not reaped: its pid is its own
            attempt.kill()
            self.dismiss_group(attempt)
            self.forget(attempt)
        self.tell("ended", name, status=None, error=text)

    def tree(self, attempt: Attempt) -> list[Process]:
        """Its live processes; another's first one may have got the pid of its own first one."""
        first = {pid for pid, other in self.by_pid.items() if other is not attempt}
        return attempt.tree(first | self.orphans.of_others(attempt))

    def end(self, message: Message, _: list[int]) -> None:
        """End the tree of one attempt; an unknown one has ended already."""
        if attempt := self.attempts.get(message["id"]):
            self.sweep_attempt(attempt, message["grace"])

    def sweep_attempt(self, attempt: Attempt, grace: float) -> None:
        if attempt.sweep is not None:
            attempt.sweep.hasten(grace)
            return
        members, done = partial(self.tree, attempt), partial(self.settle, attempt)
        attempt.sweep = Sweep(members, done, grace, attempt.kill)
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
        self.stopping = Sweep(self.everything, self.stopped, message["grace"], self.kill_groups)
        self.sweeps.append(self.stopping)
        self.stopping.begin(told)

    def kill_groups(self) -> None:
        if self.groups:
            kill_group(self.groups)

    def everything(self) -> list[Process]:
        return [process for process in walk() if process.live]

    def stopped(self) -> None:
        """Whatever could not be killed by now is named."""
        self.reap()
        for attempt in list(self.attempts.values()):
            left = self.tree(attempt)
            self.finish(attempt, left, [process.pid for process in left])
        survivors = [process.pid for process in self.everything()]
        self.channel.queue({"op": "stopped", "survivors": survivors})
        self.finished = True
