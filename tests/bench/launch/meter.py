"""CPU time, processes and memory of a contender and of all that it starts.

A cgroup counts exactly: `cpuacct` and `pids` (v1), or `cpu.stat` and `pids.peak` (v2).
Without one, /proc is summed up over the descendants, to 10 ms for each of them.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.01
#: Joins the cgroups (all but the last arguments up to `--`), then becomes the contender.
JOIN = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit; shift; done; shift; exec "$@"'


class Meter:
    """Measures one contender, from before its start until `close`.

    With `delegate` its v2 group is marked as systemd marks one that a daemon may divide.
    """

    def __init__(self, *, delegate: bool = False) -> None:
        self._v1 = own_folder("cpuacct")
        name = f"cronjob-bench-{os.getpid()}-{time.monotonic_ns()}"
        self._folders: dict[str, Path] = {}
        for kind, parent in (("cpu", self._v1 or own_folder("")), ("pids", own_folder("pids"))):
            if parent is not None:
                with contextlib.suppress(OSError):
                    (parent / name).mkdir()
                    self._folders[kind] = parent / name
        if delegate and (parent := own_folder("")) is not None:
            (parent / name).mkdir(exist_ok=True)
            self._folders["delegated"] = parent / name
            os.setxattr(parent / name, "user.delegate", b"1")
        self.root = 0  #: the pid of the contender
        self._most = 0
        self._over = threading.Event()
        self._sampler: threading.Thread | None = None

    @property
    def method(self) -> str:
        """How CPU time is counted, for people."""
        if "cpu" not in self._folders:
            return "/proc of all descendants"
        return "cgroup v1 cpuacct" if self._v1 else "cgroup v2 cpu.stat"

    def joining(self, argv: list[str]) -> list[str]:
        """The command line that runs `argv` under this meter."""
        folders = [str(folder) for folder in self._folders.values()]
        return ["/bin/sh", "-c", JOIN, "join", *folders, "--", *argv]

    def begin(self, root: int) -> None:
        """The contender runs as process `root`."""
        self.root = root
        if not self._peak_file():
            self._sampler = threading.Thread(target=self._sample, daemon=True)
            self._sampler.start()

    def cpu(self) -> float:
        """Seconds of CPU, user and system, so far."""
        if (folder := self._folders.get("cpu")) is None:
            return sum(map(_cpu_of, descendants(self.root)))
        if self._v1:
            return int((folder / "cpuacct.usage").read_text()) / 1e9
        stat = dict(line.split() for line in (folder / "cpu.stat").read_text().splitlines())
        return int(stat["usage_usec"]) / 1e6

    def most_processes(self) -> int:
        """The most processes and threads that there were at once."""
        return int(peak.read_text()) if (peak := self._peak_file()) else self._most

    def members(self) -> list[int]:
        """The pids of all that live."""
        if folder := next(iter(self._folders.values()), None):
            lists = folder.rglob("cgroup.procs")
            return [int(pid) for procs in lists for pid in procs.read_text().split()]
        return descendants(self.root)

    def close(self) -> None:
        """End whatever is left of the contender, once its first process is reaped."""
        self._over.set()
        if self._sampler is not None:
            self._sampler.join()
        limit = time.monotonic() + 10
        # Without a group nobody knows what is left, and the root's pid may be another's by now.
        while self._folders and (left := self.members()) and time.monotonic() < limit:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(SAMPLE_SECONDS)
        for folder in self._folders.values():
            for inner in sorted((folder, *folder.rglob("*/")), reverse=True):
                with contextlib.suppress(OSError):
                    inner.rmdir()

    def _peak_file(self) -> Path | None:
        folder = self._folders.get("pids")
        return folder / "pids.peak" if folder and (folder / "pids.peak").exists() else None

    def _sample(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self._most = max(self._most, len(descendants(self.root)))


def own_folder(controller: str) -> Path | None:
    """The folder of this process in a v1 hierarchy, or in the v2 one for an empty name."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(",") if controller else not names:
            places = [CGROUPS / controller] if controller else [CGROUPS / "unified", CGROUPS]
            for place in places:
                folder = place / path.lstrip("/")
                if (folder / "cgroup.procs").exists() and os.access(folder, os.W_OK):
                    return folder
    return None


def descendants(root: int) -> list[int]:
    """`root` and all below it."""
    found = [root]
    for pid in found:
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def held_open(pids: Iterable[int]) -> set[str]:
    """The names of the files that any of these processes has open."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    found.add(str(descriptor.readlink()))
    return found


def resident(pid: int, what: str = "VmRSS") -> int:
    """Bytes of memory of one process: `VmRSS` now, `VmHWM` at its highest."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{what}:"):
                return int(line.split()[1]) * 1024
    return 0


def process_cpu(pid: int) -> float:
    """Seconds of CPU of one process alone, to 10 ms."""
    return sum(_times(pid)[:2]) / TICKS


def _cpu_of(pid: int) -> float:
    """Of a process and of those below it that were reaped."""
    return sum(_times(pid)) / TICKS


def _times(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return [int(number) for number in fields[11:15]]
    return [0, 0, 0, 0]


@contextlib.contextmanager
def metered(*, delegate: bool = False) -> Iterator[Meter]:
    """A meter that is closed at the end."""
    meter = Meter(delegate=delegate)
    try:
        yield meter
    finally:
        meter.close()
