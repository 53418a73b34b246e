"""Wraps /proc and prctl(2): the processes below this one, found and signalled without mix-ups."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
import time

TYPE_CHECKING = False  # typing itself is not worth its memory in the guardian
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SIGSET_BYTES = 128  #: of a sigset_t in glibc and musl
TICKS = os.sysconf("SC_CLK_TCK")  #: of /proc in a second

_libc = ctypes.PyDLL(None, use_errno=True)  # there is one thread; to let others run costs
_libc.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
_libc.signalfd.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int)

#: The same for a forked child: keeping errno and converting arguments touches some 30 pages, and
#: each of them is a page fault there, 100 us in all.
_bare = ctypes.PyDLL(None)
_prctl, _sigprocmask = _bare.prctl, _bare.sigprocmask
_DEATH_SIGNAL = (PR_SET_PDEATHSIG, *map(ctypes.c_ulong, (signal.SIGKILL, 0, 0, 0)))
_NO_SIGNALS = (int(signal.SIG_SETMASK), bytes(SIGSET_BYTES), None)


def prctl(option: int, value: int) -> None:
    """prctl(2), which the standard library lacks."""
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def ask_for_death_signal() -> None:
    """SIGKILL for this process when the thread that forked it ends; meant for a forked child."""
    if _prctl(*_DEATH_SIGNAL) != 0:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def unblock_signals() -> None:
    """An empty signal mask; `signal.pthread_sigmask` would build a set of all that were blocked."""
    if _sigprocmask(*_NO_SIGNALS) != 0:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def child_signals() -> int:
    """A descriptor that can be read when a child has ended: signalfd(2) of a blocked SIGCHLD.

    The standard library of Python 3.11 lacks it; a handler would cost each end of a child an
    interrupted wait, and a system call more to write down that it came.
    """
    mask = (1 << (signal.SIGCHLD - 1)).to_bytes(SIGSET_BYTES, sys.byteorder)
    descriptor = int(_libc.signalfd(-1, mask, os.O_NONBLOCK | os.O_CLOEXEC))
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return descriptor


class Process:
    """A line of /proc/PID/stat; `start` (ticks since boot) tells a reused pid from the first."""

    __slots__ = ("_empty", "_headless", "live", "parent", "pid", "session", "start")

    def __init__(self, pid: int, fields: Sequence[bytes]) -> None:
        self.pid = pid
        # A first thread that has ended is a zombie while the others go on.
        ended = fields[0] in (b"Z", b"X", b"x")
        self._headless = ended and int(fields[17]) > 1
        self.live = not ended or self._headless
        self.parent = int(fields[1])
        self.session = int(fields[3])
        self.start = int(fields[19])
        # Where its environment begins and ends: zeros in the middle of an exec, and for strangers.
        self._empty = len(fields) > 48 and fields[47] == fields[48] != b"0"

    def environment(self) -> set[bytes] | None:
        """What it was executed with, as far as this may be read; None in the middle of an exec."""
        if self._empty or not self.live:
            return set()
        text = proc_file(f"/proc/{self.pid}/environ") or self._environment_of_a_thread()
        return set(text.split(b"\0")) - {b""} if text or not self._has_program() else None

    def _has_program(self) -> bool:
        """Not so of the kernel's own, of one that is ending, and, to see, of a stranger."""
        try:
            os.readlink(f"/proc/{self.pid}/exe")
        except OSError:
            return False
        return True

    def _environment_of_a_thread(self) -> bytes:
        """The same from a thread that goes on, when the first one has ended and shows none."""
        if not self._headless:
            return b""
        threads = (f"/proc/{self.pid}/task/{task}/environ" for task in threads_of(self.pid))
        return next(filter(None, map(proc_file, threads)), b"")


def boot_ticks() -> int:
    """Now, in the unit and since the beginning of `Process.start`."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * TICKS)


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


def threads_of(pid: int) -> list[str]:
    """The ids of its threads; none when there is no such process."""
    try:
        return os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return []


def children_of(pid: int) -> list[int]:
    """The children of `pid`, ended but unreaped ones included."""
    files = (proc_file(f"/proc/{pid}/task/{task}/children") for task in threads_of(pid))
    return [int(child) for text in files for child in text.split()]


def children_by_scan() -> Callable[[int], list[int]]:
    """`children_of` for kernels without the `children` files: one look at every process."""
    table: dict[int, list[int]] = {}
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        if process := read_process(pid):
            table.setdefault(process.parent, []).append(pid)
    return lambda pid: table.get(pid, [])


def child_listing() -> Callable[[int], list[int]]:
    """The cheapest way this kernel has to list the children of a pid."""
    here = os.getpid()
    by_file = os.path.exists(f"/proc/{here}/task/{here}/children")
    return children_of if by_file else children_by_scan()


def walk(spare: Collection[int] = ()) -> list[Process]:
    """Every descendant of this process, parents first, without `spare` and what is below them.

    A listed child must name the process it was listed under, or this one (which inherits
    orphans), as its parent: so a pid that was reused meanwhile is not followed.
    """
    here = os.getpid()
    found: dict[int, Process] = {}
    complete = False
    while not complete:
        # A parent that ends during a pass hands its children over to this process, perhaps after
        # they were looked for here: so look again until nobody new is found.
        complete = True
        listing = child_listing()
        parents = [here]
        for parent in parents:
            for pid in listing(parent):
                process = None if pid in found or pid in spare else read_process(pid)
                if process is not None and process.parent in (parent, here):
                    found[pid] = process
                    parents.append(pid)
                    complete = False
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
