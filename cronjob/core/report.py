"""What the journal is told: one record per event, its sentence, its fields."""

from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from cronjob.core.attempt import Attempt, Ending
from cronjob.core.entry import Entry
from cronjob.core.found import Left
from cronjob.core.outcome import Outcome
from cronjob.core.output import BYTES_A_WINDOW, LINES_A_WINDOW, WINDOW
from cronjob.core.retry import GaveUp
from cronjob.core.run import Run
from cronjob.core.waits import waited_words, wanted
from cronjob.core.words import counted, listed, seconds
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
    waited = f", {waited_words(attempt.waits)}" if attempt.waits else ""
    text = (
        f"{run.key}: attempt {attempt.number} started, pid {attempt.pid}{waited}: "
        f"{user}CMD ({shown_command(run.entry)})" + (f"; {note}" if note else "")
    )
    priority = Priority.WARNING if note else Priority.INFO
    return Report("attempt-started", priority, text, _fields(run, attempt))


def attempt_ended(run: Run, attempt: Attempt) -> Report:
    """An attempt is over, however it ended."""
    good = attempt.outcome is Outcome.SUCCEEDED
    ending = attempt.ending
    text = f"{run.key}: attempt {attempt.number} {attempt.outcome}{_how(attempt)}"
    if ending is not None and ending.out_of_memory:
        limit = dict(run.entry.fields.written).get("memory")
        text += ", out of memory" + (f" (memory={limit})" if limit else "")
    if attempt.outcome is not Outcome.NOT_STARTED and attempt.seconds:
        text += f" after {seconds(attempt.seconds)}"
    if ending is not None and ending.left_behind:
        text += f"; left {counted(ending.left_behind, 'process', 'processes')} behind"
    if ending is not None and ending.survivors:
        text += "; could not end pids " + " ".join(map(str, ending.survivors))
    priority = Priority.INFO if good else Priority.WARNING
    if not good:
        text += f" ({run.entry.place})"
    return Report("attempt-ended", priority, text, _fields(run, attempt) + _usage(ending))


def retry_planned(run: Run, attempt: Attempt, delay: timedelta, at: datetime) -> Report:
    """Another attempt follows."""
    limit = run.entry.fields.retry.limit
    text = (
        f"{run.key}: retry {attempt.number} of {limit} in {seconds(delay.total_seconds())}, "
        f"at {at:%H:%M:%S}Z"
    )
    return Report("retry-planned", Priority.NOTICE, text, _fields(run, attempt))


#: Why no further attempt follows, in words.
GAVE_UP = {
    GaveUp.EXHAUSTED: "retries are exhausted",
    GaveUp.SUPERSEDED: "no further retry: the next fire time comes first",
    GaveUp.TOO_LATE: "no further retry: retry-until is over",
}


def gave_up(run: Run, reason: GaveUp) -> Report:
    """No attempt follows a failure that was worth one."""
    last = run.attempt
    text = (
        f"{run.key}: {GAVE_UP[reason]}, gave up after {counted(len(run.attempts), 'attempt')}, "
        f"the last one {last.outcome}{_how(last)} ({run.entry.place})"
    )
    return Report("gave-up", Priority.ERROR, text, _fields(run, last))


def output_line(run: Run, attempt: Attempt, line: str) -> Report:
    """A line that the command printed."""
    return Report("output", Priority.INFO, f"{run.label}: {line}", _fields(run, attempt))


def output_dropped(run: Run, attempt: Attempt, lines: int, size: int) -> Report:
    """The command printed more than the journal is told."""
    text = (
        f"{run.label}: {counted(lines, 'line')} ({size:,} bytes) left out: the log takes "
        f"{LINES_A_WINDOW:,} lines and {BYTES_A_WINDOW >> 20} MiB of an attempt in {WINDOW:.0f} s"
    )
    return Report("output-dropped", Priority.WARNING, text, _fields(run, attempt))


