"""The `name=value` fields of an entry, typed.

`FIELDS` is the whole list.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache
from typing import Any

from cronjob.core.gates import Gate, parse_gates, parse_size
from cronjob.core.zone import named_zone
from cronjob.errors import quoted

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
MOST_RETRIES = 1000
MOST_SLOTS = 65536
SPREAD = 0.1  #: the delay before a retry is drawn from this much below to this much above
LONGEST_REMEMBERED = 200  #: characters of a value
LONGEST_HOOK = 4096  #: characters of the command of a hook
NO_COMMAND = ""  #: `on-failure=none` and the like: not even what holds for all entries


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failed run is tried again, and after what delay."""

    limit: int = 0  #: attempts beyond the first
    delay: timedelta = 30 * SECOND  #: before the first retry; doubles with each further one
    longest: timedelta = 3600 * SECOND  #: the delay grows no further

    @property
    def soonest(self) -> timedelta:
        """The shortest delay that may be drawn before the first retry."""
        return self.delay * (1 - SPREAD)


@dataclass(frozen=True, slots=True)
class ExitCodes:
    """A set of exit codes, as ranges."""

    ranges: tuple[tuple[int, int], ...] = ()

    def __contains__(self, code: object) -> bool:
        return isinstance(code, int) and any(low <= code <= high for low, high in self.ranges)

    def codes(self) -> frozenset[int]:
        """Every code of the set."""
        ranges = dict.fromkeys(self.ranges)
        return frozenset(code for low, high in ranges for code in range(low, high + 1))


SUCCESS = ExitCodes(((0, 0),))


@dataclass(frozen=True, slots=True)
class RetryOn:
    """Which failures are worth another attempt."""

    kinds: frozenset[str] = frozenset({"failure"})
    codes: ExitCodes = ExitCodes()
    excluded: ExitCodes = ExitCodes()


@dataclass(frozen=True, slots=True)
class Slots:
    """How many slots a run holds; `auto` hands the jobserver to the command."""

    count: int = 1
    auto: bool = False
    limit: int | None = None  #: with `auto`: at most so many


class Overlap(StrEnum):
    """What happens at a fire time when an earlier run of the entry is still going."""

    ALLOW = "allow"  #: both run, as with cron
    SKIP = "skip"  #: the new one does not run
    QUEUE = "queue"  #: the newest one waits
    REPLACE = "replace"  #: the earlier one is ended


class CatchUp(StrEnum):
    """What is done about fire times that passed without a start."""

    NONE = "none"
    LATEST = "latest"  #: one run for the last of them
    ALL = "all"


class Tell(StrEnum):
    """Of which runs the output is mailed, or logged."""

    ALWAYS = "always"
    FAILURE = "failure"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """All fields of one entry, defaults filled in."""

    name: str | None = None
    tz: str | None = None
    retry: Retry = Retry()
    retry_on: RetryOn = RetryOn()
    retry_until: timedelta | None = None  #: after the start of attempt 1; None: the next fire time
    timeout: timedelta | None = None
    grace: timedelta = 10 * SECOND
    slots: Slots | None = None  #: None: one, and none for `@reboot`
    priority: int = 0
    jitter: timedelta = timedelta()
    overlap: Overlap = Overlap.ALLOW
    catchup: CatchUp = CatchUp.NONE
    catchup_within: timedelta | None = None  #: how old a missed fire time may be; None: any age
    deadline: timedelta | None = None  #: after the fire time and its jitter
    when: tuple[Gate, ...] = ()
    ok: ExitCodes = SUCCESS  #: what counts as success
    mail: Tell | None = None  #: None: as cron does, when there is output
    log: Tell = Tell.ALWAYS
    on_failure: str | None = None  #: a command; None, here and below: as the config says
    on_success: str | None = None
    on_give_up: str | None = None
    nice: int | None = None  #: None, here and below: inherited
    umask: int | None = None
    cwd: str | None = None
    memory: int | None = None  #: bytes
    cpu: int | None = None  #: percent of one CPU
    open_files: int | None = None
    written: tuple[tuple[str, str], ...] = field(default=())  #: names and values as written


