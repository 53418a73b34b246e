"""Lints of fields that leave a command nothing to run with."""

import re

from cronjob.core.entry import Entry
from cronjob.core.lint.subject import Found, Subject
from cronjob.core.words import some

_LEAST_MEMORY = 1 << 20  #: bytes; no dynamic program gets along with less


def too_many_slots(entry: Entry, subject: Subject) -> Found | None:
    """More slots than the daemon has: as the engine refuses it."""
    pool = subject.surroundings.slots
    if pool is None or entry.slots <= pool:
        return None
    message = (
        f"it wants {entry.slots} slots, and a daemon here has {pool}, so that it is not run; "
        f"write slots={pool} or less, or more slots in the configuration"
    )
    return Found(_field_at(entry, subject, "slots"), message)


def too_little_memory(entry: Entry, subject: Subject) -> Found | None:
    """A number without its unit, which is one of bytes."""
    memory = entry.fields.memory
    if memory is None or memory >= _LEAST_MEMORY:
        return None
    message = (
        f"no program starts within {some(memory, 'byte')}; "
        f"write memory={_with_unit(entry)} for megabytes"
    )
    return Found(_field_at(entry, subject, "memory"), message)


def _with_unit(entry: Entry) -> str:
    return f"{dict(entry.fields.written)['memory'].rstrip('kK')}M"


def _field_at(entry: Entry, subject: Subject, name: str) -> int:
    """Where the field stands; the start of the line when it comes from `@defaults`."""
    before = subject.line(entry.line)[: subject.command_at(entry)]
    found = re.search(rf"(?<![^ \t]){name}=", before)
    return found.start() if found else 0
