"""Ends whole trees of processes: what belongs to an attempt, and TERM, grace, KILL for it."""

from __future__ import annotations

import signal
import time

from cronjob.host.channel import encoded
from cronjob.host.processes import proc_file, send_signal, still_live, walk

TYPE_CHECKING = False  # typing itself is not worth its memory in the guardian
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cronjob.host.cgroup import AttemptGroup
    from cronjob.host.channel import Message
    from cronjob.host.processes import Process

KILL_SECONDS = 5.0  #: how long a tree is killed again and again before what is left is named
WALK_SECONDS = 0.003  #: pause between two walks while killing
EXEC_LOOKS = 4  #: how often a process without an environment is looked at
EXEC_SECONDS = 0.0005  #: between two looks


def environment_of(process: Process) -> bytes:
    """What it was executed with; in the middle of an exec there is none for a moment."""
    for _ in range(EXEC_LOOKS):
        if environment := proc_file(f"/proc/{process.pid}/environ"):
            return environment
        time.sleep(EXEC_SECONDS)
    return b""


class Attempt:
    """One started command: its first process and what is known of it."""

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        self.name = name
        self.pid = -1
        self.group: AttemptGroup | None = None  #: its cgroup, where one is delegated
        self.report = -1  #: read end of the pipe which closes at exec; -1 once it is read
        self.said = b""
        self.error = ""
        self.status: int | None = None
        self.usage: Message = {}
        self.sweep: Sweep | None = None
        # Pid and start of all that were seen to be of this: once its parent is killed, one with
        # a session and an environment of its own could not be told from a stranger.
        self.members: dict[int, int] = {}
        names = ("CRONJOB_RUN", "CRONJOB_ATTEMPT")
        marks = [encoded(f"{key}={environment[key]}") for key in names if key in environment]
        self.marks = frozenset(marks if len(marks) == len(names) else ())

    def members_by_walk(self, spare: Collection[int]) -> list[Process]:
        """Its live processes, `spare` (first processes of others) and what is below them not."""
        family: set[int] = set()
        found = []
        for process in walk(spare):
            if self.owns(process, family):
                family.add(process.pid)
                self.members[process.pid] = process.start
                if process.live:
                    found.append(process)
        return found

    def tree(self, spare: Collection[int]) -> list[Process]:
        """Its live processes: those in its cgroup, and those below it, in its session or marked.

        The second look finds what somebody else, as a login service, has moved out of the group.
        """
        if self.group is None:
            return self.members_by_walk(spare)
        inside = self.group.members()
        known = {process.pid for process in inside}
        outside = [one for one in self.members_by_walk(spare) if one.pid not in known]
        return inside + outside

    def kill(self) -> None:
        """SIGKILL to its cgroup in one stroke; without one a walk has to find them."""
        if self.group is not None:
            self.group.kill()

    def owns(self, process: Process, family: Collection[int]) -> bool:
        """Whether `process`, no other attempt's first one nor below it, belongs to this."""
        if process.parent in family or process.session == self.pid:
            return True
        if self.members.get(process.pid) == process.start:
            return True
        if self.status is None and process.pid == self.pid:
            return True
        if not self.marks:
            return False
        return self.marks <= set(environment_of(process).split(b"\0"))


class Sweep:
    """Ends processes: TERM, a grace, then KILL and look again until none is left."""

    def __init__(
        self,
        members: Callable[[], list[Process]],
        done: Callable[[], None],
        grace: float,
        kill: Callable[[], None] = lambda: None,
    ) -> None:
        self.members = members
        self.done = done
        self.kill = kill  #: SIGKILL to all of them at once, as far as that is possible
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
        self.kill()
        for process in self.known:
            send_signal(process, signal.SIGKILL)
        # Quickly at first; what takes longer sits in the kernel.
        self.due = now + max(WALK_SECONDS, (now - self.limit + KILL_SECONDS) / 10)
        return False
