"""Who is told that a run is over: which mails and hooks follow it."""

from collections.abc import Iterator, Mapping

from cronjob.core.config import Hooks
from cronjob.core.entry import Entry
from cronjob.core.fields import Tell
from cronjob.core.notice import Notice, NoticeKind
from cronjob.core.outcome import FAILURES, RunOutcome


def notices(entry: Entry, outcome: RunOutcome, printed: bool, hooks: Hooks) -> tuple[Notice, ...]:
    """What follows a run of `entry` that is over; `printed`: any attempt of it printed anything."""
    mail = _mail(entry) if _is_mailed(entry.fields.mail, outcome, printed) else ()
    return (*mail, *_hooks(entry, outcome, hooks))


def _is_mailed(when: Tell | None, outcome: RunOutcome, printed: bool) -> bool:
    """Without a word on it as every cron does: when there is output (cronie do_command.c)."""
    match when:
        case None:
            return printed
        case Tell.ALWAYS:
            return True
        case Tell.FAILURE:
            return outcome in FAILURES
        case Tell.NEVER:
            return False


def _mail(entry: Entry) -> Iterator[Notice]:
    """To `MAILTO`, or to the user where there is none; an empty one is nobody."""
    settings: Mapping[str, str] = entry.environment
    target = settings.get("MAILTO")
    if target is None or target.strip():
        yield Notice(
            NoticeKind.MAIL,
            target or "",
            entry.user,
            settings.get("MAILFROM", ""),
            settings.get("CONTENT_TYPE", ""),
            settings.get("CONTENT_TRANSFER_ENCODING", ""),
        )


def _hooks(entry: Entry, outcome: RunOutcome, hooks: Hooks) -> Iterator[Notice]:
    fields = entry.fields
    wanted: tuple[tuple[NoticeKind, str | None, str], ...] = ()
    if outcome is RunOutcome.SUCCEEDED:
        wanted = ((NoticeKind.ON_SUCCESS, fields.on_success, hooks.on_success),)
    elif outcome in FAILURES:
        wanted = ((NoticeKind.ON_FAILURE, fields.on_failure, hooks.on_failure),)
    if outcome is RunOutcome.GAVE_UP:
        wanted += ((NoticeKind.ON_GIVE_UP, fields.on_give_up, hooks.on_give_up),)
    for kind, own, common in wanted:
        if command := common if own is None else own:
            yield Notice(kind, command, entry.user)
