"""What an administrator decides for the whole daemon: a mapping, as TOML gives it -> a config.

`KEYS` is the one table of what may stand in the file.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from typing import Literal

from cronjob.core.fields import LONGEST_HOOK, MOST_SLOTS, FieldError, is_hook, parse_duration
from cronjob.core.gates import LARGEST_SIZE, parse_size
from cronjob.errors import ConfigError, quoted

FileNames = Literal["debian", "cronie"]
SHORTEST_KEPT = timedelta(hours=1)  # what ended just now is to be asked for
MOST_KEPT = 10**9
SMALLEST_HISTORY = 1 << 20  #: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The commands that follow runs of entries which name none themselves; empty: none does."""

    on_failure: str = ""
    on_success: str = ""
    on_give_up: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How much history is kept; what has not ended is, whatever these say."""

    keep_for: timedelta = timedelta(days=90)
    keep_runs: int = 1000  #: of each entry
    max_size: int = 1 << 30  #: bytes of all


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The decisions; the defaults are those of a file without any key."""

    slots: int | None = None  #: how many may be held at once; None leaves it to the machine
    crontab: bool = False  #: whether cron's own `/etc/crontab` is read
    cron_d: bool = False  #: whether `/etc/cron.d` is read
    spool: bool | str = False  #: whether cron's user tables are read, or their directory
    file_names: FileNames = "debian"  #: whose rule says which files of `/etc/cron.d` are tables
    sendmail: str | None = None  #: the program that takes mail; None: where systems have it
    on_failure: str = ""  #: of `hooks`, as the next two
    on_success: str = ""
    on_give_up: str = ""
    keep_for: str = "90d"  #: of `retention`, as the next two
    keep_runs: int = 1000
    max_size: str = "1G"

    @property
    def retention(self) -> Retention:
        """How much history is kept."""
        return Retention(
            keep_for=parse_duration(self.keep_for),
            keep_runs=self.keep_runs,
            max_size=parse_size(self.max_size),
        )

    @property
    def hooks(self) -> Hooks:
        """The hooks of entries that have none of their own."""
        return Hooks(
            on_failure=self.on_failure, on_success=self.on_success, on_give_up=self.on_give_up
        )


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the file."""

    attribute: str  #: of `Config`
    allowed: str  #: in words
    accepts: Callable[[object], bool]


def _is_slots(value: object) -> bool:
    return isinstance(value, int) and value is not True and 1 <= value <= MOST_SLOTS


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_spool(value: object) -> bool:
    if isinstance(value, str):
        return value.startswith("/") and "\0" not in value
    return _is_bool(value)


def _is_file_names(value: object) -> bool:
    return value in ("debian", "cronie")


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value.startswith("/") and "\0" not in value


def _is_hook(value: object) -> bool:
    return isinstance(value, str) and is_hook(value)


def _is_keep_for(value: object) -> bool:
    try:
        return isinstance(value, str) and parse_duration(value) >= SHORTEST_KEPT
    except FieldError:
        return False


def _is_keep_runs(value: object) -> bool:
    return isinstance(value, int) and value is not True and 1 <= value <= MOST_KEPT


def _is_max_size(value: object) -> bool:
    try:
        return isinstance(value, str) and SMALLEST_HISTORY <= parse_size(value) <= LARGEST_SIZE
    except ValueError:
        return False


_HOOK = f"a command for sh in quotes, of {LONGEST_HOOK} characters at most"

KEYS: dict[str, Key] = {
    "slots": Key("slots", f"a whole number from 1 to {MOST_SLOTS}", _is_slots),
    "tables.crontab": Key("crontab", "true or false", _is_bool),
    "tables.cron-d": Key("cron_d", "true or false", _is_bool),
    "tables.spool": Key("spool", "true, false or an absolute path in quotes", _is_spool),
    "tables.file-names": Key("file_names", '"debian" or "cronie"', _is_file_names),
    "mail.sendmail": Key("sendmail", "an absolute path in quotes", _is_path),
    "hooks.on-failure": Key("on_failure", _HOOK, _is_hook),
    "hooks.on-success": Key("on_success", _HOOK, _is_hook),
    "hooks.on-give-up": Key("on_give_up", _HOOK, _is_hook),
    "history.keep-for": Key("keep_for", "a duration in quotes, an hour at least", _is_keep_for),
    "history.keep-runs": Key("keep_runs", f"a whole number from 1 to {MOST_KEPT}", _is_keep_runs),
    "history.max-size": Key("max_size", "a size in quotes, 1M at least", _is_max_size),
}
_LONGEST_SHOWN = 10**18
_SECTIONS = {name.rpartition(".")[0] for name in KEYS} - {""}


def read_config(mapping: Mapping[str, object]) -> Config:
    """The config that a parsed file stands for.  Raises `ConfigError` with every problem."""
    given: dict[str, object] = {}
    problems = []
    for name, value in _flat(mapping):
        if (key := KEYS.get(name)) is None:
            problems.append(_unknown(name, value))
        elif key.accepts(value):
            given[key.attribute] = value
        else:
            problems.append(f"{name} is {_shown(value)}; allowed is {key.allowed}")
    if problems:
        raise ConfigError(*problems)
    return Config(**given)  # type: ignore[arg-type] # each value was accepted by its key


def _flat(mapping: Mapping[str, object], above: str = "") -> Iterator[tuple[str, object]]:
    """The keys with the sections that they stand in; an unknown section is one key."""
    for name, value in mapping.items():
        path = f"{above}{name}"
        if path in _SECTIONS and isinstance(value, Mapping):
            yield from _flat(value, f"{path}.")
        else:
            yield path, value


def _unknown(name: str, value: object) -> str:
    if name in _SECTIONS:
        return f"{name} is {_shown(value)}; it is a section: [{name}]"
    close = get_close_matches(name, [*KEYS, *_SECTIONS], n=1)
    # A key in the wrong section is likelier than one with another name.
    last = name.rpartition(".")[2]
    close = [key for key in KEYS if key.rpartition(".")[2] == last] or close
    hint = f"did you mean {close[0]}?" if close else f"allowed are {', '.join(KEYS)}"
    kind = "section" if isinstance(value, Mapping) else "key"
    return f"unknown {kind} {quoted(name)}; {hint}"


def _shown(value: object) -> str:
    """A value as TOML writes it, or its kind when it is no single value."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return quoted(value)
        case int() if abs(value) > _LONGEST_SHOWN:
            return f"a number of {value.bit_length()} bits"  # Python will not write it out
        case int() | float():
            return str(value)
        case Mapping():
            return "a section"
        case list():
            return "a list"
    return "a date or time"
