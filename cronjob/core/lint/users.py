"""Lints of the user column: the word beside it taken for it."""

import re

from cronjob.core.columns import DAY_OF_WEEK
from cronjob.core.entry import Entry
from cronjob.core.fields import FIELDS, FieldError, parse_field
from cronjob.core.lint.subject import Found, Subject
from cronjob.errors import quoted

_NAMES = "|".join(DAY_OF_WEEK.names)
_TIME_COLUMN = re.compile(
    rf"(?:\?|[0-9*,/?-]*[0-9*][0-9*,/?LW#-]*|(?:{_NAMES})(?:[,-](?:{_NAMES}))*)",
    re.ASCII | re.IGNORECASE,
)
_LONGEST = 100  # characters of a time column that anybody would write
#: Words that begin a command and are no file in PATH.
_BUILTINS = frozenset(
    (
        *(".", ":", "[", "[[", "{", "!", "cd", "do", "eval", "exec", "exit", "export", "for", "if"),
        *("read", "set", "source", "test", "then", "trap", "type", "ulimit", "umask", "unset"),
        *("until", "while"),
    )
)
_SYNTAX = frozenset("[({\"'`.~")  # what the first word of a command may begin with, and no account


def sixth_column(entry: Entry, subject: Subject) -> Found | None:
    """What stands where the user or the command begins looks like a time column."""
    word = entry.user if subject.table.style == "system" else _first_word(entry)
    if not word or len(word) > _LONGEST or _exists(word, subject):
        return None
    if not _TIME_COLUMN.fullmatch(word):
        return None
    what = "user" if subject.table.style == "system" else "command"
    at = subject.user_at(entry) if subject.table.style == "system" else subject.command_at(entry)
    message = (
        f"the {what} {quoted(word)} looks like a sixth time column; allowed are five, "
        "and the first is the minute: there are no seconds and no year"
    )
    return Found(at, message)


def classic_field(entry: Entry, subject: Subject) -> Found | None:
    """A field in a table of cron, where it is the user, or an assignment before the command."""
    word = entry.user if subject.table.style == "system" else _first_word(entry)
    name, equals, value = (word or "").partition("=")
    if not subject.table.classic or not equals or name not in FIELDS:
        return None
    try:
        parse_field(name, value)
    except FieldError:
        return None  # a variable of the same name
    message = f"{quoted(f'{name}={value}')} is no field here: a table of cron has none; "
    at = subject.user_at(entry) if subject.table.style == "system" else subject.command_at(entry)
    return Found(at, f"{message}move the entry to a cronjob table")


def no_user_column(entry: Entry, subject: Subject) -> Found | None:
    """The command begins where the user is expected."""
    user = entry.user
    if subject.table.style != "system" or user is None or _exists(user, subject):
        return None
    if classic_field(entry, subject):
        return None
    if not _begins_as_shell(user) and not _is_lone_program(user, entry, subject):
        return None
    message = (
        f"{quoted(user)} is taken for the user; this table has a user column: "
        f"write the account before the command, as in {quoted(f'root {user}')}"
    )
    return Found(subject.user_at(entry), message)


def unknown_account(entry: Entry, subject: Subject) -> Found | None:
    """No such account on this machine."""
    user = entry.user
    if subject.table.style != "system" or user is None or subject.surroundings.account(user):
        return None
    if any(lint(entry, subject) for lint in (sixth_column, classic_field, no_user_column)):
        return None
    message = f"there is no account {quoted(user)} on this machine, so the command cannot start"
    return Found(subject.user_at(entry), message)


def user_in_command(entry: Entry, subject: Subject) -> Found | None:
    """A user table with a user column."""
    words = entry.command.split()
    if subject.table.style != "user" or len(words) < 2 or not words[0].islower():
        return None
    if not _exists(words[0], subject) or subject.surroundings.program(words[0]):
        return None
    if words[1].startswith("-"):
        return None  # an option, so what stands before it is a program, be it there or not
    message = (
        f"the command begins with {quoted(words[0])}, an account; "
        "a user table has no user column: its owner runs everything"
    )
    return Found(subject.command_at(entry), message)


def _begins_as_shell(word: str) -> bool:
    return word in _BUILTINS or word[0] in _SYNTAX or "=" in word


def _is_lone_program(user: str, entry: Entry, subject: Subject) -> bool:
    """Whether it is a program and no other one follows, whose account it could be."""
    following = _first_word(entry)
    if not _is_program(user, subject) or following in _BUILTINS:
        return False
    return not (following and _is_program(following, subject))


def _is_program(word: str, subject: Subject) -> bool:
    """Whether it is a program by name; a path may as well be an argument."""
    return "/" not in word and subject.surroundings.program(word)


def _first_word(entry: Entry) -> str:
    return next(iter(entry.command.split()), "")


def _exists(name: str, subject: Subject) -> bool:
    return subject.surroundings.account(name)