def taken_up(left: Left, labels: Container[str]) -> Report | None:
    """What a daemon finds of the one before, as far as there still are entries for it."""
    unfinished = [run for run in left.unfinished if run.label in labels]
    lost = sum(bool(run.attempts) and run.attempts[-1].outcome is None for run in unfinished)
    queued = sum(not run.attempts and not run.asked for run in unfinished)
    retries = sum(run.retry_at is not None for run in unfinished)
    found = (
        _are(lost, "attempt", "attempts", "lost"),
        _are(queued, "run", "runs", "queued again"),
        _are(retries, "retry", "retries", "taken up"),
    )
    killed = left.progress is not None and left.stopped is None
    parts = ("the daemon before was killed" if killed else "", ", ".join(filter(None, found)))
    text = "; ".join(filter(None, parts))
    return Report("taken-up", Priority.WARNING if killed else Priority.INFO, text) if text else None


def _are(count: int, noun: str, nouns: str, done: str) -> str:
    return f"{counted(count, noun, nouns)} {'is' if count == 1 else 'are'} {done}" if count else ""


def leftovers_ended(ended: int, survivors: Sequence[int]) -> Report:
    """Processes of attempts that outlived a daemon and its launcher."""
    text = f"ended {counted(ended, 'process', 'processes')} that the daemon before left behind"
    if not survivors:
        return Report("leftovers", Priority.WARNING, text)
    left = " ".join(map(str, survivors))
    return Report("leftovers", Priority.ERROR, f"{text}; could not end pids {left}")


def tokens_ignored(run: Run) -> Report:
    """The command returns tokens that it never took."""
    text = f"{run.key}: it returns tokens that it never took; what it holds is free at its end"
    return Report("tokens-ignored", Priority.WARNING, text, _fields(run, run.attempt))


def waits_for_slots(run: Run, pool: int, used: int, ahead: int) -> Report:
    """A run that is ready does not start at once."""
    line = f"{counted(ahead, 'run')} ahead"
    text = f"{run.key}: waits for {wanted(run.entry.slots)}: {used} of {pool} are taken, {line}"
    return Report("run-waiting", Priority.INFO, text, _fields(run))


def waits_for_share(run: Run, pool: int, held: int) -> Report:
    """A run that is ready does not start, because its entry or account holds half of the pool."""
    what = run.wait.what if run.wait is not None else ""
    text = f"{run.key}: waits for {what}: {held} of {pool // 2} are taken"
    return Report("run-waiting", Priority.INFO, text, _fields(run))


def waits(run: Run) -> Report:
    """A run waits for its gates, or for an earlier run."""
    what = run.wait.what if run.wait is not None else ""
    return Report("run-waiting", Priority.INFO, f"{run.key}: waits for {what}", _fields(run))


def gate_unknown(run: Run, unknown: Collection[str]) -> Report:
    """A gate that cannot be measured holds nobody; said once for each."""
    what = listed(sorted(unknown))
    text = f"this machine does not tell {what}: gates that need it hold nothing back, as in"
    return Report("gate-unknown", Priority.WARNING, f"{text} {run.entry.place}", _fields(run))


def skipped(run: Run, why: str) -> Report:
    """A run is not to begin."""
    return Report("run-skipped", Priority.NOTICE, f"{run.key}: skipped: {why}", _fields(run))


def deadline_passed(run: Run) -> Report:
    """A run could not begin in time."""
    deadline = run.entry.fields.deadline
    allowed = seconds(deadline.total_seconds()) if deadline is not None else "its time"
    held = f"; it waited for {run.wait.what}" if run.wait is not None else ""
    text = f"{run.key}: missed: it could not start within {allowed}{held} ({run.entry.place})"
    return Report("run-missed", Priority.WARNING, text, _fields(run))


def killed(run: Run, by: str) -> Report:
    """Somebody has a run ended whose attempt is going."""
    text = f"{run.key}: attempt {run.attempt.number} is ended, killed by {by}"
    return Report("run-killed", Priority.NOTICE, text, _fields(run, run.attempt))


