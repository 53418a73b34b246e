"""An attempt: one process of a run, what it waited for and how it ended.

Its start and its end make another value of it, so it is a tuple with names, which costs a third
of a frozen dataclass.
"""

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from os import waitstatus_to_exitcode
from typing import NamedTuple

from cronjob.core.outcome import Outcome
from cronjob.core.waits import Waited


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an attempt ended, as the kernel or the launcher tells it."""

    status: int | None = None  #: wait status as of wait(2); None when it never ran or was lost
    error: str = ""  #: why it never ran, or how it was lost, in words; empty when it ran
    lost: bool = False  #: the launcher died, so nobody knows how it ended
    user_seconds: float = 0.0  #: CPU time in user mode
    system_seconds: float = 0.0  #: CPU time in the kernel
    max_rss: int = 0  #: bytes
    left_behind: int = 0  #: live processes of the attempt that outlived its first one
    printed: int = 0  #: bytes of output
    out_of_memory: bool = False  #: the kernel ended processes of it, for its limit of memory
    survivors: tuple[int, ...] = ()  #: pids that a kill of the whole tree could not end


class Attempt(NamedTuple):
    """One process of a run."""

    number: int  #: from 1; retries are attempts - 1
    launched: datetime  #: UTC
    launched_monotonic: float  #: seconds
    waited: float  #: seconds for slots, gates and earlier runs, before the launch
    waits: tuple[Waited, ...] = ()  #: what for, and how long for each
    pid: int | None = None
    outcome: Outcome | None = None  #: None while it runs
    code: int | None = None  #: exit code, also when a shell reports a signal with it
    signal: int | None = None
    seconds: float = 0.0  #: from launch to end, on the monotonic clock
    ending: Ending | None = None

    @property
    def why(self) -> str:
        """Why it has no status, for people; empty when it has one."""
        if self.outcome is Outcome.LOST:
            return (self.ending.error if self.ending else "") or "the launcher died"
        if self.outcome is Outcome.NOT_STARTED and self.ending is not None:
            return self.ending.error
        return ""


def attempt_key(run: str, number: int) -> str:
    """What the launcher calls the attempt."""
    return f"{run}/{number}"


def attempt_parts(key: str) -> tuple[str, int]:
    """The inverse of `attempt_key`: the key of the run, and the number."""
    run, _, number = key.rpartition("/")
    return run, int(number)


def ended(
    attempt: Attempt,
    ending: Ending,
    stop_reason: Outcome | None,
    monotonic: float,
    ok: Container[int] = (0,),
) -> Attempt:
    """The attempt with its outcome; `ok` are the exit codes of success.

    A shell reports the death of its command by signal n as exit code 128+n (POSIX sh 2.8.2).
    """
    code = signal = None
    if ending.lost:
        outcome = Outcome.LOST
    elif ending.status is None:
        outcome = stop_reason or Outcome.NOT_STARTED
    else:
        result = waitstatus_to_exitcode(ending.status)
        if result < 0:
            signal, outcome = -result, Outcome.SIGNALED
        else:
            code, outcome = result, Outcome.SUCCEEDED if result in ok else Outcome.FAILED
            if 129 <= result <= 192 and result not in ok:
                signal, outcome = result - 128, Outcome.SIGNALED
        outcome = stop_reason or outcome
    return attempt._replace(
        outcome=outcome,
        code=code,
        signal=signal,
        seconds=monotonic - attempt.launched_monotonic,
        ending=ending,
    )
