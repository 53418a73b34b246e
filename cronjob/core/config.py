"""What an administrator decides for the whole daemon: a mapping, as TOML gives it -> a config.

`KEYS` is the one table of what may stand in the file.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from cronjob.core.fields import MOST_SLOTS
from cronjob.errors import ConfigError, quoted

FileNames = Literal["debian", "cronie"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The decisions; the defaults are those of a file without any key."""

    slots: int | None = None  #: how many may be held at once; None leaves it to the machine
    crontab: bool = False  #: whether cron's own `/etc/crontab` is read
    cron_d: bool = False  #: whether `/etc/cron.d` is read
    spool: bool | str = False  #: whether cron's user tables are read, or their directory
    file_names: FileNames = "debian"  #: whose rule says which files of `/etc/cron.d` are tables


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


KEYS: dict[str, Key] = {
    "slots": Key("slots", f"a whole number from 1 to {MOST_SLOTS}", _is_slots),
    "tables.crontab": Key("crontab", "true or false", _is_bool),
    "tables.cron-d": Key("cron_d", "true or false", _is_bool),
    "tables.spool": Key("spool", "true, false or an absolute path in quotes", _is_spool),
    "tables.file-names": Key("file_names", '"debian" or "cronie"', _is_file_names),
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
