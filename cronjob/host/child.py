"""Wraps what lies between fork(2) and execve(2): a command on its way to its program."""

from __future__ import annotations

import errno
import fcntl
import os
import resource

from cronjob.host.channel import encoded
from cronjob.host.processes import ask_for_death_signal, unblock_signals

TYPE_CHECKING = False  # typing itself is not worth its memory in the guardian
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, NoReturn

    from cronjob.host.channel import Message

    #: What it is for, as an error calls it; what to call; with what.
    Step = tuple[str, Callable[..., object], tuple[Any, ...]]

NOBODY = 65534
PROVEN = "ok"  #: what the self-test says when root stays out of reach


def reason(error: BaseException) -> str:
    """Why, in words without the errno number."""
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__


class Becoming:
    """A command on its way from fork to exec; each step is named in the error it may end with.

    It is made before the fork, so that a request which cannot be read costs no process and the
    child, for which every page it touches is copied, has little to do. `cgroup` is the
    cgroup.procs file of the attempt's own group, empty without one.
    """

    def __init__(self, job: Message, descriptors: Sequence[int], cgroup: str = "") -> None:
        self.parent = os.getpid()
        self.report = -1  #: write end of the pipe that closes at exec
        self.output, *rest = descriptors
        self.stdin = rest.pop(0) if job.get("stdin") else -1  #: -1: the guardian's /dev/null
        self.tokens = (rest[0], rest[1]) if rest else None
        self.token_numbers: Sequence[int] = job.get("tokens") or ()
        self.cgroup = cgroup
        self.argv = [encoded(word) for word in job["argv"]]
        self.direct = [encoded(word) for word in job.get("direct") or ()]
        self.environment = {encoded(key): encoded(text) for key, text in job["env"].items()}
        self.cwd: str = job["cwd"]
        self.user = (int(job["uid"]), int(job["gid"]), [int(group) for group in job["groups"]])
        self.umask = int(job["umask"])
        self.nice: int | None = job.get("nice")
        rlimits = [(int(kind), int(soft), int(hard)) for kind, soft, hard in job.get("rlimits", ())]
        first = bool(job.get("limits_first"))
        self.limits = rlimits if first else []  #: number of the resource, soft and hard
        self.own_limits = [] if first else rlimits  #: the same, set by the user itself
        if not self.argv:
            raise ValueError("there is no program to execute")
        self.steps = [*self.steps_as_root(job), *self.steps_as_user(job)]

    def steps_as_root(self, job: Message) -> Iterator[Step]:
        """Up to the change of user; most are one system call without any Python around it."""
        yield "start a session", os.setsid, ()
        streams = "set standard input and output"
        if self.stdin >= 0:
            yield streams, os.dup2, (self.stdin, 0)
        yield streams, os.dup2, (self.output, 1)
        yield streams, os.dup2, (self.output, 2)
        if self.tokens is not None:
            yield streams, self.take_tokens, self.tokens
        if self.cgroup:
            yield "enter its cgroup", self.enter_cgroup, ()
        for kind, soft, hard in self.limits:
            yield "set its limits", resource.setrlimit, (kind, (soft, hard))
        if self.nice is not None:
            yield "set its limits", os.setpriority, (os.PRIO_PROCESS, 0, self.nice)
        for step, arguments in credential_steps(*self.user):
            yield f"become user {job['uid']} and group {job['gid']}", step, arguments

    def steps_as_user(self, job: Message) -> Iterator[Step]:
        """From there to the program."""
        yield "set the umask", os.umask, (self.umask,)
        for kind, soft, hard in self.own_limits:
            yield "set its limits", resource.setrlimit, (kind, (soft, hard))
        yield "enter a directory", self.enter, (encoded(self.cwd),)
        yield "ask for the death signal", ask_for_death_signal, ()
        yield "ask for the death signal", self.leave_without_parent, ()
        # Only now: a TERM that came on the way was kept and ends the command, not lost.
        yield "set the signals", unblock_signals, ()
        if self.direct and b"PWD" not in self.environment:  # else a shell would look at it
            yield "execute directly", self.execute_directly, ()
        yield f"execute {job['argv'][0]}", os.execve, (self.argv[0], self.argv, self.environment)

    def start(self, report: int) -> int:
        """The pid of a new process on this way; `report` is its end of the pipe to say how."""
        pid = os.fork()
        if pid == 0:
            try:
                self.run(report)
            finally:
                os._exit(127)
        return pid

    def run(self, report: int) -> NoReturn:
        """The child's part; it comes back never."""
        self.report = report
        for name, step, arguments in self.steps:
            try:
                step(*arguments)
            except BaseException as error:
                self.tell(b"E", f"cannot {name}: {reason(error)}")
                break
        os._exit(127)

    def tell(self, kind: bytes, text: str) -> None:
        """One record for the guardian: E for an error, N for a note."""
        os.write(self.report, kind + text.encode("utf-8", "replace")[:8192] + b"\0")

    def take_tokens(self, *tokens: int) -> None:
        """The guardian may have anything open at those numbers, the report not least."""
        above = max(self.token_numbers) + 1
        if self.report < above:
            self.report = duplicate(self.report, above)
        copies = [duplicate(descriptor, above) for descriptor in tokens]
        for copy, number in zip(copies, self.token_numbers, strict=True):
            os.dup2(copy, number)

    def enter_cgroup(self) -> None:
        descriptor = os.open(self.cgroup, os.O_WRONLY | os.O_CLOEXEC)
        os.write(descriptor, b"0")
        os.close(descriptor)

    def enter(self, directory: bytes) -> None:
        try:
            os.chdir(directory)
        except OSError as error:
            os.chdir("/")
            self.tell(b"N", f"cannot enter {self.cwd}: {reason(error)}; started in /")

    def leave_without_parent(self) -> None:
        """A parent that was gone before the death signal was asked for is not noticed by it."""
        if os.getppid() != self.parent:
            os._exit(127)

    def execute_directly(self) -> None:
        """Without a shell, as a shell would; it comes back when a shell has to decide.

        The first word is searched on the PATH (POSIX XCU 2.9.1.4), and PWD is set as `sh` sets it.
        """
        try:
            here = os.getcwdb()
        except OSError:
            return
        if not here.startswith(b"/"):
            return  # it cannot be reached from here
        environment = {**self.environment, b"PWD": here}
        for path in self.places(self.direct[0]):
            try:
                os.execve(path, self.direct, environment)
            except OSError as error:
                gone = error.errno == errno.ENOTDIR
                if not gone and (error.errno != errno.ENOENT or os.access(path, os.F_OK)):
                    return  # it is there: not executable, a script without `#!`, ...

    def places(self, word: bytes) -> Iterator[bytes]:
        """Where `word` may be, up to an entry of PATH that shells write in different ways."""
        if b"/" in word:
            yield word
            return
        for directory in self.environment.get(b"PATH", b"").split(b":"):
            if not directory:
                return  # the current directory
            yield directory + b"/" + word


def duplicate(descriptor: int, above: int) -> int:
    """A copy with a number not below `above`, closed at exec."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, above)


def credential_steps(
    uid: int, gid: int, groups: Sequence[int]
) -> Iterator[tuple[Callable[..., object], tuple[Any, ...]]]:
    """How to become that user for good."""
    if os.geteuid() == 0:
        yield os.setgroups, (groups,)
        yield os.setresgid, (gid, gid, gid)
        yield os.setresuid, (uid, uid, uid)
    yield check_credentials, (uid, gid)


def check_credentials(uid: int, gid: int) -> None:
    """Nothing is taken on trust, because -1 means "leave it" to those calls."""
    if os.getresuid() != (uid, uid, uid) or os.getresgid() != (gid, gid, gid):
        raise OSError(errno.EPERM, "the launcher does not run as root")


def take_credentials(uid: int, gid: int, groups: Sequence[int]) -> None:
    """Become that user, as a command does."""
    for step, arguments in credential_steps(uid, gid, groups):
        step(*arguments)


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
