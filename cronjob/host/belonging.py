"""What the guardian knows of a command that it started, and which processes belong to it."""

from __future__ import annotations

import time

from cronjob.host.channel import encoded
from cronjob.host.processes import boot_ticks, read_process, walk

TYPE_CHECKING = False  # typing itself is not worth its memory in the guardian
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from cronjob.host.cgroup import AttemptGroup
    from cronjob.host.channel import Message
    from cronjob.host.processes import Process
    from cronjob.host.sweep import Sweep

EXEC_LOOKS = 4  #: how often a walk looks at processes in the middle of an exec
EXEC_SECONDS = 0.0005  #: between two looks
DOUBT_SECONDS = 0.25  #: after which an orphan that is still there is taken for a stranger


class Attempt:
    """One started command: its first process and what is known of it."""

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        self.name = name
        self.pid = -1
        self.group: AttemptGroup | None = None  #: its cgroup, where one is delegated
        self.report = -1  #: read end of the pipe which closes at exec; -1 once it is read
        self.said = b""
        self.error = ""
        self.note = ""
        self.told = False  #: whether the daemon knows of its start
        self.status: int | None = None
        self.ended = 0  #: ticks since boot, once its first process is reaped
        self.usage: Message = {}
        self.sweep: Sweep | None = None
        # Pid and start of all that were seen to be of this: once its parent is killed, one with
        # a session and an environment of its own could not be told from a stranger.
        self.members: dict[int, int] = {}
        names = ("CRONJOB_RUN", "CRONJOB_ATTEMPT")
        badge = [encoded(f"{key}={environment[key]}") for key in names if key in environment]
        self.badge = frozenset(badge if len(badge) == len(names) else ())

    def end(self, status: int, usage: Message) -> None:
        """Its first process has been reaped, so its pid may soon be another's."""
        self.status, self.usage, self.ended = status, usage, boot_ticks()

    def members_by_walk(self, spare: Collection[int]) -> list[Process]:
        """Its live processes, `spare` and what is below them not.

        Those in the middle of an exec, without an environment for a moment, are looked at again,
        all together: however many somebody has of them, a walk takes no more time.
        """
        family: set[int] = set()
        found = []
        unknown = walk(spare)
        for look in range(EXEC_LOOKS):
            if look:
                time.sleep(EXEC_SECONDS)
            doubtful = []
            for process in unknown:
                owned = self.owns(process, family)
                if owned:
                    family.add(process.pid)
                    self.members[process.pid] = process.start
                    if process.live:
                        found.append(process)
                elif owned is None:
                    doubtful.append(process)
            if not doubtful:
                break
            unknown = doubtful
        return found

    def tree(self, spare: Collection[int]) -> list[Process]:
        """Its live processes: in its cgroup; below it, in its session, or with its badge.

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

    def owns(self, process: Process, family: Collection[int]) -> bool | None:
        """Whether `process`, no other attempt's first one nor below it, belongs to this.

        None in the middle of an exec: it cannot be said now.
        """
        if process.parent in family or self.knows(process):
            return True
        if not self.badge or not process.live:
            return False
        environment = process.environment()
        return None if environment is None else self.is_worn_in(environment)

    def knows(self, process: Process) -> bool:
        """Whether `process` can be told to be of this without a look at its environment."""
        if self.members.get(process.pid) == process.start:
            return True
        if self.status is None:
            return self.pid in (process.pid, process.session)
        # The number is free for another's first process unless somebody is left in the session,
        # who then was in it before: the kernel gives no pid away that is in use for a session.
        return process.session == self.pid and process.start <= self.ended

    def is_worn_in(self, environment: Iterable[bytes]) -> bool:
        """Whether a process with this environment was started from within it, by its badge."""
        return bool(self.badge) and self.badge.issubset(environment)


class Orphans:
    """Children of the guardian that outlived their parents, each looked at until it is known.

    To find out whose they are is dear, and anybody may leave thousands behind: so those of others
    are left out of the walks for an attempt.
    """

    def __init__(self) -> None:
        self._owners: dict[int, Attempt | None] = {}  #: None: of none that is going
        self._doubtful: dict[int, float] = {}  #: since when (monotonic) in the middle of an exec

    def look(self, children: Iterable[int], attempts: Collection[Attempt]) -> None:
        """See whose those of `children` are that are not known yet."""
        for pid in children:
            if pid not in self._owners and (process := read_process(pid)) is not None:
                self._look_at(process, attempts)

    def _look_at(self, process: Process, attempts: Collection[Attempt]) -> None:
        owner = next((attempt for attempt in attempts if attempt.knows(process)), None)
        if owner is None:
            environment = process.environment()
            if environment is None and self._is_in_doubt(process.pid):
                return
            wearing = (attempt for attempt in attempts if attempt.is_worn_in(environment or ()))
            owner = next(wearing, None)
        self._doubtful.pop(process.pid, None)
        self._owners[process.pid] = owner

    def _is_in_doubt(self, pid: int) -> bool:
        now = time.monotonic()
        return now - self._doubtful.setdefault(pid, now) < DOUBT_SECONDS

    def reaped(self, pid: int) -> None:
        """Its number may be another's from now on."""
        self._owners.pop(pid, None)
        self._doubtful.pop(pid, None)

    def may_be_of(self, attempt: Attempt) -> bool:
        """Whether any of them belongs to `attempt`, or might."""
        return bool(self._doubtful) or attempt in self._owners.values()

    def of_others(self, attempt: Attempt) -> set[int]:
        """The pids of those that do not."""
        return {pid for pid, owner in self._owners.items() if owner is not attempt}
