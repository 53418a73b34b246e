"""What columns hold: instants as microseconds since 1970 UTC, small lists as JSON."""

import json
from datetime import UTC, datetime, timedelta

from cronjob.core.waits import Waited

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(instant: datetime) -> int:
    """An aware instant as a column holds it."""
    return (instant - _EPOCH) // _MICROSECOND


def micros_or_none(instant: datetime | None) -> int | None:
    """The same of one that may be missing."""
    return None if instant is None else (instant - _EPOCH) // _MICROSECOND


def instant(value: int) -> datetime:
    """The inverse of `micros`."""
    return _EPOCH + timedelta(microseconds=value)


def instant_or_none(value: int | None) -> datetime | None:
    """The inverse of `micros_or_none`."""
    return None if value is None else _EPOCH + timedelta(microseconds=value)


def nominal_text(nominal: datetime) -> str:
    """A naive wall time as a column holds it."""
    return nominal.isoformat(" ")


def nominal_of(text: str) -> datetime:
    """The inverse of `nominal_text`."""
    return datetime.fromisoformat(text)


def raw(text: str) -> str | bytes:
    """A text for a column; where bytes of it were no UTF-8 (surrogates), those bytes again.

    The statement says `CAST(? AS TEXT)`, so that it is a text in any case.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")
    return text


def unraw(data: bytes) -> str:
    """The inverse of `raw`: the text factory of every connection."""
    return data.decode("utf-8", "surrogateescape")


def waits_text(waits: tuple[Waited, ...]) -> str:
    """What an attempt waited for."""
    return json.dumps(waits) if waits else ""


def waits_of(text: str) -> tuple[Waited, ...]:
    """The inverse of `waits_text`."""
    return tuple(Waited(*pair) for pair in json.loads(text)) if text else ()


def pids_text(pids: tuple[int, ...]) -> str:
    """Processes that could not be ended."""
    return json.dumps(pids) if pids else ""


def pids_of(text: str | None) -> tuple[int, ...]:
    """The inverse of `pids_text`."""
    return tuple(json.loads(text)) if text else ()


def labels_text(labels: tuple[str, ...]) -> str:
    """Labels of entries."""
    return json.dumps(labels)


def labels_of(text: str) -> tuple[str, ...]:
    """The inverse of `labels_text`."""
    return tuple(json.loads(text))
