"""Runs, attempts, outcomes and the only legal moves between their states."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from os import waitstatus_to_exitcode
from typing import Self

from cronjob.core.entry import Entry
from cronjob.core.schedule import FireTime


class Outcome(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SIGNALED = "signaled"
    TIMED_OUT = "timed-out"
    NOT_STARTED = "not-started"
    LOST = "lost"
    CANCELLED = "cancelled"


class RunState(StrEnum):
    """Where a run is on its way."""

    DELAYED = "delayed"  #: its fire time has come, its jitter not yet
    READY = "ready"  #: it waits for slots
    RUNNING = "running"  #: an attempt holds its slots
    BACKING_OFF = "backing-off"  #: it waits for the delay before its next attempt
    FINISHED = "finished"


class Move(StrEnum):
    """What takes a run from one state to the next."""

    DELAY_OVER = "delay-over"
    SLOTS_GRANTED = "slots-granted"
    RETRY_PLANNED = "retry-planned"
    ENDED = "ended"
    DROPPED = "dropped"


MOVES: dict[tuple[RunState, Move], RunState] = {
    (RunState.DELAYED, Move.DELAY_OVER): RunState.READY,
    (RunState.READY, Move.SLOTS_GRANTED): RunState.RUNNING,
    (RunState.RUNNING, Move.RETRY_PLANNED): RunState.BACKING_OFF,
    (RunState.RUNNING, Move.ENDED): RunState.FINISHED,
    (RunState.BACKING_OFF, Move.DELAY_OVER): RunState.READY,
    (RunState.DELAYED, Move.DROPPED): RunState.FINISHED,
    (RunState.READY, Move.DROPPED): RunState.FINISHED,
    (RunState.BACKING_OFF, Move.DROPPED): RunState.FINISHED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an attempt ended, as the kernel or the launcher tells it."""

    status: int | None = None  #: wait status as of wait(2); None when it never ran or was lost
    error: str = ""  #: why it never ran, in words; empty when it ran
    lost: bool = False  #: the launcher died, so nobody knows how it ended
    user_seconds: float = 0.0  #: CPU time in user mode
    system_seconds: float = 0.0  #: CPU time in the kernel
    max_rss: int = 0  #: bytes
    left_behind: int = 0  #: live processes of the attempt that outlived its first one
    survivors: tuple[int, ...] = ()  #: pids that a kill of the whole tree could not end


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One process of a run."""

    number: int  #: from 1; retries are attempts - 1
    launched: datetime  #: UTC
    launched_monotonic: float  #: seconds
    waited: float  #: seconds from becoming ready to the launch
    pid: int | None = None
    outcome: Outcome | None = None  #: None while it is going
    code: int | None = None  #: exit code, also when a shell reports a signal with it
    signal: int | None = None
    seconds: float = 0.0  #: from launch to end, on the monotonic clock
    ending: Ending | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One entry at one fire time."""

    key: str  #: deterministic: `entry@2026-11-21T01:30Z`, with `#2` for a second pass
    label: str  #: the entry's, unique among all loaded
    entry: Entry
    fire: FireTime
    state: RunState
    ready_at: float = 0.0  #: monotonic seconds at which it last became ready
    retry_before: datetime | None = None  #: no retry starts at or after this fire time
    stop_reason: Outcome | None = None  #: set when its attempt is being ended on purpose
    attempts: tuple[Attempt, ...] = ()

    @property
    def attempt(self) -> Attempt:
        """The latest attempt."""
        return self.attempts[-1]

    def move(self, move: Move) -> Self:
        """The same run in its next state.  Raises `KeyError` for an illegal move."""
        return replace(self, state=MOVES[self.state, move])

    def ready(self, monotonic: float) -> Self:
        """The same run, waiting for slots from now on."""
        return replace(self, state=MOVES[self.state, Move.DELAY_OVER], ready_at=monotonic)

    def launched(self, attempt: Attempt, retry_before: datetime | None) -> Self:
        """The same run with one more attempt, which holds its slots."""
        return replace(
            self,
            state=MOVES[self.state, Move.SLOTS_GRANTED],
            retry_before=retry_before,
            attempts=(*self.attempts, attempt),
        )

    def with_attempt(self, attempt: Attempt, stop_reason: Outcome | None = None) -> Self:
        """The same run with its latest attempt replaced."""
        return replace(self, stop_reason=stop_reason, attempts=(*self.attempts[:-1], attempt))


def run_key(label: str, at: datetime, pass_number: int = 1) -> str:
    """The run's key; the second is shown only when it is not zero."""
    instant = at.strftime("%Y-%m-%dT%H:%M:%SZ" if at.second else "%Y-%m-%dT%H:%MZ")
    return f"{label}@{instant}" + (f"#{pass_number}" if pass_number > 1 else "")


def attempt_key(run: str, number: int) -> str:
    """What the launcher calls the attempt."""
    return f"{run}/{number}"


def ended(
    attempt: Attempt, ending: Ending, stop_reason: Outcome | None, monotonic: float
) -> Attempt:
    """The attempt with its outcome.

    A shell reports the death of its command by signal n as exit code 128+n (POSIX sh 2.8.2).
    """
    code = signal = None
    if ending.lost:
        outcome = Outcome.LOST
    elif ending.status is None:
        outcome = Outcome.NOT_STARTED
    else:
        result = waitstatus_to_exitcode(ending.status)
        if result < 0:
            signal, outcome = -result, Outcome.SIGNALED
        else:
            code, outcome = result, Outcome.FAILED if result else Outcome.SUCCEEDED
            if 129 <= result <= 192:
                signal, outcome = result - 128, Outcome.SIGNALED
        outcome = stop_reason or outcome
    return replace(
        attempt,
        outcome=outcome,
        code=code,
        signal=signal,
        seconds=monotonic - attempt.launched_monotonic,
        ending=ending,
    )
