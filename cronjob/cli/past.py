"""Where the past is asked for: the history itself, as far as one may read it, or a daemon."""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from cronjob.cli.unanswered import AskError, BrokenAnswerError
from cronjob.core.request import (
    Asker,
    HistoryRequest,
    LogsRequest,
    RequestError,
    ShowRequest,
    request_members,
)
from cronjob.errors import HistoryError
from cronjob.host.directories import (
    HISTORY_AWAY,
    default_runtime,
    default_state,
    runtimes_to_ask,
)

ANSWER_SECONDS = 10.0

Line = dict[str, Any]
PastRequest = HistoryRequest | ShowRequest | LogsRequest


def ask_past(options: argparse.Namespace, request: PastRequest) -> Iterator[Line]:
    """The lines of the answer, of which the last one is there too.

    `--state` names the history to read, `--runtime` the daemon to ask; without either it is the
    history of one's own state directory if there is one, else a daemon.  Raises `AskError`.
    """
    if options.state is not None:
        return read_past(options.state, request)
    if options.runtime is None and has_history(default_state()):
        return read_or_ask(request)
    return ask_daemon(options.runtime, request)


def read_or_ask(request: PastRequest) -> Iterator[Line]:
    """The answer of one's own history; of a corrupt one its daemon hears that way, and mends it.

    Raises `AskError`.
    """
    try:
        yield from _read(default_state(), request)
    except HistoryError as error:
        if not error.corrupt or not _is_held(default_state()):
            raise AskError(str(error)) from None
        print(f"cronjob: {error}; its daemon is asked", file=sys.stderr)
        yield from ask_daemon(None, request)


def read_past(directory: str, request: PastRequest) -> Iterator[Line]:
    """The answer of the history in this directory, with or without a daemon.  Raises `AskError`."""
    try:
        yield from _read(directory, request)
    except HistoryError as error:
        raise AskError(str(error)) from None


def _read(directory: str, request: PastRequest) -> Iterator[Line]:
    """As `read_past`.  Raises `AskError`, and `HistoryError` before the first line."""
    if directory == default_state():
        _warn_of_a_gap([default_runtime()])
    # Only who reads it pays for these.
    from cronjob.host.history.reading import open_reader
    from cronjob.host.past import retell

    try:
        with open_reader(directory) as reader:
            lines = retell(reader, Asker("", everything=True), request)
    except RequestError as error:
        raise AskError(str(error)) from None
    if any(map(_unfinished, lines)) and not _is_held(directory):
        text = "no daemon runs there; what is not over was left by one that has gone"
        print(f"cronjob: {text}", file=sys.stderr)
    yield from lines


def ask_daemon(runtime: str | None, request: PastRequest) -> Iterator[Line]:
    """The answer of a daemon.  Raises `AskError`."""
    _warn_of_a_gap([runtime] if runtime else runtimes_to_ask())
    # Only who asks one pays for these.
    from base64 import b64decode

    from cronjob.cli.client import Conversation

    seconds = None if isinstance(request, LogsRequest) and request.follow else ANSWER_SECONDS
    conversation = Conversation(runtime, request_members(request), seconds=seconds)
    try:
        for line in conversation.lines():
            del line["version"]
            if "output" in line:
                line["output"] = b64decode(line["output"])
            yield line
            if {"rows", "complete", "outcome"} & line.keys() and "ladder" not in line:
                return
    finally:
        conversation.close()
    raise BrokenAnswerError("the daemon has gone before the end of its answer")


def _warn_of_a_gap(runtimes: Iterable[str]) -> None:
    """Say since when a daemon cannot write what it knows; it has left a marker then."""
    for marker in (os.path.join(runtime, HISTORY_AWAY) for runtime in runtimes):
        with suppress(OSError):
            since = datetime.fromtimestamp(os.stat(marker).st_mtime).astimezone()
            text = f"what happened since {since:%a %F %T%z} is not in the history yet"
            print(f"cronjob: {text}, which could not be written", file=sys.stderr)


def _unfinished(line: Line) -> bool:
    """Whether it tells of a run that is not over."""
    runs = line.get("rows", (line,))
    return any(run.get("run") and run["outcome"] is None for run in runs)


def _is_held(directory: str) -> bool:
    """Whether a daemon writes the history in this directory."""
    from cronjob.host.lock import is_held

    return is_held(directory, "state")


def has_history(directory: str) -> bool:
    """Whether there is one that may be read."""
    from cronjob.host.history.database import path_in

    return os.access(path_in(directory), os.R_OK)
