"""The text of a table -> entries, settings and every problem with its place.

Lines are read as cronie reads them (misc.c skip_comments, env.c load_env, entry.c load_entry):
a line is an environment line if it can be one, else an entry.  A bad line is a problem and
skipped; the others live.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from types import MappingProxyType

from cronjob.core.columns import UNITS, ColumnError, parse_column
from cronjob.core.command import split_stdin
from cronjob.core.entry import Entry, Problem, Setting, Style, Table
from cronjob.core.fields import Fields
from cronjob.core.fieldtext import FieldReader, Given, to_fields
from cronjob.core.naming import Names, drawn_delay
from cronjob.core.schedule import REBOOT, Schedule, nickname
from cronjob.core.zone import named_zone
from cronjob.errors import ScheduleError, quoted

LONGEST_LINE = 128 * 1024  #: characters
MOST_USER_ENTRIES = 10_000
MOST_LINES = 1_000_000
LONGEST_USER = 256  #: bytes
DEFAULTS = "@defaults"

_BLANKS = " \t"
_TOKEN = re.compile(r"[^ \t]+")
# env.c load_env as an expression: quotes must match, nothing may follow a closing quote, an
# unquoted value is trimmed on the right only.
_SETTING = re.compile(
    r"""(?:"(?P<dname>[^"=]*)"|'(?P<sname>[^'=]*)'|(?P<name>(?:[^\s='"][^\s=]*)?))\s*=\s*"""
    r"""(?:"(?P<dvalue>[^"]*)"\s*|'(?P<svalue>[^']*)'\s*|(?P<value>(?:[^\s"'].*)?))""",
    re.ASCII | re.DOTALL,
)
_BAD_USER = re.compile(r"[:#$/*\x00-\x20\x7f]|^-")


