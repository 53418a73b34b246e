"""What an attempt may use: by its cgroup where there is one, by rlimits otherwise."""

import resource
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from cronjob.host import cgroup
from cronjob.ports import Command

Rlimit = tuple[int, int, int]  #: number of the resource, soft and hard limit


@dataclass(slots=True)
class Limits:
    """The means this machine gives, found once by `prepare`."""

    group: str | None = None  #: the delegated cgroup
    controllers: frozenset[str] = frozenset()  #: in force for each attempt
    refusal: str = ""  #: why a delegated group could not be divided
    open_files: tuple[int, int] = field(default=(0, 0))  #: the daemon's own, as it was started
    raised: bool = False  #: whether the daemon has more now

    def prepare(self) -> None:
        """Divide the delegated cgroup, and let daemon and guardian open as much as they may."""
        self.group = cgroup.delegated_group()
        if self.group is not None:
            try:
                self.controllers = cgroup.divide(self.group)
            except OSError as error:
                self.group, self.refusal = None, f": {error.strerror}"
        soft, hard = self.open_files = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            self.raised = True

    @property
    def attempts(self) -> str:
        """The directory for the cgroups of attempts; empty without one."""
        return f"{self.group}/attempts" if self.group else ""

    def __str__(self) -> str:
        """Which of the two is in force, in words."""
        if self.group is None:
            means = f"rlimits, because no cgroup is delegated{self.refusal}"
        elif self.controllers:
            means = f"a cgroup for each attempt with {' and '.join(sorted(self.controllers))}"
        else:
            means = "a cgroup for each attempt, which has no controllers"
        lacks = []
        if "memory" not in self.controllers:
            lacks.append("memory= holds for each process by itself")
        if "cpu" not in self.controllers:
            lacks.append("cpu= has no effect")
        return means + (f"; {', '.join(lacks)}" if lacks else "")

    def rlimits_of(self, command: Command) -> Iterator[Rlimit]:
        """The rlimits of `command`; what the daemon raised for itself is not passed on."""
        if command.open_files is not None:
            yield resource.RLIMIT_NOFILE, command.open_files, command.open_files
        elif self.raised:
            yield resource.RLIMIT_NOFILE, *self.open_files
        if command.memory is not None and "memory" not in self.controllers:
            # Not RLIMIT_AS: it counts what Java, Go or a sanitizer reserve and never use.
            yield resource.RLIMIT_DATA, command.memory, command.memory

    def group_values_of(self, command: Command) -> dict[str, str]:
        """What to write into the cgroup of `command`."""
        return cgroup.values_of(command.memory, command.cpu, self.controllers)


def unmet(command: Command, controllers: Collection[str]) -> str:
    """A word for the note of an attempt whose share of a CPU nobody can enforce."""
    if command.cpu is None or "cpu" in controllers:
        return ""
    return f"cpu={command.cpu}% has no effect: no cgroup with a cpu controller is delegated"
