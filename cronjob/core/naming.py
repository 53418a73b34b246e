"""What the entries of a table are called, and what is drawn from that."""

from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256

from cronjob.core.command import short_name
from cronjob.core.schedule import Schedule
from cronjob.core.zone import zone_name


@dataclass(slots=True)
class Names:
    """The names of one table, each used once."""

    taken: dict[str, int] = field(default_factory=dict)  #: name -> line of its entry
    counts: dict[str, int] = field(default_factory=dict)  #: generated name -> how often wanted

    def give(self, name: str, line: int) -> int | None:
        """Take a name that a line gives itself; the line that has it already, if one has."""
        if name in self.taken:
            return self.taken[name]
        self.taken[name] = line
        return None

    def generate(self, user: str | None, schedule: Schedule, text: str, line: int) -> str:
        """A name from what the entry is, so that it outlives edits elsewhere in the table.

        The k-th line that would get the same name gets it with `~k`.
        """
        base = f"{short_name(text)}-{_digest(user, schedule.rule, zone_name(schedule.zone), text)}"
        count = self.counts.get(base, 0) + 1
        while (name := f"{base}~{count}" if count > 1 else base) in self.taken:
            count += 1
        self.counts[base] = count
        self.taken[name] = line
        return name


def drawn_delay(jitter: timedelta, host: str, user: str | None, name: str) -> timedelta:
    """A part of `jitter` that depends on the host and the entry alone."""
    if not jitter:
        return jitter
    return jitter * (int(_digest(host, user, name), 16) / 2**40)


def _digest(*parts: str | None) -> str:
    """Ten hexadecimal digits."""
    text = "\0".join(part or "" for part in parts)
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:10]
