"""Wraps what lies between fork(2) and execve(2): a command on its way to its program."""

from __future__ import annotations

import errno
import os
import signal

from cronjob.host.channel import encoded
from cronjob.host.processes import PR_SET_PDEATHSIG, prctl

TYPE_CHECKING = False  # typing itself is not worth its memory in the guardian
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from cronjob.host.channel import Message

NOBODY = 65534
PROVEN = "ok"  #: what the self-test says when root stays out of reach


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
        self.user = (int(job["uid"]), int(job["gid"]), [int(group) for group in job["groups"]])
        self.umask = int(job["umask"])
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
