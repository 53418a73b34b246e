"""What an entry is, in words: who runs what, and what its fields ask for."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from cronjob.core.entry import Entry
from cronjob.core.fields import FIELDS, CatchUp, ExitCodes, Overlap, Retry, RetryOn, Slots, Tell
from cronjob.core.gates import Gate, LoadBelow, MemoryAbove, PressureBelow
from cronjob.core.words import counted, lasting, listed, some
from cronjob.errors import printable

_KINDS = {  # in the order in which they are said
    "failure": "any failure",
    "not-started": "an attempt that could not start",
    "timeout": "a timeout",
    "signal": "a death by signal",
    "lost": "a lost attempt",
    "cancelled": "an attempt that a stop of the daemon ended",
}
_OVERLAPS = {
    Overlap.ALLOW: "runs beside it",
    Overlap.SKIP: "is left out",
    Overlap.QUEUE: "waits for its end, the newest one only",
    Overlap.REPLACE: "ends it and takes its place",
}
_CATCH_UPS = {
    CatchUp.NONE: "Fire times that passed without a start are not made up for",
    CatchUp.LATEST: "Of the fire times that passed without a start the last is made up for",
    CatchUp.ALL: "All fire times that passed without a start are made up for, one by one",
}
_TELLS = {
    Tell.ALWAYS: "always {}",
    Tell.FAILURE: "{} when the run fails",
    Tell.NEVER: "never {}",
}
_SIZES = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


def command_words(entry: Entry) -> Iterator[str]:
    """Who runs what, and what it reads."""
    who = f"{printable(entry.user)} runs" if entry.user is not None else "Runs"
    yield f"{who}: {printable(entry.command)}"
    if entry.stdin:
        lines = entry.stdin.removesuffix("\n").split("\n")
        yield "\n".join(["With this standard input:", *(f"  {printable(line)}" for line in lines)])


def field_words(entry: Entry) -> Iterator[str]:
    """A sentence for each field that the entry has, in the order of `FIELDS`."""
    written = dict(entry.fields.written)
    for name in FIELDS:
        if name not in written or name not in _WORDS:
            continue
        words = _WORDS[name](getattr(entry.fields, name.replace("-", "_")))
        if name == "jitter" and entry.start_delay:
            words += f", on this host always {lasting(entry.start_delay)}"
        yield f"{words}."


def _retry(retry: Retry) -> str:
    if not retry.limit:
        return "A failed run is not tried again"
    once = retry.limit == 1
    tried = f"A failed run is tried again {'once' if once else f'up to {retry.limit} times'}"
    if not retry.delay:
        return f"{tried}, without a delay"
    if once or retry.delay == retry.longest:
        return f"{tried}, {lasting(retry.delay)} after each failure"
    return (
        f"{tried}, after {lasting(retry.delay)}, doubled each time up to {lasting(retry.longest)}"
    )


def _retry_on(on: RetryOn) -> str:
    reasons = [words for kind, words in _KINDS.items() if kind in on.kinds]
    reasons += [_codes(on.codes)] if on.codes.ranges else []
    excluded = f", but not for {_codes(on.excluded)}" if on.excluded.ranges else ""
    return f"It is tried again for {listed(reasons)}{excluded}"


def _codes(codes: ExitCodes) -> str:
    ranges = [f"{low}" if low == high else f"{low} to {high}" for low, high in codes.ranges]
    return f"exit status {listed(ranges)}"


def _retry_until(duration: timedelta | None) -> str:
    if duration is None:
        return "No retry starts at its next fire time or later"
    return f"No retry starts later than {lasting(duration)} after the start of the first attempt"


def _slots(slots: Slots) -> str:
    if slots.auto:
        most = f" at most {counted(slots.limit, 'slot')}" if slots.limit else " slots"
        return f"The command takes{most} of the daemon's as it needs them"
    return f"A run holds {some(slots.count, 'slot')}"


def _gates(gates: tuple[Gate, ...]) -> str:
    return f"A run waits until {listed([_gate(gate) for gate in gates])}"


def _gate(gate: Gate) -> str:
    match gate:
        case LoadBelow(load):
            return f"the load is below {load:g}"
        case MemoryAbove(size):
            return f"more than {_size(size)} of memory are available"
        case PressureBelow(resource, percent):
            return f"the pressure on {resource} is below {percent:g} %"
        case _:
            return "the machine has mains power"


def _size(size: int) -> str:
    for name, unit in _SIZES:
        if size and size % unit == 0:
            return f"{size // unit} {name}"
    return counted(size, "byte")


def _hook(run: str, command: str) -> str:
    return f"After {run}: {printable(command)}" if command else f"Nothing follows {run}"


#: All fields but the name, which is the title of what is said.
_WORDS: dict[str, Callable[[Any], str]] = {
    "tz": lambda zone: f"TZ of the command is {zone}",
    "retry": _retry,
    "retry-on": _retry_on,
    "retry-until": _retry_until,
    "timeout": lambda time: f"An attempt that takes longer than {lasting(time)} is ended",
    "grace": lambda time: f"SIGKILL follows SIGTERM after {lasting(time)}",
    "slots": _slots,
    "priority": lambda number: f"It waits for slots with priority {number}",
    "jitter": lambda time: f"It starts up to {lasting(time)} after its fire time",
    "overlap": lambda what: f"A run that is due while an earlier one goes on {_OVERLAPS[what]}",
    "catchup": _CATCH_UPS.__getitem__,
    "catchup-within": lambda time: f"Only the last {lasting(time)} are made up for",
    "deadline": lambda time: f"A run that cannot start within {lasting(time)} is missed",
    "when": _gates,
    "ok": lambda codes: f"Success is {_codes(codes)}",
    "mail": lambda when: f"Its output is {_TELLS[when].format('mailed')}",
    "log": lambda when: f"Its output is {_TELLS[when].format('logged')}",
    "on-failure": lambda command: _hook("a run that fails for good", command),
    "on-success": lambda command: _hook("a run that succeeds", command),
    "on-give-up": lambda command: _hook("a run whose retries do not help", command),
    "nice": lambda number: f"Its nice value is {number}",
    "umask": lambda mask: f"Its umask is {mask:03o}",
    "cwd": lambda path: f"It runs in {printable(path)}",
    "memory": lambda size: f"It may use {_size(size)} of memory",
    "cpu": lambda percent: f"It may use {percent} % of one CPU",
    "open-files": lambda number: f"It may open {number} files at once",
}