class FieldError(ValueError):
    """A field that cannot be understood: what was found and what is allowed."""


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 36500 * DAY
_COMPACT = re.compile(r"(?:\d{1,9}[smhd])+", re.ASCII)
_ISO = re.compile(r"P(?=.)(?:\d+D|\d+W)?(?:T(?=.)(?:\d+H)?(?:\d+M)?(?:[\d.]+S)?)?", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """`90s`, `5m`, `1h30m`, `2d`, or ISO 8601 without months and years (`PT5M`).

    Raises `FieldError`.
    """
    if _COMPACT.fullmatch(text):
        parts = re.findall(r"(\d+)([smhd])", text)
        total = sum(int(number) * _SECONDS[unit] for number, unit in parts)
        if total <= _LONGEST.total_seconds():
            return timedelta(seconds=total)
    elif _ISO.fullmatch(text):
        import pendulum

        try:
            parsed = pendulum.parse(text)
        except (ValueError, OverflowError):
            parsed = None
        if isinstance(parsed, pendulum.Duration) and parsed.as_timedelta() <= _LONGEST:
            return parsed.as_timedelta()
    raise FieldError("a duration like 90s, 5m, 1h30m, 2d or PT5M")


def _positive(text: str) -> timedelta:
    duration = parse_duration(text)
    if not duration:
        raise FieldError("a duration longer than zero")
    return duration


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if re.fullmatch(r"[+-]?\d{1,9}", text, re.ASCII) and low <= int(text) <= high:
            return int(text)
        raise FieldError(f"a whole number from {low} to {high}")

    return parse


def _choice(kind: type[StrEnum]) -> Callable[[str], StrEnum]:
    def parse(text: str) -> StrEnum:
        try:
            return kind(text)
        except ValueError:
            raise FieldError("one of " + ", ".join(kind)) from None

    return parse


def _pattern(pattern: str, allowed: str) -> Callable[[str], str]:
    compiled = re.compile(pattern, re.ASCII)

    def parse(text: str) -> str:
        if compiled.fullmatch(text):
            return text
        raise FieldError(allowed)

    return parse


def _zone(text: str) -> str:
    try:
        named_zone(text)
    except ValueError as error:
        raise FieldError("an IANA time zone like Europe/Paris") from error
    return text


def _retry(text: str) -> Retry:
    allowed = f"N, N,delay or N,delay..max, with N from 0 to {MOST_RETRIES}, like 3,30s..10m"
    count, comma, delays = text.partition(",")
    try:
        limit = _integer(0, MOST_RETRIES)(count)
        if not comma:
            return Retry(limit)
        first, dots, last = delays.partition("..")
        delay = parse_duration(first)
        longest = parse_duration(last) if dots else max(delay, Retry().longest)
    except FieldError:
        raise FieldError(allowed) from None
    if longest < delay:
        raise FieldError("a longest delay that is not shorter than the first, like 3,30s..10m")
    return Retry(limit, delay, longest)


def _code_range(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,3})(?:-(\d{1,3}))?", text, re.ASCII)
    if match:
        low, high = int(match[1]), int(match[2] or match[1])
        if low <= high <= 255:
            return low, high
    raise FieldError("exit codes 0-255 and ranges of them")


RETRY_KINDS = ("failure", "timeout", "signal", "not-started", "lost", "cancelled")


def _retry_on(text: str) -> RetryOn:
    kinds: set[str] = set()
    ranges: dict[bool, list[tuple[int, int]]] = {False: [], True: []}  # excluded -> its ranges
    for item in text.split(","):
        if item in RETRY_KINDS:
            kinds.add(item)
            continue
        try:
            ranges[item.startswith("!")].append(_code_range(item.removeprefix("!")))
        except FieldError:
            allowed = ", ".join(RETRY_KINDS)
            raise FieldError(
                f"a list of exit codes and ranges (75, 64-78), !codes and {allowed}"
            ) from None
    codes, excluded = (ExitCodes(tuple(ranges[key])) for key in (False, True))
    if not kinds and not codes.ranges:
        kinds.add("failure")
    if not kinds and codes.codes() <= excluded.codes():
        raise FieldError("a list that leaves something to retry on")
    return RetryOn(frozenset(kinds), codes, excluded)


