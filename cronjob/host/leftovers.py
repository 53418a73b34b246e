"""Ends what a killed daemon left behind when its launcher was killed with it.

A launcher that loses its daemon ends all that is below it, and itself; so it is waited for.  If it
is dead too, what it had started is below another process now, and has to be looked for among all
that there are: by pid, by session, by the badge in the environment, and by who started whom.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from cronjob.core.found import OpenAttempt, ProcessKey
from cronjob.host.cgroup import kill_group
from cronjob.host.channel import encoded
from cronjob.host.guardian_process import SCRIPT
from cronjob.host.processes import Process, proc_file, read_process, send_signal
from cronjob.host.sweep import KILL_SECONDS, WALK_SECONDS

LAUNCHER_SECONDS = KILL_SECONDS + 1.0  #: a launcher without a daemon is over by then
CLEAN_LOOKS = 2  #: in a row: who forks while he is looked for is met by the second one
DOUBT_SECONDS = 2.0  #: for those in the middle of an exec, which show no environment yet


@dataclass(frozen=True, slots=True)
class Swept:
    """What was found of a daemon before."""

    ended: int = 0  #: processes
    survivors: tuple[int, ...] = ()  #: pids of those that could not be ended


async def end_leftovers(
    attempts: Sequence[OpenAttempt], launcher: ProcessKey | None, groups: str = ""
) -> Swept:
    """End what is left of `attempts` of this boot, at most 5 s after their `launcher` is dead.

    `groups` is the directory of the cgroups of attempts, in which nothing has been started yet.
    """
    if launcher is not None:
        await _outlive(launcher)
    if not attempts:
        return Swept()
    if groups:
        kill_group(groups)
    return await _end_all(_Search(attempts))


async def _outlive(launcher: ProcessKey) -> None:
    """Wait for the launcher's own end; kill it when it does not come to that."""
    process = read_process(launcher.pid)
    if process is None or process.start != launcher.ticks or not process.live:
        return
    with contextlib.suppress(OSError):  # it has ended meanwhile
        pidfd = os.pidfd_open(launcher.pid)
        try:
            if not await _readable(pidfd, LAUNCHER_SECONDS):
                send_signal(process, signal.SIGKILL)
                await _readable(pidfd, WALK_SECONDS * 100)
        finally:
            os.close(pidfd)


async def _readable(descriptor: int, seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        async with asyncio.timeout(seconds):
            await ready.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(descriptor)
    return True


async def _end_all(search: "_Search") -> Swept:
    """SIGKILL and look again until nothing is found."""
    begun = time.monotonic()
    ended: set[tuple[int, int]] = set()
    found: list[Process] = []
    clean = 0
    while True:
        with contextlib.suppress(OSError):  # no descriptor for a look: soon again
            found = search.look()
            clean = 0 if found else clean + 1
            for process in found:
                ended.add((process.pid, process.start))
                send_signal(process, signal.SIGKILL)
            spent = time.monotonic() - begun
            if clean >= CLEAN_LOOKS and (not search.doubtful or spent >= DOUBT_SECONDS):
                return Swept(len(ended))
            if spent >= KILL_SECONDS:
                left = tuple(sorted(process.pid for process in found))
                return Swept(len(ended) - len(left), left)
        await asyncio.sleep(WALK_SECONDS)


@dataclass(slots=True)
class _Search:
    """Looks for the live processes of attempts among all there are.

    This process, what started it and what it has started is spared, and what a living launcher
    has in its care: a second daemon may run commands of the same names.
    """

    attempts: Sequence[OpenAttempt]
    doubtful: bool = False  #: whether something was in the middle of an exec
    badges: list[frozenset[bytes]] = field(init=False)
    known: dict[int, int] = field(default_factory=dict)  #: start by pid, of all that were found

    def __post_init__(self) -> None:
        self.badges = [
            frozenset(encoded(word) for word in _badge_of(attempt)) for attempt in self.attempts
        ]

    def look(self) -> list[Process]:
        """Those that live now."""
        self.doubtful = False
        processes = {process.pid: process for process in _all_processes()}
        sessions = self._sessions(processes.values())
        children: dict[int, list[Process]] = {}
        for process in processes.values():
            children.setdefault(process.parent, []).append(process)
        spared = set(_lineage(os.getpid(), processes))
        roots = [one for one in processes.values() if one.parent not in processes]
        return list(self._owned(roots, children, sessions, spared))

    def _owned(
        self,
        roots: Iterable[Process],
        children: dict[int, list[Process]],
        sessions: Collection[int],
        spared: Collection[int],
    ) -> Iterator[Process]:
        """From parents to children: what one of an attempt has started is of that attempt."""
        ahead = [(process, False) for process in roots]
        while ahead:
            process, inherited = ahead.pop()
            known = inherited or process.session in sessions
            if process.pid == os.getpid() or (not known and _is_launcher(process)):
                continue
            owned = known or self._has_badge(process)
            if owned and process.pid not in spared:
                self.known[process.pid] = process.start
                if process.live:
                    yield process
            ahead += [(child, owned) for child in children.get(process.pid, ())]

    def _sessions(self, processes: Iterable[Process]) -> set[int]:
        """The sessions of attempts, as far as somebody is in them who was there in time.

        The kernel gives no number away that is in use for a session. So whoever is in the session
        of that number, and is not younger than the word of the attempt's start, is of the attempt,
        and so are all others in there, however young.
        """
        ticks = {one.process.pid: one.process.ticks for one in self.attempts if one.process}
        return {
            one.session
            for one in processes
            if one.session in ticks
            and (one.start <= ticks[one.session] or self.known.get(one.pid) == one.start)
        }

    def _has_badge(self, process: Process) -> bool:
        if self.known.get(process.pid) == process.start:
            return True
        environment = process.environment()
        if environment is None:
            self.doubtful = True
            return False
        return any(badge <= environment for badge in self.badges)


def _badge_of(attempt: OpenAttempt) -> tuple[str, str]:
    return f"CRONJOB_RUN={attempt.run}", f"CRONJOB_ATTEMPT={attempt.number}"


def _all_processes() -> Iterator[Process]:
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return (process for process in map(read_process, pids) if process is not None)


def _lineage(pid: int, processes: dict[int, Process]) -> Iterator[int]:
    """This one, its parent, and so on."""
    while (process := processes.get(pid)) is not None:
        yield pid
        pid = process.parent


def _is_launcher(process: Process) -> bool:
    """Whether it is the launcher of a daemon, of whatever installation."""
    script = encoded(os.path.basename(SCRIPT))
    words = proc_file(f"/proc/{process.pid}/cmdline").split(b"\0")
    return any(os.path.basename(word) == script for word in words[:5])
