"""Wraps cgroup v2: a group of its own for every attempt, where the service manager delegates one.

Layout below the delegated group: `supervisor/` holds daemon and guardian, because a group that
hands controllers on may hold no process itself; `attempts/ID` holds one attempt each.
"""

from __future__ import annotations

import contextlib
import os

from cronjob.host.processes import Process, proc_file, read_process

TYPE_CHECKING = False  # typing itself is not worth its memory in the guardian
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

#: systemd sets them on what a unit with Delegate= may manage (systemd.resource-control(5)).
DELEGATION = ("user.delegate", "trusted.delegate")
CONTROLLERS = ("cpu", "memory")  #: those that an entry's fields can use
CPU_PERIOD = 100_000  #: microseconds; the kernel's default for cpu.max


def own_group() -> str | None:
    """The directory of the cgroup v2 group this process is in; None when none can be seen."""
    inside = [line[3:] for line in _lines("/proc/self/cgroup") if line.startswith("0::")]
    for line in _lines("/proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        root, mount = before.split()[3:5]
        if after.startswith("cgroup2 ") and inside and _is_below(inside[0], root):
            return os.path.normpath(mount + "/" + inside[0][len(root.rstrip("/")) :])
    return None


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def delegated_group() -> str | None:
    """The group this process may divide as it likes; None when nobody handed it one."""
    group = own_group()
    if group is None or not _is_handed_over(group):
        return None
    writable = os.access(group, os.W_OK) and os.access(f"{group}/cgroup.procs", os.W_OK)
    return group if writable else None


def _is_handed_over(group: str) -> bool:
    for attribute in DELEGATION:
        with contextlib.suppress(OSError):  # not there, or only root may read it
            if os.getxattr(group, attribute) == b"1":
                return True
    return False


def divide(group: str) -> frozenset[str]:
    """Move what is in `group` to its supervisor/, make attempts/; the controllers in force there.

    Raises `OSError` when the kernel does not allow it.
    """
    for name in ("supervisor", "attempts"):
        os.makedirs(f"{group}/{name}", exist_ok=True)
    for pid in _lines(f"{group}/cgroup.procs"):
        with contextlib.suppress(ProcessLookupError):
            _write(f"{group}/supervisor/cgroup.procs", pid)
    for directory in (group, f"{group}/attempts"):
        for controller in CONTROLLERS:
            with contextlib.suppress(OSError):  # not handed on to here
                _write(f"{directory}/cgroup.subtree_control", f"+{controller}")
    enabled = " ".join(_lines(f"{group}/attempts/cgroup.subtree_control")).split()
    return frozenset(enabled) & frozenset(CONTROLLERS)


def values_of(memory: int | None, cpu: int | None, controllers: Collection[str]) -> dict[str, str]:
    """The files of an attempt's group and what to write there: bytes, and percent of one CPU."""
    values: dict[str, str] = {}
    if memory is not None and "memory" in controllers:
        values |= {"memory.max": str(memory), "memory.oom.group": "1"}
    if cpu is not None and "cpu" in controllers:
        values["cpu.max"] = f"{cpu * CPU_PERIOD // 100} {CPU_PERIOD}"
    return values


def kill_group(group: str) -> None:
    """SIGKILL to all that is in `group` and below (Linux 5.14); one that is gone is dead."""
    with contextlib.suppress(OSError):
        _write(f"{group}/cgroup.kill", "1")


def remove_abandoned(directory: str) -> None:
    """Remove the groups in `directory` that a guardian before left, where nothing lives."""
    with contextlib.suppress(OSError):
        with os.scandir(directory) as listing:
            abandoned = [entry.path for entry in listing if entry.is_dir()]
        for group in abandoned:
            _remove(group)


class AttemptGroup:
    """The group of one attempt: nothing that it forks gets out of it."""

    __slots__ = ("path",)

    def __init__(self, path: str, values: Mapping[str, str]) -> None:
        self.path = path
        os.mkdir(path)
        try:
            for name, value in values.items():
                _write(f"{path}/{name}", value)
        except OSError:
            os.rmdir(path)
            raise

    def entrance(self) -> int:
        """A descriptor; who writes `0` to it is in the group."""
        return os.open(f"{self.path}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)

    def members(self) -> list[Process]:
        """The live processes in here and in groups that the command made below."""
        files = (f"{directory}/cgroup.procs" for directory in _directories(self.path))
        found = (read_process(int(pid)) for file in files for pid in _lines(file))
        return [process for process in found if process is not None and process.live]

    def kill(self) -> None:
        """SIGKILL to all in one stroke, also to those that are just being forked."""
        kill_group(self.path)

    def usage(self) -> dict[str, float]:
        """CPU seconds of all that ran in here; where they are known, the most memory in bytes, and
        how many processes the kernel ended for want of it.
        """
        lines = [line.split() for line in _lines(f"{self.path}/cpu.stat")]
        times = {words[0]: int(words[1]) / 1e6 for words in lines if len(words) == 2}
        keys = {"user": "user_usec", "system": "system_usec"}
        usage = {name: times[key] for name, key in keys.items() if key in times}
        if peak := _lines(f"{self.path}/memory.peak"):
            usage["maxrss"] = int(peak[0])
        events = dict(line.split() for line in _lines(f"{self.path}/memory.events"))
        if killed := int(events.get("oom_kill", 0)):
            usage["oom"] = killed
        return usage

    def remove(self) -> bool:
        """Whether it is gone; it stays while a process is in it."""
        return _remove(self.path)


def _directories(group: str) -> Iterator[str]:
    """This one and those below, the deepest first."""
    for directory, _, _ in os.walk(group, topdown=False):
        yield directory


def _remove(group: str) -> bool:
    try:
        for directory in _directories(group):
            os.rmdir(directory)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _lines(path: str) -> list[str]:
    """The lines of a small file of the kernel; none when it is not there."""
    try:
        return proc_file(path).decode("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []


def _write(path: str, text: str) -> None:
    """One write(2), which is how the kernel takes a value."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