def _retry_until(text: str) -> timedelta | None:
    if text == "next":
        return None
    try:
        return _positive(text)
    except FieldError:
        raise FieldError("next, or a duration like 2h") from None


def _slots(text: str) -> Slots:
    word, colon, number = text.partition(":")
    try:
        if word != "auto":
            return Slots(_integer(0, MOST_SLOTS)(text))
        return Slots(auto=True, limit=_integer(1, MOST_SLOTS)(number) if colon else None)
    except FieldError:
        raise FieldError(f"0, a number up to {MOST_SLOTS}, auto or auto:N") from None


def _exit_codes(text: str) -> ExitCodes:
    return ExitCodes(tuple(_code_range(item) for item in text.split(",")))


def _gates(text: str) -> tuple[Gate, ...]:
    try:
        return parse_gates(text)
    except ValueError as error:
        raise FieldError(str(error)) from None


def _memory(text: str) -> int:
    try:
        if size := parse_size(text):
            return size
    except ValueError:
        pass
    raise FieldError("a size above zero like 512M, with K, M, G or T, or none of them for bytes")


def _percent(text: str) -> int:
    if re.fullmatch(r"\d{1,6}%", text, re.ASCII) and int(text[:-1]):
        return int(text[:-1])
    raise FieldError("a share of one CPU like 50%, above zero")


def is_hook(text: str) -> bool:
    """Whether a shell can be given this command after a run."""
    return bool(text.strip()) and len(text) <= LONGEST_HOOK and not re.search(r"[\0\r\n]", text)


def _hook(text: str) -> str:
    if is_hook(text):
        return text
    raise FieldError(f"none or a command for sh, of {LONGEST_HOOK} characters at most")


def _umask(text: str) -> int:
    if re.fullmatch(r"0?[0-7]{3}", text, re.ASCII):
        return int(text, 8)
    raise FieldError("an octal mask like 027")


NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}"


@dataclass(frozen=True, slots=True)
class Kind:
    """One field's value: how to read it."""

    parse: Callable[[str], Any]
    none: Any = None  #: what `none` means where that is not the default


FIELDS: dict[str, Kind] = {
    "name": Kind(_pattern(NAME, "letters, digits, . _ -, at most 64, beginning with none of . -")),
    "tz": Kind(_zone),
    "retry": Kind(_retry),
    "retry-on": Kind(_retry_on),
    "retry-until": Kind(_retry_until),
    "timeout": Kind(_positive),
    "grace": Kind(parse_duration),
    "slots": Kind(_slots),
    "priority": Kind(_integer(-1_000_000, 1_000_000)),
    "jitter": Kind(parse_duration),
    "overlap": Kind(_choice(Overlap)),
    "catchup": Kind(_choice(CatchUp)),
    "catchup-within": Kind(_positive),
    "deadline": Kind(_positive),
    "when": Kind(_gates),
    "ok": Kind(_exit_codes),
    "mail": Kind(_choice(Tell)),
    "log": Kind(_choice(Tell)),
    "on-failure": Kind(_hook, NO_COMMAND),
    "on-success": Kind(_hook, NO_COMMAND),
    "on-give-up": Kind(_hook, NO_COMMAND),
    "nice": Kind(_integer(-20, 19)),
    "umask": Kind(_umask),
    "cwd": Kind(_pattern(r"/.*", "an absolute path")),
    "memory": Kind(_memory),
    "cpu": Kind(_percent),
    "open-files": Kind(_integer(3, 1_000_000)),
}


@lru_cache(maxsize=1024)
def nearest(name: str) -> str | None:
    """The known field that `name` is one typo away from, if any."""
    close = get_close_matches(name.lower(), FIELDS, n=1, cutoff=0.75)
    return close[0] if close else None


def parse_field(name: str, text: str) -> Any:
    """The typed value of a known field.  Raises `FieldError` with the whole sentence."""
    try:
        if name == "name" or len(text) > LONGEST_REMEMBERED:
            return FIELDS[name].parse(text)
        return _remembered(name, text)
    except FieldError as error:
        raise FieldError(f"{name} {quoted(text)} is not understood; allowed is {error}") from None


@lru_cache(maxsize=1024)
def _remembered(name: str, text: str) -> Any:
    return FIELDS[name].parse(text)
