"""The end of a run that is followed: its words, and the exit status that stands for it."""

import sys
from typing import Any

from cronjob.errors import printable

#: Beside what the command itself exits with; as timeout(1) and env(1) have them.
NOT_BEGUN, TIMED_OUT, FAILED = 75, 124, 125


class UnwrittenError(OSError):
    """The output of a command cannot be passed on; 1 could be what the command exits with."""

    status = FAILED


def exit_status(told: dict[str, Any]) -> int:
    """Say how it ended, when the exit status does not; the exit status."""
    outcome = told["latest"] if told["outcome"] == "gave-up" else told["outcome"]
    match outcome, told["code"], told["signal"]:
        case ("skipped" | "missed", _, _) | ("cancelled", None, None):
            say(not_begun(told))
            return NOT_BEGUN
        case "timed-out", _, _:
            say(f"{told['run']} timed out")
            return TIMED_OUT
        case _, None, int(signal):
            say(f"{told['run']} ended by signal {signal}")
            return 128 + signal
        case _, int(code), _:
            return code
    say(f"{told['run']} {told['outcome']}{_because(told)}")
    return FAILED


def not_begun(told: dict[str, Any]) -> str:
    """`backup@2026-11-21T01:30Z is skipped: an earlier run is going`."""
    return f"{told['run']} is {told['outcome']}{_because(told)}"


def write(chunk: bytes) -> None:
    """Pass on what a command printed.  Raises `BrokenPipeError`, `UnwrittenError`."""
    if sys.stdout is None:  # descriptor 1 is closed
        return
    try:
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise  # its reader has seen enough
    except OSError as error:
        raise UnwrittenError(error.errno, error.strerror) from None


def say(text: str) -> None:
    """A word on standard error, beside what the command printed."""
    print(f"cronjob: {printable(text)}", file=sys.stderr)


def _because(told: dict[str, Any]) -> str:
    return f": {printable(told['why'])}" if told["why"] else ""
