"""What is measured: a program that has commands due at an instant."""

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.bench.launch.workshop import Form, Workshop

USER = "nobody"  #: whom the commands run as, where a contender can change the user


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What a contender is to do: this command, so often, at one instant."""

    shop: Workshop
    folder: Path  #: the contender's own, empty
    entries: int
    form: Form
    lead: int = 3  #: seconds that it has at least between its start and the instant

    @property
    def command(self) -> str:
        return self.shop.command(self.form)

    @property
    def names(self) -> list[str]:
        return [f"entry{number}" for number in range(self.entries)]

    def soon(self) -> int:
        """The first whole second after the lead."""
        return math.ceil(time.clock_gettime(time.CLOCK_REALTIME)) + self.lead

    def next_minute(self) -> int:
        """The first whole minute after the lead."""
        return math.ceil(self.soon() / 60) * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to start a contender, and when its commands are due."""

    argv: list[str]
    instant: int  #: seconds of the epoch
    environment: dict[str, str] = field(default_factory=dict)
    held: str = ""  #: its processes have a file of such a name open, or it is not what it is called
    delegate: bool = False  #: it gets a cgroup that it may divide
    log: Path | None = None  #: its standard error; None throws it away


class Contender(Protocol):
    """One program to measure."""

    @property
    def name(self) -> str:
        """What it is called in the tables."""

    @property
    def version(self) -> str:
        """Of which release it is; empty when it has none."""

    @property
    def missing(self) -> str:
        """Why it cannot be measured here; empty when it can."""

    def prepare(self, errand: Errand) -> Plan:
        """Write what it reads, into the folder of the errand."""
