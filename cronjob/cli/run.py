"""`cronjob run`: start a run of an entry now, and if so asked wait for it."""

import argparse
import os
import sys
from base64 import b64decode
from typing import Any

from cronjob.cli.client import AskError, BrokenAnswerError, Conversation, ask, complain
from cronjob.core.words import counted
from cronjob.errors import printable

SKIPPED_AT_ONCE = 1
#: With `--wait`, beside what the command itself exits with; as timeout(1) and env(1) have them.
NOT_BEGUN, TIMED_OUT, FAILED = 75, 124, 125


class UnwrittenError(OSError):
    """The output of a command cannot be passed on; 1 could be what the command exits with."""

    status = FAILED


def run_entry(options: argparse.Namespace) -> int:
    """Ask the daemon for a run."""
    request: dict[str, object] = {"verb": "run", "entry": options.entry, "force": options.force}
    try:
        return _run_and_wait(options, request) if options.wait else _run(options, request)
    except AskError as error:
        status = complain(error)
        return FAILED if options.wait else status


def _run(options: argparse.Namespace, request: dict[str, object]) -> int:
    told = ask(options.runtime, request)
    print(told["run"])
    if "outcome" in told:
        _say(_not_begun(told))
        return SKIPPED_AT_ONCE
    if told["reason"]:
        _say(f"{told['run']} {told['reason']}")
    return 0


def _run_and_wait(options: argparse.Namespace, request: dict[str, object]) -> int:
    request["wait"] = True
    if lender := os.environ.get("CRONJOB_RUN"):
        request["lender"] = lender
    conversation = Conversation(options.runtime, request)
    key = ""
    try:
        for told in conversation.lines():
            key = str(told.get("run", key))
            if "outcome" in told:
                return _end(told)
            _follow(told)
    except KeyboardInterrupt:
        _say(f"{key} goes on; cronjob kill {key} ends it" if key else "interrupted")
        raise
    finally:
        conversation.close()
    raise BrokenAnswerError(f"the daemon has gone before the end of {key or 'the run'}")


def _follow(told: dict[str, Any]) -> None:
    """What happens until the end."""
    if "output" in told:
        _write(b64decode(told["output"]))
    elif "left_out" in told:
        size = counted(told["left_out"], "byte")
        _say(f"{size} of its output are left out here, read too slowly")
    elif told.get("reason"):
        _say(f"{told['run']} {told['reason']}")


def _end(told: dict[str, Any]) -> int:
    """Say how it ended, when the exit status does not; the exit status."""
    match told["outcome"], told["code"], told["signal"]:
        case ("skipped" | "missed", _, _) | ("cancelled", None, None):
            _say(_not_begun(told))
            return NOT_BEGUN
        case "timed-out", _, _:
            _say(f"{told['run']} timed out")
            return TIMED_OUT
        case _, None, int(signal):
            _say(f"{told['run']} ended by signal {signal}")
            return 128 + signal
        case _, int(code), _:
            return code
    _say(f"{told['run']} {told['outcome']}{_because(told)}")
    return FAILED


def _not_begun(told: dict[str, Any]) -> str:
    return f"{told['run']} is {told['outcome']}{_because(told)}"


def _because(told: dict[str, Any]) -> str:
    return f": {printable(told['why'])}" if told["why"] else ""


def _write(chunk: bytes) -> None:
    if sys.stdout is None:  # descriptor 1 is closed
        return
    try:
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise  # its reader has seen enough
    except OSError as error:
        raise UnwrittenError(error.errno, error.strerror) from None


def _say(text: str) -> None:
    print(f"cronjob: {printable(text)}", file=sys.stderr)