def replaced(run: Run, newer: Run) -> Report:
    """A newer run of the entry has this one ended."""
    text = f"{run.key}: attempt {run.attempt.number} is ended, replaced by {newer.key}"
    return Report("run-replaced", Priority.NOTICE, text, _fields(run, run.attempt))


def notice_sent(run: str, what: str) -> Report:
    """A mail has been handed over, or a hook has succeeded; `what` says which."""
    return Report("notice-sent", Priority.INFO, f"{run}: {what}: done", (("CRONJOB_RUN", run),))


def notice_failed(run: str, what: str, problem: str) -> Report:
    """A mail could not be handed over, or a hook did not succeed."""
    text = f"{run}: {what}: {problem}"
    return Report("notice-failed", Priority.WARNING, text, (("CRONJOB_RUN", run),))


def notice_output(run: str, what: str, line: str) -> Report:
    """A line that a hook or a sendmail printed."""
    text = f"{run}: {what}: {line}"
    return Report("notice-output", Priority.INFO, text, (("CRONJOB_RUN", run),))


def notice_output_dropped(run: str, what: str, lines: int, size: int) -> Report:
    """A hook printed more than the journal is told."""
    text = f"{run}: {what}: {counted(lines, 'line')} ({size:,} bytes) left out"
    return Report("notice-output", Priority.WARNING, text, (("CRONJOB_RUN", run),))


def no_sendmail(places: Sequence[str]) -> Report:
    """Nobody takes mail on this machine; said once."""
    text = f"no mail is sent: there is no program {' or '.join(places)}; output is in the history"
    return Report("no-sendmail", Priority.WARNING, text)


def notices_dropped(count: int, bound: int) -> Report:
    """More mails and hooks waited than are kept."""
    text = (
        f"{counted(count, 'mail or hook', 'mails and hooks')} dropped, the oldest first: more "
        f"than {bound:,} waited"
    )
    return Report("notice-failed", Priority.ERROR, text)


def notices_left(count: int) -> Report:
    """A stop did not wait for all of them."""
    text = f"{counted(count, 'mail or hook', 'mails and hooks')} left to the next start"
    return Report("notices-left", Priority.NOTICE, text)


def pool_full(lasted: float, used: int, pool: int, waiting: int, oldest: Run | None) -> Report:
    """Runs wait, and no attempt has ended for long."""
    text = (
        f"no attempt has ended for {seconds(lasted)}: {used} of {pool} slots are taken, "
        f"{counted(waiting, 'run')} waiting"
    )
    if oldest is not None:
        text += f"; {oldest.key} runs longest, since {oldest.attempt.launched:%F %T}Z"
    return Report("pool-full", Priority.ERROR, text)


def dropped(run: Run, why: str) -> Report:
    """A run that was waiting will not go on."""
    return Report("run-dropped", Priority.NOTICE, f"{run.key}: dropped: {why}", _fields(run))


def waiting_gone(label: str, at: datetime, why: str) -> Report:
    """A run that the daemon before left waiting is not to go on."""
    text = f"{label}: its run of {at:%F %T}Z is dropped: {why}"
    return Report("run-dropped", Priority.NOTICE, text, (("CRONJOB_NAME", label),))


def unknown_label(label: str) -> Report:
    """Somebody asked for a run of an entry that has just gone."""
    text = f"{label}: it is not run as asked: it is in no table any more"
    return Report("run-dropped", Priority.NOTICE, text, (("CRONJOB_NAME", label),))


def run_requested(key: str, label: str, by: str, force: bool, lender: str | None) -> Report:
    """Somebody has asked for a run."""
    how = ", whatever holds it" if force else ""
    where = f", from within {lender}" if lender else ""
    fields = (("CRONJOB_NAME", label), ("CRONJOB_RUN", key))
    return Report("run-requested", Priority.INFO, f"{key}: asked for by {by}{where}{how}", fields)


