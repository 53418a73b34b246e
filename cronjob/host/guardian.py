"""Wraps fork, exec, wait and kill: the small process that is the parent of every job.

It runs as a script (`python -I -S guardian.py FD`) without the package on its path, so it
imports the standard library only, and little of it: what it weighs is copied at every fork. One
thread and one epoll loop, because PR_SET_PDEATHSIG is bound to the forking thread. The daemon
imports this file too, for `Channel` and for the walk over /proc.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from collections import deque
from functools import partial

TYPE_CHECKING = False  # typing itself is not worth its memory here
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from typing import Any, NoReturn

    Message = dict[str, Any]

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
NOBODY = 65534
KILL_SECONDS = 5.0  #: how long a tree is killed again and again before what is left is named
WALK_SECONDS = 0.003  #: pause between two walks while killing
RESERVED_DESCRIPTORS = 8  #: kept free, so that a full table never stops a walk over /proc
INT = struct.Struct("i")  #: a descriptor as SCM_RIGHTS carries it
PROVEN = "ok"  #: what the self-test says when root stays out of reach

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)


def prctl(option: int, value: int) -> None:
    """prctl(2), which the standard library lacks."""
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Channel:
    """JSON messages, each with its descriptors, over a stream socket; never blocks.

    A frame is four bytes of length (big-endian) and JSON in ASCII, so that surrogates, which
    stand for raw bytes, pass. Descriptors travel with the first byte of their frame.
    """

    def __init__(self, stream: socket.socket) -> None:
        stream.setblocking(False)
        self.socket = stream
        self._inbox = bytearray()
        self._bundles: deque[list[int]] = deque()  # one per message that carries descriptors
        self._outbox: deque[tuple[memoryview, Sequence[int]]] = deque()

    @property
    def unsent(self) -> bool:
        """Whether something waits for room in the socket."""
        return bool(self._outbox)

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Queue `message` and send what fits; `descriptors` are closed once they are sent."""
        body = json.dumps(message | {"fds": len(descriptors)} if descriptors else message)
        frame = len(body).to_bytes(4, "big") + body.encode("ascii")
        self._outbox.append((memoryview(frame), descriptors))
        self.flush()

    def flush(self) -> None:
        """Send what fits. A broken socket drops the rest: its end is seen by reading."""
        while self._outbox:
            frame, descriptors = self._outbox[0]
            try:
                sent = socket.send_fds(self.socket, [frame], list(descriptors))
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.ETOOMANYREFS):
                    self._drop()
                return
            self._outbox.popleft()
            close_all(descriptors)
            if sent < len(frame):
                self._outbox.appendleft((frame[sent:], ()))

    def receive(self) -> list[tuple[Message, list[int]]]:
        """Read once: the complete messages with their descriptors.

        EOFError at the end, BlockingIOError when there is nothing to read. The kernel never mixes
        the descriptors of two messages in one read. A bundle shorter than `fds` says means that
        this process ran out of descriptors.
        """
        room = socket.CMSG_SPACE(8 * 4)
        try:  # not socket.recv_fds: it ignores its flags, so that every job would get these
            data, ancillary, flags, _ = self.socket.recvmsg(1 << 16, room, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            raise
        except OSError as error:
            raise EOFError from error
        descriptors = [number for _, _, raw in ancillary for (number,) in INT.iter_unpack(raw)]
        if descriptors or flags & socket.MSG_CTRUNC:
            self._bundles.append(descriptors)
        if not data:
            raise EOFError
        self._inbox += data
        return self._complete()

    def _complete(self) -> list[tuple[Message, list[int]]]:
        messages = []
        while len(self._inbox) >= 4:
            end = 4 + int.from_bytes(self._inbox[:4], "big")
            if len(self._inbox) < end:
                break
            body = bytes(self._inbox[4:end])
            del self._inbox[:end]
            try:
                message = json.loads(body)
                carries = message.get("fds", 0)
            except (ValueError, AttributeError):
                continue
            bundle = self._bundles.popleft() if carries and self._bundles else []
            messages.append((message, bundle))
        return messages

    def _drop(self) -> None:
        while self._outbox:
            close_all(self._outbox.popleft()[1])

    def close(self) -> None:
        """Close the socket and every descriptor that still waits."""
        self._drop()
        while self._bundles:
            close_all(self._bundles.popleft())
        self.socket.close()


def close_all(descriptors: Iterable[int]) -> None:
    """Close each of `descriptors`."""
    for descriptor in descriptors:
        os.close(descriptor)


class Process:
    """A line of /proc/PID/stat; `start` (ticks since boot) tells a reused pid from the first."""

    __slots__ = ("live", "parent", "pid", "session", "start")

    def __init__(self, pid: int, fields: Sequence[bytes]) -> None:
        self.pid = pid
        # A first thread that has ended is a zombie while the others go on.
        self.live = fields[0] not in (b"Z", b"X", b"x") or int(fields[17]) > 1
        self.parent = int(fields[1])
        self.session = int(fields[3])
        self.start = int(fields[19])


def proc_file(path: str) -> bytes:
    """The whole file; empty when its process is gone or not ours to read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
    try:
        parts = []
        while part := os.read(descriptor, 1 << 16):
            parts.append(part)
        return b"".join(parts)
    except (ProcessLookupError, PermissionError):
        return b""
    finally:
        os.close(descriptor)


def read_process(pid: int) -> Process | None:
    """The process `pid`, None when there is none."""
    fields = proc_file(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return Process(pid, fields) if len(fields) > 19 else None


def children_of(pid: int) -> list[int]:
    """The children of `pid`, ended but unreaped ones included."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return []
    files = (proc_file(f"/proc/{pid}/task/{task}/children") for task in tasks)
    return [int(child) for text in files for child in text.split()]


def children_by_scan() -> Callable[[int], list[int]]:
    """`children_of` for kernels without the `children` files: one look at every process."""
    table: dict[int, list[int]] = {}
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        if process := read_process(pid):
            table.setdefault(process.parent, []).append(pid)
    return lambda pid: table.get(pid, [])


def walk(spare: Collection[int] = ()) -> list[Process]:
    """Every descendant of this process, parents first, without `spare` and what is below them.

    A listed child must name the process it was listed under, or this one (which inherits
    orphans), as its parent: so a pid that was reused meanwhile is not followed.
    """
    here = os.getpid()
    by_file = os.path.exists(f"/proc/{here}/task/{here}/children")
    listing = children_of if by_file else children_by_scan()
    found: dict[int, Process] = {}
    parents = [here]
    for parent in parents:
        for pid in listing(parent):
            process = None if pid in found or pid in spare else read_process(pid)
            if process is not None and process.parent in (parent, here):
                found[pid] = process
                parents.append(pid)
    return list(found.values())


def still_live(process: Process) -> bool:
    """Whether `process` itself, not another with its pid, is alive."""
    now = read_process(process.pid)
    return now is not None and now.start == process.start and now.live


def send_signal(process: Process, number: int) -> None:
    """Signal `process`, never another that got its pid: pin it, compare, then signal."""
    try:
        pidfd = os.pidfd_open(process.pid)
    except OSError:
        return  # whoever is still there is met by the next walk
    try:
        now = read_process(process.pid)
        if now is not None and now.start == process.start:
            signal.pidfd_send_signal(pidfd, number)
    except OSError:
        return
    finally:
        os.close(pidfd)


def take_credentials(uid: int, gid: int, groups: Sequence[int]) -> None:
    """Become that user for good; verified, because -1 means "leave it" to these calls."""
    if os.geteuid() == 0:
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    if os.getresuid() != (uid,) * 3 or os.getresgid() != (gid,) * 3:
        raise OSError(errno.EPERM, "the launcher does not run as root")


def regain_root() -> str:
    """Drop root as a job does, then try to get it back; PROVEN when that fails."""
    try:
        take_credentials(NOBODY, NOBODY, ())
    except OSError:
        return PROVEN  # no job of another user can start here at all
    attempts: dict[str, Callable[[], None]] = {
        "setresuid": lambda: os.setresuid(0, 0, 0),
        "setresgid": lambda: os.setresgid(0, 0, 0),
        "setgroups": lambda: os.setgroups([0]),
    }
    for name, attempt in attempts.items():
        try:
            attempt()
        except PermissionError:
            continue
        return f"a job could become root again: {name} succeeded after dropping root"
    return PROVEN


def self_test() -> str:
    """`regain_root` in a child; what it says, never empty."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, regain_root().encode())
        finally:
            os._exit(0)
    os.close(writing)
    said = os.read(reading, 4096).decode()
    os.close(reading)
    os.waitpid(pid, 0)
    return said or "the self-test of dropping root said nothing"


def encoded(text: str) -> bytes:
    """`text` as the bytes it came from, whatever the locale."""
    return text.encode("utf-8", "surrogateescape")


def reason(error: BaseException) -> str:
    """Why, in words without the errno number."""
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__


class Becoming:
    """A command on its way from fork to exec; each step is named in the error it may end with.

    It is made before the fork, so that a request which cannot be read costs no process.
    """

    def __init__(self, job: Message, descriptors: Sequence[int]) -> None:
        self.descriptors = descriptors
        self.parent = os.getpid()
        self.report = -1  #: write end of the pipe that closes at exec
        self.argv = [encoded(word) for word in job["argv"]]
        self.environment = {encoded(key): encoded(text) for key, text in job["env"].items()}
        self.cwd: str = job["cwd"]
        self.user: tuple[int, int, list[int]] = (job["uid"], job["gid"], job["groups"])
        self.umask: int = job["umask"]
        self.steps: dict[str, Callable[[], None]] = {
            "start a session": os.setsid,
            "set standard input and output": self.take_descriptors,
            f"become user {job['uid']} and group {job['gid']}": self.take_user,
            "set the signals": self.reset_signals,
            "enter a directory": self.enter,
            "ask for the death signal": self.die_with_parent,
            f"execute {job['argv'][0]}": self.execute,
        }

    def run(self, report: int) -> NoReturn:
        """The child's part; it comes back never."""
        self.report = report
        for name, step in self.steps.items():
            try:
                step()
            except BaseException as error:
                self.tell(b"E", f"cannot {name}: {reason(error)}")
                break
        os._exit(127)

    def tell(self, kind: bytes, text: str) -> None:
        """One record for the guardian: E for an error, N for a note."""
        os.write(self.report, kind + text.encode("utf-8", "replace")[:8192] + b"\0")

    def take_descriptors(self) -> None:
        output, *rest = self.descriptors
        if rest:
            os.dup2(rest[0], 0)  # without text it stays the guardian's own /dev/null
        os.dup2(output, 1)
        os.dup2(output, 2)

    def take_user(self) -> None:
        take_credentials(*self.user)
        os.umask(self.umask)

    def reset_signals(self) -> None:
        """The guardian blocks what it must not hear and handles only SIGCHLD."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def enter(self) -> None:
        try:
            os.chdir(encoded(self.cwd))
        except OSError as error:
            os.chdir("/")
            self.tell(b"N", f"cannot enter {self.cwd}: {reason(error)}; started in /")

    def die_with_parent(self) -> None:
        """After the credentials, which clear it; a parent gone before it is not noticed by it."""
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self.parent:
            os._exit(127)

    def execute(self) -> None:
        # Only now: a TERM that came on the way was kept and ends the job, not lost.
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.execve(self.argv[0], self.argv, self.environment)


class Attempt:
    """One started command: its first process and what is known of it."""

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        self.name = name
        self.pid = -1
        self.pidfd = -1
        self.report = -1  #: read end of the pipe which closes at exec; -1 once it is read
        self.said = b""
        self.error = ""
        self.status: int | None = None
        self.usage: Message = {}
        self.sweep: Sweep | None = None
        names = ("CRONJOB_RUN", "CRONJOB_ATTEMPT")
        marks = [encoded(f"{key}={environment[key]}") for key in names if key in environment]
        self.marks = frozenset(marks if len(marks) == len(names) else ())

    def owns(self, process: Process, family: Collection[int]) -> bool:
        """Whether `process`, no other attempt's first one nor below it, belongs to this."""
        if process.parent in family or process.session == self.pid:
            return True
        if self.status is None and process.pid == self.pid:
            return True
        if not self.marks:
            return False
        return self.marks <= set(proc_file(f"/proc/{process.pid}/environ").split(b"\0"))


class Sweep:
    """Ends processes: TERM, a grace, then KILL and look again until none is left."""

    def __init__(
        self, members: Callable[[], list[Process]], done: Callable[[], None], grace: float
    ) -> None:
        self.members = members
        self.done = done
        self.due = time.monotonic() + max(grace, 0.0)  #: when to look again at the latest
        self.limit: float | None = None  #: monotonic end of killing, once that has begun
        self.known: list[Process] = []

    def begin(self, told: Collection[int] = ()) -> None:
        """TERM to all but the pids that were `told` before: some take a second one for haste."""
        self.known = self.members()
        if self.due > time.monotonic():
            for process in self.known:
                if process.pid not in told:
                    send_signal(process, signal.SIGTERM)

    def hasten(self, grace: float) -> None:
        """Another wish to end: the shorter grace counts."""
        if self.limit is None:
            self.due = min(self.due, time.monotonic() + max(grace, 0.0))

    def step(self) -> bool:
        """Go on as far as the time allows; True when it is over."""
        now = time.monotonic()
        if now < self.due and any(map(still_live, self.known)):
            return False  # a whole walk at every reaped child would be dear
        self.known = self.members()
        if not self.known or (self.limit is not None and now >= self.limit):
            return True
        if self.limit is None:
            if now < self.due:
                return False
            self.limit = now + KILL_SECONDS
        for process in self.known:
            send_signal(process, signal.SIGKILL)
        # Quickly at first; what takes longer sits in the kernel.
        self.due = now + max(WALK_SECONDS, (now - self.limit + KILL_SECONDS) / 10)
        return False


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
        if self.by_pid.keys() >= set(children_of(os.getpid())):
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


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
