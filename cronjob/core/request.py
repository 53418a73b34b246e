"""What is asked on the control socket: a line of JSON -> a value."""

import json
from dataclasses import MISSING, dataclass, fields
from typing import Any

from cronjob.core.words import listed
from cronjob.errors import CronjobError, quoted

VERSION = 1  #: of the protocol; a request that says another one is refused


class RequestError(CronjobError):
    """A request that is not carried out: what was found, what is allowed."""


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


Request = StatusRequest | RunRequest | KillRequest

#: What a verb asks for, and what its members are.
VERBS: dict[str, tuple[type[Request], dict[str, type]]] = {
    "status": (StatusRequest, {}),
    "run": (RunRequest, {"entry": str, "wait": bool, "force": bool, "lender": str}),
    "kill": (KillRequest, {"subject": str}),
}
_ALLOWED = {str: "a string", bool: "true or false"}


def read_request(line: bytes) -> Request:
    """The request of one line.  Raises `RequestError`."""
    members = _members(line)
    version, verb = members.pop("version", None), members.pop("verb", None)
    if version != VERSION or isinstance(version, bool):
        raise RequestError(f"version {_shown(version)} is not known; allowed is {VERSION}")
    if not isinstance(verb, str) or verb not in VERBS:
        raise RequestError(f"verb {_shown(verb)} is not known; allowed is {_either(VERBS)}")
    kind, types = VERBS[verb]
    for name, value in members.items():
        if name not in types:
            allowed = f"allowed is {_either(types)}" if types else "it has none"
            raise RequestError(f"{verb} has no member {quoted(name)}; {allowed}")
        if not isinstance(value, types[name]):
            raise RequestError(f"{name} is {_shown(value)}; allowed is {_ALLOWED[types[name]]}")
    for field in fields(kind):
        if field.default is MISSING and field.name not in members:
            raise RequestError(f"{verb} needs the member {quoted(field.name)}")
    return kind(**members)


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


def _either(names: dict[str, Any]) -> str:
    return listed([quoted(name) for name in names]).replace(" and ", " or ")