def refused(label: str, entry: Entry, why: str) -> Report:
    """An entry of a table that this daemon does not run."""
    text = f"{entry.place}: {label} is not run: {why}"
    return Report("entry-refused", Priority.ERROR, text, (("CRONJOB_NAME", label),))


def renamed(before: str, label: str, runs: int) -> Report:
    """An entry with unfinished runs is called otherwise from now on."""
    what = f"{counted(runs, 'run')} of it {'goes' if runs == 1 else 'go'} on"
    text = f"{label}: it was called {before}; {what}"
    return Report("entry-renamed", Priority.INFO, text, (("CRONJOB_NAME", label),))


def missed(schedules: int, entries: int, since: datetime, until: datetime, why: str) -> Report:
    """Fire times that passed without a start."""
    text = (
        f"{counted(entries, 'entry', 'entries')} missed fire times of "
        f"{counted(schedules, 'schedule')} between "
        f"{since:%F %T}Z and {until:%F %T}Z: {why}"
    )
    return Report("missed", Priority.WARNING, text)


def caught_up(
    runs: int, entries: int, first: datetime, last: datetime, capped: Collection[str], most: int
) -> Report:
    """Fire times that were missed are made up for; `capped` are labels of entries with more."""
    text = (
        f"{counted(runs, 'missed fire time')} of {counted(entries, 'entry', 'entries')} "
        f"{'is' if runs == 1 else 'are'} made up for, from {first:%F %T}Z to {last:%F %T}Z"
    )
    if capped:
        names = listed([*sorted(capped)[:3], *(["others"] if len(capped) > 3 else [])])
        text += f"; no more than the newest {most} of an entry are: {names} missed more"
    return Report("caught-up", Priority.WARNING if capped else Priority.NOTICE, text)


def clock_stepped(by: timedelta) -> Report:
    """The wall clock no longer agrees with the monotonic clock."""
    way = "forward" if by > timedelta() else "back"
    text = f"the clock went {way} by {seconds(abs(by.total_seconds()))}"
    return Report("clock-stepped", Priority.NOTICE, text)


def clock_behind(by: timedelta) -> Report:
    """A daemon finds the wall clock before the time that the one before it has reached."""
    text = f"the clock stands {seconds(by.total_seconds())} before the time of the last daemon"
    return Report("clock-stepped", Priority.NOTICE, text)


def stopping(running: int, waiting: int, retries: int, force: bool) -> Report:
    """The daemon has been asked to stop."""
    how = "ending at once" if force else "ending"
    text = f"stopping: {how} {counted(running, 'attempt')}, {counted(waiting, 'run')} not begun"
    text += f", {counted(retries, 'retry', 'retries')} left to the next daemon" if retries else ""
    return Report("stopping", Priority.INFO, text)


def shown_command(entry: Entry) -> str:
    """The command as a log shows it: control characters escaped."""
    return printable(entry.command)


def ending_words(attempt: Attempt) -> str:
    """How an attempt ended: `failed: exit status 75`."""
    return f"{attempt.outcome or 'not over'}{_how(attempt)}"


def _how(attempt: Attempt) -> str:
    if attempt.outcome in (Outcome.NOT_STARTED, Outcome.LOST):
        return f": {attempt.why}"
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
        if attempt.seconds:
            fields.append(("CRONJOB_SECONDS", f"{attempt.seconds:.6f}"))
        if attempt.code is not None:
            fields.append(("CRONJOB_EXIT_STATUS", str(attempt.code)))
    return tuple(fields)


def _usage(ending: Ending | None) -> tuple[tuple[str, str], ...]:
    """What the processes used that were waited for; nothing where nobody measured it."""
    if ending is None or not ending.max_rss:
        return ()
    cpu = ending.user_seconds + ending.system_seconds
    return ("CRONJOB_CPU_SECONDS", f"{cpu:.6f}"), ("CRONJOB_MAX_RSS", str(ending.max_rss))