def parse_table(
    text: str | bytes,
    *,
    source: str,
    style: Style = "system",
    classic: bool = False,
    zone: str | tzinfo = "UTC",
    host: str = "",
) -> Table:
    """Read a table; problems of its content are in the answer and never raised.

    `style` says whether there is a user column, `classic` that cron's own language is all that
    is allowed, `zone` is that of entries without `tz=` or `CRON_TZ`, and `host` makes `H`, `~`
    and jitter differ between machines.  Raises `ScheduleError` for an unknown `zone`.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    reader = _Reader(source, style, classic, named_zone(zone) if isinstance(zone, str) else zone)
    reader.host = host
    if text.startswith("\ufeff") and not classic:
        text = text[1:]
        reader.warn(1, 0, "a byte order mark begins the file; it is ignored")
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    elif lines[-1].strip(_BLANKS):
        reader.warn(
            len(lines),
            len(lines[-1]),
            "no newline at the end of the file; cron ignores such a line",
        )
    reader.all_crlf = all(line.endswith("\r") for line in lines)
    for number, line in enumerate(lines[:MOST_LINES], 1):
        reader.read(number, line)
        if style == "user" and len(reader.entries) > MOST_USER_ENTRIES:
            reader.entries.pop()
            reader.error(number, 0, f"more than {MOST_USER_ENTRIES} entries; the rest is ignored")
            break
    if len(lines) > MOST_LINES:
        reader.error(MOST_LINES + 1, 0, f"more than {MOST_LINES} lines; the rest is ignored")
    return Table(source, tuple(reader.entries), tuple(reader.settings), tuple(reader.problems))


@dataclass(slots=True)
class _Reader:
    """What has been read so far, and what holds for the lines below."""

    source: str
    style: Style
    classic: bool
    zone: tzinfo
    host: str = ""
    entries: list[Entry] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    defaults: Given = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    cron_tz: str | None = None  #: nearest above, unless a `@defaults tz` is nearer
    zone_problem: str = ""  #: why entries that have no zone of their own cannot run
    all_crlf: bool = False  #: every line ends in CR LF
    carriage_returns: bool = False  #: whether they have been mentioned
    names: Names = field(default_factory=Names)
    schedules: dict[tuple[tuple[str, ...], str, str], Schedule] = field(default_factory=dict)
    plain: Fields = field(default_factory=Fields)

    def error(self, line: int, offset: int, message: str) -> None:
        self.problems.append(Problem("error", line, offset + 1, message, self.source))

    def warn(self, line: int, offset: int, message: str) -> None:
        self.problems.append(Problem("warning", line, offset + 1, message, self.source))

    def read(self, number: int, line: str) -> None:
        """Read one line, without its newline."""
        if len(line) > LONGEST_LINE:
            self.error(
                number, 0, f"the line has {len(line)} characters; {LONGEST_LINE} are allowed"
            )
            return
        if line.endswith("\r"):
            line = self._carriage_return(number, line)
        start = len(line) - len(line.lstrip(_BLANKS))
        if start == len(line) or line[start] == "#":
            return
        if "\0" in line:
            self.error(number, line.index("\0"), "a NUL byte; a line is text")
        elif (match := _SETTING.fullmatch(line, start)) and (
            self.classic or not line.startswith(f"{DEFAULTS} ", start)
        ):
            self._read_setting(number, start, match)
        else:
            self._read_entry(number, line, start)

    def _carriage_return(self, number: int, line: str) -> str:
        """Keep it as cron does in its own tables, drop it in ours; say so either way.

        A line of nothing else is an error, as in cron, unless the whole file is written so.
        """
        if not (self.classic or self.all_crlf) and not line.strip(_BLANKS + "\r"):
            return line
        if self.classic:
            if line.strip(_BLANKS + "\r") and line.lstrip(_BLANKS)[0] != "#":
                self.warn(
                    number,
                    len(line) - 1,
                    "a carriage return ends the line; cron keeps it in the text",
                )
            return line
        if not self.carriage_returns:
            self.carriage_returns = True
            self.warn(
                number,
                len(line) - 1,
                "a carriage return ends the line; it is ignored, in this file",
            )
        return line.rstrip("\r")

    def _read_setting(self, number: int, start: int, match: re.Match[str]) -> None:
        groups = match.groupdict()
        name = next(groups[key] for key in ("dname", "sname", "name") if groups[key] is not None)
        value = next(
            groups[key] for key in ("dvalue", "svalue", "value") if groups[key] is not None
        )
        if groups["value"] is not None:
            value = value.rstrip(" \t\n\v\f\r")
        if not name:
            self.error(number, start, "an environment line without a name; allowed is NAME=value")
            return
        if name in ("LOGNAME", "USER"):
            self.warn(
                number, start, f"{name} cannot be set: commands always see their account's name"
            )
        if any(blank in name for blank in _BLANKS):
            self.warn(number, start, f"the variable's name {quoted(name)} has blanks in it")
        if name == "CRON_TZ":
            self._set_zone(number, match.start("value") if groups["value"] else start, value)
        self.settings.append(Setting(name, value, number))
        self.environment = MappingProxyType({**self.environment, name: value})

    def _set_zone(self, number: int, offset: int, value: str) -> None:
        """cronie's CRON_TZ: the zone of the entries below; an unknown one stops them."""
        self.cron_tz, self.zone_problem = value or None, ""
        self.defaults.pop("tz", None)
        try:
            if value:
                named_zone(value)
        except ScheduleError as error:
            self.error(number, offset, f"CRON_TZ: {error}")
            self.zone_problem = f"CRON_TZ on line {number} names an unknown time zone"

    def _read_entry(self, number: int, line: str, start: int) -> None:
        tokens = list(_next_tokens(line, start, 5))
        if tokens[0].group() == DEFAULTS and not self.classic:
            self._read_defaults(number, line, tokens[0].end())
            return
        before = len(self.problems)
        tokens = tokens[:1] if line[start] == "@" else tokens
        texts = tuple(token.group() for token in tokens)
        if len(texts) not in (1, 5) or (len(texts) == 1 and line[start] != "@"):
            self.error(number, start, f"{self._expected()}; found only {len(texts)} words")
            return
        self._check_columns(number, tokens)
        fields = FieldReader(line, tokens[-1].end(), self.style)
        if not self.classic:
            fields.read()
        for offset, message in fields.errors:
            self.error(number, offset, message)
        for offset, message in fields.warnings:
            self.warn(number, offset, message)
        user, position = self._read_user(number, line, fields.end)
        if any(problem.severity == "error" for problem in self.problems[before:]):
            return
        text = line[position:]
        if self._command_ok(number, position, text):
            self._add(number, start, texts, {**self.defaults, **fields.given}, user, text)

    def _expected(self) -> str:
        owner = "a user and a command" if self.style == "system" else "a command"
        return f"expected five time columns (or an @name) and then {owner}"

    def _check_columns(self, number: int, tokens: list[re.Match[str]]) -> None:
        if len(tokens) == 1:
            try:
                if tokens[0].group() != REBOOT:
                    nickname(tokens[0].group())
            except ScheduleError as error:
                self.error(number, tokens[0].start(), str(error))
            return
        for token, unit in zip(tokens, UNITS, strict=True):
            try:
                column = parse_column(token.group(), unit, classic=self.classic)
            except ColumnError as error:
                self.error(number, token.start() + error.offset, str(error))
            else:
                for warning in column.warnings:
                    self.warn(number, token.start(), warning)

    def _read_user(self, number: int, line: str, position: int) -> tuple[str | None, int]:
        """The user, and where the command begins."""
        position = _skip_blanks(line, position)
        if self.style == "user":
            return None, position
        token = _TOKEN.match(line, position)
        if token is None:
            self.error(number, len(line), f"{self._expected()}; there is no user")
            return None, position
        user = token.group()
        if _BAD_USER.search(user) or len(user.encode("utf-8", "surrogateescape")) > LONGEST_USER:
            hint = "; this table has a user column before the command" if "/" in user else ""
            self.error(number, position, f"{quoted(user)} cannot be the name of an account{hint}")
        return user, _skip_blanks(line, token.end())

    def _command_ok(self, number: int, position: int, text: str) -> bool:
        command = split_stdin(text)[0].strip(_BLANKS)
        if not command:
            self.error(number, position, f"{self._expected()}; there is no command")
        elif command[0] == "*":
            self.error(
                number, position, "the command begins with *: is there one time column too many?"
            )
        elif command[0] == "-":
            self.error(
                number,
                position,
                f"the command {quoted(command)} begins with -, cronie's mark of an option",
            )
        else:
            if command[0] == "#":
                self.warn(number, position, "the command is only a comment to the shell")
            return True
        return False

    def _read_defaults(self, number: int, line: str, position: int) -> None:
        fields = FieldReader(line, position, "system")
        fields.read()
        for offset, message in fields.errors:
            self.error(number, offset, message)
        for offset, message in fields.warnings:
            self.warn(number, offset, message)
        end = _skip_blanks(line, fields.end)
        if end < len(line):
            self.error(
                number, end, f"{DEFAULTS} takes field=value only; found {quoted(line[end:])}"
            )
        if fields.given.pop("name", None):
            offset = fields.places["name"]
            self.error(number, offset, f"{DEFAULTS} cannot give a name: names are one entry's own")
        if "tz" in fields.places:
            self.cron_tz, self.zone_problem = None, ""
            if "tz" not in fields.given:
                self.defaults.pop("tz", None)
                self.zone_problem = f"{DEFAULTS} on line {number} names an unknown time zone"
        self.defaults = {**self.defaults, **fields.given}

    def _add(
        self,
        number: int,
        start: int,
        texts: tuple[str, ...],
        given: Given,
        user: str | None,
        text: str,
    ) -> None:
        """Make the entry of a line whose parts are all good by themselves."""
        fields = to_fields(given) if given else self.plain
        zone = fields.tz or self.cron_tz
        if fields.tz is None and self.zone_problem:
            self.error(number, start, f"not run: {self.zone_problem}")
            return
        try:
            schedule = self._schedule(texts, zone, f"{self.host}\0{user}\0{text}")
        except ScheduleError as error:
            self.error(number, start, str(error))
            return
        if problem := self._conflict(fields, schedule):
            self.error(number, start, problem)
            return
        command, stdin = split_stdin(text)
        name = fields.name or self.names.generate(user, schedule, text, number)
        if fields.name and (used := self.names.give(name, number)) is not None:
            self.error(number, start, f"the name {quoted(name)} is already used on line {used}")
            return
        self.entries.append(
            Entry(
                name=name,
                schedule=schedule,
                user=user,
                command=command,
                stdin=stdin,
                fields=fields,
                environment=self.environment,
                source=self.source,
                line=number,
                start_delay=drawn_delay(fields.jitter, self.host, user, name),
            )
        )

    def _schedule(self, texts: tuple[str, ...], zone: str | None, seed: str) -> Schedule:
        """Entries with the same columns share one schedule; drawn columns depend on the seed."""
        drawn = any("~" in text or "H" in text for text in texts)
        key = (texts, zone or "", seed if drawn else "")
        if (schedule := self.schedules.get(key)) is None:
            schedule = Schedule.from_columns(
                texts, zone=zone or self.zone, seed=seed, classic=self.classic
            )
            self.schedules[key] = schedule
        return schedule

    def _conflict(self, fields: Fields, schedule: Schedule) -> str:
        """Why the fields cannot hold for this entry; empty when they can."""
        if self.style == "user" and fields.priority > 0:
            return "priority above 0 is not allowed in a user table"
        if self.style == "user" and fields.slots is not None and not (fields.slots.count):
            return "slots=0 is not allowed in a user table"
        if self.style == "user" and dict(fields.written).get("nice", "").startswith("-"):
            return "nice below 0 is not allowed in a user table"
        if fields.jitter:
            shortest = schedule.shortest_interval()
            if shortest is not None and fields.jitter >= shortest:
                return (
                    f"jitter must be shorter than the shortest interval of the schedule, {shortest}"
                )
        return ""


def _next_tokens(line: str, start: int, count: int) -> list[re.Match[str]]:
    tokens: list[re.Match[str]] = []
    while len(tokens) < count and (match := _TOKEN.search(line, start)):
        tokens.append(match)
        start = match.end()
    return tokens


def _skip_blanks(line: str, position: int) -> int:
    return len(line) - len(line[position:].lstrip(_BLANKS))
