"""Answers about the past: what a request gets of the history, read here or by a daemon.

Lines are those of the control socket, but the bytes of an `output` are bytes.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from cronjob.core.nearest import nearest_label
from cronjob.core.outcome import RunOutcome
from cronjob.core.query import HistoryQuery, RunDetail
from cronjob.core.request import Asker, HistoryRequest, LogsRequest, RequestError, ShowRequest
from cronjob.core.retelling import detail_object, outcome_object, output_objects, row_object
from cronjob.core.words import listed
from cronjob.errors import quoted

if TYPE_CHECKING:
    from cronjob.ports import Reader  # slow to import, and this is on the way of `history`

COMPARED = 1000  #: labels at most that a wrong one is compared with

Line = dict[str, object]
PastRequest = HistoryRequest | ShowRequest | LogsRequest


def retell(
    reader: "Reader", asker: Asker, request: PastRequest, labels: Iterable[str] = ()
) -> list[Line]:
    """The whole answer.  `labels` are the asker's in the tables; the history knows more of them.

    Raises `RequestError`, and `HistoryError` of the reader.
    """
    match request:
        case HistoryRequest():
            return [_rows(reader, asker, request, labels)]
        case ShowRequest(subject):
            detail = find_run(reader, asker, subject, labels)
            return [detail_object(detail), *printed(detail), {"complete": True}]
        case LogsRequest(subject):
            detail = find_run(reader, asker, subject, labels)
            return [*printed(detail), outcome_object(detail.row)]


def find_run(reader: "Reader", asker: Asker, subject: str, labels: Iterable[str] = ()) -> RunDetail:
    """The run of this key, or the latest one of the entry.  Raises as `retell`."""
    if "@" not in subject:
        detail = reader.latest(subject, whose(asker))
        if detail is None:
            _refuse_unknown(reader, asker, subject, labels)
            raise RequestError(f"no run of {subject} is recorded")
        return detail
    detail = reader.run(subject)
    if detail is None or not (asker.everything or detail.row.user == asker.name):
        of = "" if asker.everything else f" that ran as {asker.name}"
        raise RequestError(f"no run{of} called {quoted(subject, 100)} is recorded")
    return detail


def printed(detail: RunDetail) -> Iterator[Line]:
    """The output of every attempt that is over."""
    for attempt, kept in zip(detail.attempts, detail.outputs, strict=True):
        if attempt.outcome is not None:
            yield from output_objects(attempt.number, kept)


def unknown_entry(label: str, asker: Asker, labels: Iterable[str]) -> str:
    """Why there is nothing of that label; those of others are not even said to exist."""
    near = nearest_label(label, list(islice(labels, COMPARED)))
    hint = f"; did you mean {near}?" if near else ""
    of = "" if asker.everything else f" that runs as {asker.name}"
    return f"no entry{of} is called {quoted(label, 100)}{hint}"


def _rows(reader: "Reader", asker: Asker, request: HistoryRequest, labels: Iterable[str]) -> Line:
    query = HistoryQuery(
        entry=request.entry,
        user=whose(asker),
        since=request.since,
        until=request.until,
        outcomes=_outcomes(request.outcomes),
        limit=request.limit,
    )
    rows = reader.history(query)
    if not rows and request.entry is not None:
        _refuse_unknown(reader, asker, request.entry, labels)
    return {"rows": [row_object(row) for row in rows]}


def _outcomes(names: tuple[str, ...]) -> tuple[RunOutcome, ...]:
    try:
        return tuple(map(RunOutcome, names))
    except ValueError:
        unknown = next(name for name in names if name not in RunOutcome.__members__.values())
        allowed = listed([str(outcome) for outcome in RunOutcome])
        raise RequestError(f"{quoted(unknown)} is no outcome; allowed are {allowed}") from None


def _refuse_unknown(reader: "Reader", asker: Asker, label: str, labels: Iterable[str]) -> None:
    known = {*labels, *(reader.labels() if asker.everything else ())}
    if label not in known:
        raise RequestError(unknown_entry(label, asker, sorted(known)))


def whose(asker: Asker) -> str | None:
    """The user whose runs the asker may know; None for all."""
    return None if asker.everything else asker.name
