"""Wraps /proc and prctl(2): the processes below this one, found and signalled without mix-ups."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

TYPE_CHECKING = False  # typing itself is not worth its memory in the guardian
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SIGSET_BYTES = 128  #: of a sigset_t in glibc and musl

_libc = ctypes.PyDLL(None, use_errno=True)  # there is one thread; to let others run costs
_libc.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
_libc.sigprocmask.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_libc.signalfd.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int)


def prctl(option: int, value: int) -> None:
    """prctl(2), which the standard library lacks."""
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def unblock_signals() -> None:
    """An empty signal mask; `signal.pthread_sigmask` would build a set of all that were blocked."""
    if _libc.sigprocmask(signal.SIG_SETMASK, bytes(SIGSET_BYTES), None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


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
