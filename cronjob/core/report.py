"""What the journal is told: one record per event, its sentence, its fields."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from cronjob.core.entry import Entry
from cronjob.core.retry import GaveUp
from cronjob.core.run import Attempt, Outcome, Run
from cronjob.core.words import counted, seconds
from cronjob.errors import printable


class Priority(IntEnum):
    """syslog(3) levels."""

    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6


@dataclass(frozen=True, slots=True)
class Report:
    """One line of the journal: a sentence for people, an event name and fields for machines."""

    event: str
    priority: Priority
    text: str
    fields: tuple[tuple[str, str], ...] = ()


def attempt_started(run: Run, attempt: Attempt, note: str) -> Report:
    """An attempt has its process; `note` is what the launcher had to work around."""
    user = f"({run.entry.user}) " if run.entry.user else ""
    waited = f", waited {seconds(attempt.waited)} for a slot" if attempt.waited >= 0.001 else ""
    text = (
        f"{run.key}: attempt {attempt.number} started, pid {attempt.pid}{waited}: "
        f"{user}CMD ({shown_command(run.entry)})" + (f"; {note}" if note else "")
    )
    priority = Priority.WARNING if note else Priority.INFO
    return Report("attempt-started", priority, text, _fields(run, attempt))


def attempt_ended(run: Run, attempt: Attempt) -> Report:
    """An attempt is over, however it ended."""
    good = attempt.outcome is Outcome.SUCCEEDED
    text = f"{run.key}: attempt {attempt.number} {attempt.outcome}{_how(attempt)}"
    if attempt.outcome is not Outcome.NOT_STARTED:
        text += f" after {seconds(attempt.seconds)}"
    ending = attempt.ending
    if ending is not None and ending.left_behind:
        text += f"; left {counted(ending.left_behind, 'process', 'processes')} behind"
    if ending is not None and ending.survivors:
        text += "; could not end pids " + " ".join(map(str, ending.survivors))
    priority = Priority.INFO if good else Priority.WARNING
    if not good:
        text += f" ({run.entry.place})"
    return Report("attempt-ended", priority, text, _fields(run, attempt))


def retry_planned(run: Run, attempt: Attempt, delay: timedelta, at: datetime) -> Report:
    """Another attempt follows."""
    limit = run.entry.fields.retry.limit
    text = (
        f"{run.key}: retry {attempt.number} of {limit} in {seconds(delay.total_seconds())}, "
        f"at {at:%H:%M:%S}Z"
    )
    return Report("retry-planned", Priority.NOTICE, text, _fields(run, attempt))


_GAVE_UP = {
    GaveUp.EXHAUSTED: "retries are exhausted",
    GaveUp.SUPERSEDED: "no further retry: the next fire time comes first",
    GaveUp.TOO_LATE: "no further retry: retry-until is over",
}


def gave_up(run: Run, reason: GaveUp) -> Report:
    """No attempt follows a failure that was worth one."""
    last = run.attempt
    text = (
        f"{run.key}: {_GAVE_UP[reason]}, gave up after {counted(len(run.attempts), 'attempt')}, "
        f"the last one {last.outcome}{_how(last)} ({run.entry.place})"
    )
    return Report("gave-up", Priority.ERROR, text, _fields(run, last))


def output_line(run: Run, attempt: Attempt, line: str) -> Report:
    """A line that the command printed."""
    return Report("output", Priority.INFO, f"{run.label}: {line}", _fields(run, attempt))


def waits_for_slots(run: Run, pool: int, used: int, ahead: int) -> Report:
    """A run that is ready does not start at once."""
    need = "a slot" if run.entry.slots == 1 else f"{run.entry.slots} slots"
    line = f"{counted(ahead, 'run')} ahead"
    text = f"{run.key}: waits for {need}: {used} of {pool} are taken, {line}"
    return Report("run-waiting", Priority.INFO, text, _fields(run))


def dropped(run: Run, why: str) -> Report:
    """A run that was waiting will not go on."""
    return Report("run-dropped", Priority.NOTICE, f"{run.key}: dropped: {why}", _fields(run))


def waiting_vanished(label: str, at: datetime) -> Report:
    """A run that the daemon before left waiting has no entry any more."""
    text = f"{label}: its run of {at:%F %T}Z is dropped: its entry is in no table any more"
    return Report("run-dropped", Priority.NOTICE, text, (("CRONJOB_NAME", label),))


def refused(label: str, entry: Entry, why: str) -> Report:
    """An entry of a table that this daemon does not run."""
    text = f"{entry.place}: {label} is not run: {why}"
    return Report("entry-refused", Priority.ERROR, text, (("CRONJOB_NAME", label),))


def missed(schedules: int, entries: int, since: datetime, until: datetime, why: str) -> Report:
    """Fire times that passed without a start."""
    text = (
        f"{counted(entries, 'entry', 'entries')} missed fire times of "
        f"{counted(schedules, 'schedule')} between "
        f"{since:%F %T}Z and {until:%F %T}Z: {why}"
    )
    return Report("missed", Priority.WARNING, text)


def clock_stepped(by: timedelta) -> Report:
    """The wall clock no longer agrees with the monotonic clock."""
    way = "forward" if by > timedelta() else "back"
    text = f"the clock went {way} by {seconds(abs(by.total_seconds()))}"
    return Report("clock-stepped", Priority.NOTICE, text)


def clock_behind(by: timedelta) -> Report:
    """A daemon finds the wall clock before the time that the one before it has reached."""
    text = f"the clock stands {seconds(by.total_seconds())} before the time of the last daemon"
    return Report("clock-stepped", Priority.NOTICE, text)


def stopping(running: int, waiting: int, force: bool) -> Report:
    """The daemon has been asked to stop."""
    how = "ending at once" if force else "ending"
    text = f"stopping: {how} {counted(running, 'attempt')}, {counted(waiting, 'run')} not begun"
    return Report("stopping", Priority.INFO, text)


def shown_command(entry: Entry) -> str:
    """The command as a log shows it: control characters escaped."""
    return printable(entry.command)


def _how(attempt: Attempt) -> str:
    if attempt.outcome is Outcome.NOT_STARTED and attempt.ending is not None:
        return f": {attempt.ending.error}"
    if attempt.code is not None:
        by = f", signal {attempt.signal}" if attempt.signal else ""
        return f": exit status {attempt.code}{by}{_SHELL.get(attempt.code, '')}"
    return f": signal {attempt.signal}" if attempt.signal else ""


#: POSIX sh 2.8.2
_SHELL = {126: " (found but not executable)", 127: " (command not found)"}


def _fields(run: Run, attempt: Attempt | None = None) -> tuple[tuple[str, str], ...]:
    fields = [("CRONJOB_NAME", run.label), ("CRONJOB_RUN", run.key)]
    if attempt is not None:
        fields.append(("CRONJOB_ATTEMPT", str(attempt.number)))
        if attempt.outcome is not None:
            fields.append(("CRONJOB_OUTCOME", str(attempt.outcome)))
            fields.append(("CRONJOB_SECONDS", f"{attempt.seconds:.6f}"))
        if attempt.code is not None:
            fields.append(("CRONJOB_EXIT_STATUS", str(attempt.code)))
    return tuple(fields)
