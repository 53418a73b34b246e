"""What is asked on the control socket, and by whom: a line of JSON -> a value, and back."""

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from cronjob.core.words import listed
from cronjob.errors import CronjobError, quoted

VERSION = 1  #: of the protocol; a request that says another one is refused
MOST_ROWS = 1000  #: of the history, in one answer


if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from cronjob.core.entry import Entry  # slow to import for those who ask


class RequestError(CronjobError):
    """A request that is not carried out: what was found, what is allowed."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and for what."""

    name: str  #: of the account
    everything: bool  #: root, or whoever the daemon runs as

    def owns(self, entry: "Entry") -> bool:
        """Whether the entry is the asker's business: it runs as that account."""
        return self.everything or entry.user == self.name


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """What runs, what waits and why, what comes next."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Start a run of an entry now."""

    entry: str  #: label
    wait: bool = False  #: tell its output and its end
    force: bool = False  #: neither overlap, gates, shares nor slots hold it
    lender: str | None = None  #: key of the run whose command asks and waits


@dataclass(frozen=True, slots=True)
class KillRequest:
    """End a run, or all runs of an entry."""

    subject: str  #: key of a run, or label of an entry


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """What has run and what was missed, the newest first."""

    entry: str | None = None  #: label; None: all of the asker's
    since: datetime | None = None  #: fire times from here on
    until: datetime | None = None  #: fire times before this
    outcomes: tuple[str, ...] = ()  #: empty: all
    limit: int = 20  #: rows


@dataclass(frozen=True, slots=True)
class ShowRequest:
    """All that is kept of one run."""

    subject: str  #: key of a run, or label of an entry: its latest one


@dataclass(frozen=True, slots=True)
class LogsRequest:
    """What a run has printed."""

    subject: str  #: as in `ShowRequest`
    follow: bool = False  #: go on until the run is over


Request = StatusRequest | RunRequest | KillRequest | HistoryRequest | ShowRequest | LogsRequest


class _Kind(NamedTuple):
    """What may be said in a member."""

    allowed: str
    read: Callable[[Any], object]  #: raises `ValueError`, `TypeError` for what is not allowed


def _only(kind: type) -> Callable[[Any], object]:
    def read(value: Any) -> object:
        if type(value) is not kind:  # a bool is an int to Python, and not to JSON
            raise TypeError
        return value

    return read


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError
    value.encode("utf-8", "surrogateescape")  # JSON can say "\\ud800", half of one
    return value


def _rows(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= MOST_ROWS:
        raise ValueError
    return value


def _instant(value: Any) -> datetime:
    instant = datetime.fromisoformat(value)
    if instant.tzinfo is None:
        raise ValueError
    return instant.astimezone(UTC)


def _names(value: Any) -> tuple[str, ...]:
    if type(value) is not list or not all(type(name) is str for name in value):
        raise TypeError
    return tuple(value)


_TEXT = _Kind("a string", _text)
_FLAG = _Kind("true or false", _only(bool))
_ROWS = _Kind(f"a number from 1 to {MOST_ROWS}", _rows)
_INSTANT = _Kind("a string like 2026-11-21T09:30:00Z", _instant)
_NAMES = _Kind("a list of strings", _names)

#: What a verb asks for, and what its members are.
VERBS: dict[str, tuple[type[Request], dict[str, _Kind]]] = {
    "status": (StatusRequest, {}),
    "run": (RunRequest, {"entry": _TEXT, "wait": _FLAG, "force": _FLAG, "lender": _TEXT}),
    "kill": (KillRequest, {"subject": _TEXT}),
    "history": (
        HistoryRequest,
        {
            "entry": _TEXT,
            "since": _INSTANT,
            "until": _INSTANT,
            "outcomes": _NAMES,
            "limit": _ROWS,
        },
    ),
    "show": (ShowRequest, {"subject": _TEXT}),
    "logs": (LogsRequest, {"subject": _TEXT, "follow": _FLAG}),
}


def read_request(line: bytes) -> Request:
    """The request of one line.  Raises `RequestError`."""
    members = _members(line)
    version, verb = members.pop("version", None), members.pop("verb", None)
    if version != VERSION or isinstance(version, bool):
        raise RequestError(f"version {_shown(version)} is not known; allowed is {VERSION}")
    if not isinstance(verb, str) or verb not in VERBS:
        raise RequestError(f"verb {_shown(verb)} is not known; allowed is {_either(VERBS)}")
    kind, types = VERBS[verb]
    values = {name: _value(verb, name, value, types) for name, value in members.items()}
    for field in fields(kind):
        if field.default is MISSING and field.name not in values:
            raise RequestError(f"{verb} needs the member {quoted(field.name)}")
    return kind(**values)


def _value(verb: str, name: str, value: object, types: Mapping[str, _Kind]) -> Any:
    """The value of one member.  Raises `RequestError`."""
    if name not in types:
        allowed = f"allowed is {_either(types)}" if types else "it has none"
        raise RequestError(f"{verb} has no member {quoted(name)}; {allowed}")
    try:
        return types[name].read(value)
    except (ValueError, TypeError, OverflowError):
        text = f"{name} is {_shown(value)}; allowed is {types[name].allowed}"
        raise RequestError(text) from None


def request_members(request: Request) -> dict[str, object]:
    """The members of a line that asks for this; those that are None are left out."""
    (verb,) = (verb for verb, (kind, _) in VERBS.items() if kind is type(request))
    given = {name: value for name, value in members(request).items() if value is not None}
    return {"verb": verb, **given}


def members(value: "DataclassInstance") -> dict[str, object]:
    """A value of ours as an object."""
    return {name: plain(one) for name, one in asdict(value).items()}


def plain(value: object) -> object:
    """The same for JSON: instants in UTC as text, and lists for tuples."""
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case dict():
            return {name: plain(one) for name, one in value.items()}
        case tuple() | list():
            return [plain(one) for one in value]
    return value


def _members(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        text = quoted(line.decode("utf-8", "surrogateescape"))
        raise RequestError(f"{text} is no request; allowed is a line of JSON") from None
    if not isinstance(request, dict):
        raise RequestError(f"{_shown(request)} is no request; allowed is an object")
    return request


def _shown(value: object) -> str:
    """A value for a message; one with parts is told by its kind, since it may be of any depth."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return "none" if value is None else quoted(json.dumps(value))


def _either(names: Mapping[str, object]) -> str:
    return listed([quoted(name) for name in names]).replace(" and ", " or ")
