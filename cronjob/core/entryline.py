"""The line of one entry, taken apart: time columns, fields, user, options, command.

The order of the parts is cronie's (entry.c load_entry), with our fields before the user.  What is
wrong with a part by itself is found here, all of it; what the lines above have to say is not asked.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from cronjob.core.columns import UNITS, ColumnError, parse_column
from cronjob.core.command import split_stdin
from cronjob.core.entry import Style
from cronjob.core.fields import Tell
from cronjob.core.fieldtext import FieldReader, Given
from cronjob.core.schedule import REBOOT, nickname
from cronjob.errors import ScheduleError, quoted

BLANKS = " \t"
LONGEST_USER = 256  #: bytes
UNLOGGED = "-"  #: cronie's mark before an entry whose starts it does not log
MAIL_ON_FAILURE = "-n"  #: cronie's option before the command

_TOKEN = re.compile(r"[^ \t]+")
_BAD_USER = re.compile(r"[:#$/*\x00-\x20\x7f]|^-")
_OPTION = re.compile(rf"{MAIL_ON_FAILURE}[ \t]+")
_ONE_COLUMN_TOO_MANY = "is there one time column too many?"
#: What a command may begin with, but surely should not.
_ODD_COMMANDS = {
    "#": "the command is only a comment to the shell",
    "*": "the command begins with *, which the shell replaces with the names of files",
}


@dataclass(slots=True)
class EntryLine:
    """The parts of a line, and what is wrong with them: offsets and messages."""

    columns: tuple[str, ...] = ()  #: five time columns, or one @name
    given: Given = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)  #: offsets of the fields
    user: str | None = None
    text: str = ""  #: of the command, `%` unresolved
    errors: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)


def read_entry_line(
    line: str, start: int, style: Style, owner: str | None, *, classic: bool
) -> EntryLine:
    """Take apart a line whose first character that is no blank stands at `start`."""
    parts = EntryLine(user=owner)
    root = style == "system" or owner == "root"
    if root and line.startswith(UNLOGGED, start) and line[start + 1 : start + 2].strip(BLANKS):
        parts.warnings.append((start, '"-" asks cron not to log the starts; here they are logged'))
        start += len(UNLOGGED)
    tokens = _next_tokens(line, start, 1 if line.startswith("@", start) else len(UNITS))
    if not line.startswith("@", start) and len(tokens) < len(UNITS):
        parts.errors.append((start, f"{_expected(style)}; found only {len(tokens)} words"))
        return parts
    parts.columns = tuple(token.group() for token in tokens)
    _check_columns(parts, tokens, classic=classic)
    position = tokens[-1].end()
    if not classic:
        position = _read_fields(parts, line, position, style)
    after_user = _read_user(parts, line, position) if style == "system" else position
    if after_user is not None:
        _read_command(parts, line, skip_blanks(line, after_user), style)
    return parts


def _check_columns(parts: EntryLine, tokens: list[re.Match[str]], *, classic: bool) -> None:
    if len(tokens) == 1:
        try:
            if tokens[0].group() != REBOOT:
                nickname(tokens[0].group())
        except ScheduleError as error:
            parts.errors.append((tokens[0].start(), str(error)))
        return
    for token, unit in zip(tokens, UNITS, strict=True):
        try:
            column = parse_column(token.group(), unit, classic=classic)
        except ColumnError as error:
            parts.errors.append((token.start() + error.offset, str(error)))
        else:
            parts.warnings += [(token.start(), warning) for warning in column.warnings]


def _read_fields(parts: EntryLine, line: str, position: int, style: Style) -> int:
    fields = FieldReader(line, position, style, strict=style == "system")
    fields.read()
    parts.given, parts.places = fields.given, fields.places
    parts.errors += fields.errors
    parts.warnings += fields.warnings
    return fields.end


def _read_user(parts: EntryLine, line: str, position: int) -> int | None:
    """Find the user; the answer is where it ends.  Without one, what follows is no command."""
    position = skip_blanks(line, position)
    token = _TOKEN.match(line, position)
    if token is None:
        parts.errors.append((len(line), f"{_expected('system')}; there is no user"))
        return None
    parts.user = user = token.group()
    if _BAD_USER.search(user) or len(user.encode("utf-8", "surrogateescape")) > LONGEST_USER:
        hint = _account_hint(user)
        parts.errors.append((position, f"{quoted(user)} cannot be the name of an account{hint}"))
        return None
    return token.end()


def _account_hint(user: str) -> str:
    if user.startswith("*"):
        return f"; {_ONE_COLUMN_TOO_MANY}"
    return "; this table has a user column before the command" if "/" in user else ""


def _read_command(parts: EntryLine, line: str, position: int, style: Style) -> None:
    if option := _OPTION.match(line, position):
        parts.given.setdefault("mail", (Tell.FAILURE, Tell.FAILURE.value))
        position = option.end()
    parts.text = line[position:]
    command = split_stdin(parts.text)[0].strip(BLANKS)
    if problem := _bad_command(command, style):
        parts.errors.append((position, problem))
    elif command[0] in _ODD_COMMANDS:
        parts.warnings.append((position, _ODD_COMMANDS[command[0]]))


def _bad_command(command: str, style: Style) -> str:
    if not command:
        return f"{_expected(style)}; there is no command"
    if command[0] == "*" and style == "user":
        return f"the command begins with *: {_ONE_COLUMN_TOO_MANY}"
    if command[0] == "-":
        return (
            f"the command {quoted(command)} begins with -, cronie's mark of an option; "
            f"{MAIL_ON_FAILURE} before a command is the only one"
        )
    return ""


def _expected(style: Literal["system", "user"]) -> str:
    owner = "a user and a command" if style == "system" else "a command"
    return f"expected five time columns (or an @name) and then {owner}"


def _next_tokens(line: str, start: int, count: int) -> list[re.Match[str]]:
    tokens: list[re.Match[str]] = []
    while len(tokens) < count and (match := _TOKEN.search(line, start)):
        tokens.append(match)
        start = match.end()
    return tokens


def skip_blanks(line: str, position: int) -> int:
    """The next offset from `position` on that holds no blank."""
    return len(line) - len(line[position:].lstrip(BLANKS))
