"""All lints: each code, how grave it is, and the function that finds it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from cronjob.core.entry import Entry, Problem, Setting, Severity, Table
from cronjob.core.lint import commands, limits, settings, times, users
from cronjob.core.lint.subject import Found, Subject, Surroundings

Looked = TypeVar("Looked", Entry, Setting)


@dataclass(frozen=True, slots=True)
class Lint(Generic[Looked]):
    """A lint that looks at one entry, or at one environment line, at a time."""

    severity: Severity
    find: Callable[[Looked, Subject], Found | None]


#: A warning is nearly always a mistake; a note is worth knowing.
ENTRY_LINTS: dict[str, Lint[Entry]] = {
    "never-fires": Lint("warning", times.never_fires),
    "leap-years-only": Lint("note", times.leap_years_only),
    "short-months": Lint("note", times.short_months),
    "either-day": Lint("note", times.either_day),
    "both-days": Lint("note", times.both_days),
    "every-minute": Lint("warning", times.every_minute),
    "uneven-step": Lint("note", times.uneven_step),
    "clock-change": Lint("warning", times.clock_change),
    "overlapping": Lint("warning", times.overlapping),
    "catch-up-overlap": Lint("note", times.catch_up_overlap),
    "no-retry": Lint("warning", times.no_retry),
    "too-many-slots": Lint("warning", limits.too_many_slots),
    "too-little-memory": Lint("warning", limits.too_little_memory),
    "percent": Lint("warning", commands.percent),
    "parallel-build": Lint("warning", commands.parallel_build),
    "missing-program": Lint("note", commands.missing_program),
    "runs-elsewhere": Lint("warning", commands.runs_elsewhere),
    "repeated": Lint("warning", commands.repeated),
    "sixth-column": Lint("warning", users.sixth_column),
    "classic-field": Lint("warning", users.classic_field),
    "no-user-column": Lint("warning", users.no_user_column),
    "unknown-account": Lint("warning", users.unknown_account),
    "user-in-command": Lint("warning", users.user_in_command),
}
SETTING_LINTS: dict[str, Lint[Setting]] = {
    "not-expanded": Lint("warning", settings.not_expanded),
    "comment-in-value": Lint("warning", settings.comment_in_value),
    "mail-addresses": Lint("warning", settings.mail_addresses),
    "zone-of-commands": Lint("note", settings.zone_of_commands),
    "missing-shell": Lint("warning", settings.missing_shell),
    "missing-home": Lint("note", settings.missing_home),
}


def lint_table(table: Table, text: str | bytes, around: Surroundings) -> tuple[Problem, ...]:
    """What the lints find in a table, by place; `text` is what it was read from."""
    subject = Subject.of(table, text, around)
    problems = [
        *_found(ENTRY_LINTS, table.entries, subject),
        *_found(SETTING_LINTS, table.settings, subject),
    ]
    return tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))


def _found(
    lints: Mapping[str, Lint[Looked]], looked_at: Iterable[Looked], subject: Subject
) -> Iterator[Problem]:
    source = subject.table.source
    for item in looked_at:
        for code, lint in lints.items():
            if (found := lint.find(item, subject)) is not None:
                place = item.line, found.offset + 1
                yield Problem(lint.severity, *place, found.message, source, code)
