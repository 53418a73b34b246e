"""Lints of environment lines: cron takes their values literally."""

import re
from bisect import bisect

from cronjob.core.entry import Entry, Setting
from cronjob.core.lint.subject import Found, Subject
from cronjob.core.mail import addresses
from cronjob.core.zone import zone_name
from cronjob.errors import printable, quoted

_VARIABLE = re.compile(r"\$(?:\w+|\{\w+\})", re.ASCII)
_COMMENT = re.compile(r"\s#")
_AFTER_COMMA = re.compile(r",\s+")


def not_expanded(setting: Setting, subject: Subject) -> Found | None:
    """`PATH=$HOME/bin:$PATH`: there is no shell that would expand it."""
    name, value = setting.name, setting.value
    if substitution := _substitution(value):
        message = f"{quoted(substitution)} is not run: a setting's value is literal"
        return _found(setting, subject, f"{message}; set {printable(name)} in the command")
    if not name.endswith(("PATH", "HOME")) and name not in ("SHELL", "TZ", "CRON_TZ"):
        return None  # the command may expand what is in a variable of its own
    match = _VARIABLE.search(value)
    found = match[0] if match else "~" if re.search(r"(?:^|:)~", value) else ""
    if not found:
        return None
    message = f"{quoted(found)} is not expanded: a setting's value is literal; write it out"
    return _found(setting, subject, message)


def _substitution(value: str) -> str:
    """The first `$(…)` or `…` in backquotes; empty if there is none."""
    for opening, closing in (("$(", ")"), ("`", "`")):
        start = value.find(opening)
        end = value.rfind(closing, start + len(opening)) if start >= 0 else -1
        if end >= 0:
            return value[start : end + 1]
    return ""


def comment_in_value(setting: Setting, subject: Subject) -> Found | None:
    """`MAILTO=root # who cares`: the comment is a part of the value."""
    line = subject.line(setting.line)
    if not _COMMENT.search(setting.value) or line.rstrip()[-1:] in ("'", '"'):
        return None
    message = f"the value of {printable(setting.name)} is {quoted(setting.value)}, with the comment"
    return _found(setting, subject, f"{message}; write the comment on a line of its own")


def mail_addresses(setting: Setting, subject: Subject) -> Found | None:
    """Addresses are separated by commas, and nothing but addresses."""
    if setting.name not in ("MAILTO", "MAILFROM") or _COMMENT.search(setting.value):
        return None
    _, bad = addresses(setting.value)
    if not bad:
        return None
    words = _AFTER_COMMA.sub(",", setting.value).replace(";", " ").split()
    if len(words) > 1:
        message = f"{quoted(setting.value)} is no list of addresses; separate them by commas"
    else:
        message = f"{quoted(bad[0])} is no address that mail is sent to"
    return _found(setting, subject, message)


def zone_of_commands(setting: Setting, subject: Subject) -> Found | None:
    """`TZ=` is the commands' variable; their schedules stay in another zone."""
    if setting.name != "TZ":
        return None
    table, value = subject.table, setting.value
    later = [other.line for other in table.settings if other.name == "TZ"]
    end = min((line for line in later if line > setting.line), default=len(subject.lines))
    entries = table.entries
    below = bisect(entries, setting.line, key=_line), bisect(entries, end, key=_line)
    for entry in entries[slice(*below)]:
        zone = zone_name(entry.schedule.zone)
        if _fires_all_day(entry) or entry.fields.tz or zone == value.removeprefix(":"):
            continue
        if "CRON_TZ" in entry.environment:
            return None
        system = table.style == "system" and not table.classic
        message = (
            f"TZ is the commands' zone; their schedules are in {zone} (line {entry.line}); "
            f"for schedules write {'@defaults tz' if system else 'CRON_TZ'}={printable(value)}"
        )
        return _found(setting, subject, message)
    return None


def _line(entry: Entry) -> int:
    return entry.line


def _fires_all_day(entry: Entry) -> bool:
    """Whether its zone makes no difference."""
    return entry.schedule.reboot or len(entry.schedule.columns[1].values) == 24


def missing_shell(setting: Setting, subject: Subject) -> Found | None:
    """Every command below needs the shell."""
    if setting.name != "SHELL" or subject.surroundings.program(setting.value):
        return None
    if _VARIABLE.search(setting.value):
        return None  # said already
    message = f"there is no program {quoted(setting.value)}, so no command below can start"
    return _found(setting, subject, message)


def missing_home(setting: Setting, subject: Subject) -> Found | None:
    """Commands start in HOME, else in `/`."""
    value = setting.value
    if setting.name != "HOME" or not value.startswith("/") or subject.surroundings.directory(value):
        return None
    message = f"there is no directory {quoted(value)}; commands start in / instead"
    return _found(setting, subject, message)


def _found(setting: Setting, subject: Subject, message: str) -> Found:
    line = subject.line(setting.line)
    return Found(len(line) - len(line.lstrip(" \t")), message)
