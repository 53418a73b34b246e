"""The text of a table -> entries, settings and every problem with its place.

Lines are read as cronie reads them (misc.c skip_comments, env.c load_env, entry.c load_entry):
a line is an environment line if it can be one, else an entry.  A bad line is a problem and
skipped; the others live.
"""

import re
from dataclasses import dataclass, field, replace
from datetime import timedelta, tzinfo

from cronjob.core.command import split_stdin
from cronjob.core.conflicts import conflicts, jitter_too_long
from cronjob.core.entry import Entry, Environment, Problem, Setting, Severity, Style, Table
from cronjob.core.entryline import BLANKS, EntryLine, read_entry_line, skip_blanks
from cronjob.core.fields import Fields
from cronjob.core.fieldtext import FieldReader, FieldRecords, Given
from cronjob.core.naming import Names, drawn_delay
from cronjob.core.schedule import Schedule
from cronjob.core.zone import named_zone
from cronjob.errors import ScheduleError, quoted

LONGEST_LINE = 128 * 1024  #: bytes
MOST_PROBLEMS = 10_000  #: that are listed; a file of garbage is not worth more memory
DEFAULTS = "@defaults"
# Bytes that are not UTF-8 are text as well, kept as U+DC80-U+DCFF; only a str can hold the others.
_NO_TEXT = re.compile("[\0\ud800-\udc7f\udd00-\udfff]")
_DEFAULTS = re.compile(rf"{DEFAULTS}(?=[ \t]|$)")


@dataclass(frozen=True, slots=True)
class Caps:
    """How large a table may be; a larger one is rejected as a whole."""

    size: int  #: bytes
    lines: int
    entries: int


CAPS: dict[Style, Caps] = {
    "system": Caps(size=64 * 1024**2, lines=1_000_000, entries=1_000_000),
    "user": Caps(size=1024**2, lines=1_000_000, entries=10_000),
}

# env.c load_env as an expression: quotes must match, nothing may follow a closing quote, an
# unquoted value is trimmed on the right only.
_SETTING = re.compile(
    r"""(?:"(?P<dname>[^"=]*)"|'(?P<sname>[^'=]*)'|(?P<name>(?:[^\s='"][^\s=]*)?))\s*=\s*"""
    r"""(?:"(?P<dvalue>[^"]*)"\s*|'(?P<svalue>[^']*)'\s*|(?P<value>(?:[^\s"'].*)?))""",
    re.ASCII | re.DOTALL,
)


def parse_table(
    text: str | bytes,
    *,
    source: str,
    style: Style = "system",
    owner: str | None = None,
    classic: bool = False,
    zone: str | tzinfo = "UTC",
    host: str = "",
) -> Table:
    """Read a table; problems of its content are in the answer and never raised.

    `style` says whether there is a user column, and `owner` whose table it is when there is none;
    `classic` that cron's own language is all that is allowed, `zone` is that of entries without
    `tz=` or `CRON_TZ`, and `host` makes `H`, `~` and jitter differ between machines.  A table past
    a cap is rejected as a whole.  Raises `ScheduleError` for an unknown `zone`.
    """
    place = named_zone(zone) if isinstance(zone, str) else zone
    reader = _Reader(source, style, owner, classic, place, host)
    caps = CAPS[style]
    if (size := _size(text, caps.size)) > caps.size:
        return reader.rejected(f"the table has {size} bytes; {caps.size} are allowed")
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if text.startswith("\ufeff") and not classic:
        text = text[1:]
        reader.warn(1, 0, "a byte order mark begins the file; it is ignored")
    if (count := text.count("\n")) > caps.lines:
        return reader.rejected(f"the table has {count} lines; {caps.lines} are allowed")
    return reader.table(text.split("\n"), caps.entries)


def _size(text: str | bytes, cap: int) -> int:
    """The number of bytes; of text that is within the cap anyway, that of its characters."""
    if isinstance(text, bytes) or 4 * len(text) <= cap:
        return len(text)
    try:
        return len(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:  # a str that is no text; its lines are refused
        return len(text.encode("utf-8", "replace"))


@dataclass(slots=True)
class _Reader:
    """What has been read so far, and what holds for the lines below."""

    source: str
    style: Style
    owner: str | None
    classic: bool
    zone: tzinfo
    host: str
    entries: list[Entry] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    defaults: Given = field(default_factory=dict)
    environment: Environment = field(default_factory=Environment)  #: of entries below
    mailto: str | None = None
    cron_tz: str | None = None  #: nearest above, unless a `@defaults tz` is nearer
    zone_problem: str = ""  #: why entries that have no zone of their own cannot run
    all_crlf: bool = False  #: every line ends in CR LF
    carriage_returns: bool = False  #: whether they have been mentioned
    names: Names = field(default_factory=Names)
    schedules: dict[tuple[tuple[str, ...], str], Schedule] = field(default_factory=dict)
    records: FieldRecords = field(default_factory=FieldRecords)

    def error(self, line: int, offset: int, message: str) -> None:
        self._tell("error", line, offset, message)

    def warn(self, line: int, offset: int, message: str) -> None:
        self._tell("warning", line, offset, message)

    def _tell(self, severity: Severity, line: int, offset: int, message: str) -> None:
        if len(self.problems) > MOST_PROBLEMS:
            return
        if len(self.problems) == MOST_PROBLEMS:
            severity, offset = "error", 0
            message = f"more than {MOST_PROBLEMS} problems; this one and later ones are not listed"
        self.problems.append(Problem(severity, line, offset + 1, message, self.source))

    def rejected(self, message: str, line: int = 1) -> Table:
        """The answer for a table that is too large: nothing but one error."""
        problem = Problem("error", line, 1, message, self.source)
        return Table(
            self.source,
            problems=(problem,),
            rejected=True,
            style=self.style,
            classic=self.classic,
        )

    def table(self, lines: list[str], most_entries: int) -> Table:
        """The answer for these lines, the last of which follows the last newline."""
        if lines[-1] == "":
            lines.pop()
        elif lines[-1].lstrip(BLANKS)[:1] not in ("", "#"):
            what = "no newline at the end of the file; cron ignores such a line"
            self.warn(len(lines), len(lines[-1]), what)
        self.all_crlf = all(line.endswith("\r") for line in lines)
        for number, line in enumerate(lines, 1):
            self.read(number, line)
            if len(self.entries) > most_entries:
                return self.rejected(f"the table has more than {most_entries} entries", number)
        return Table(
            self.source,
            tuple(self.entries),
            tuple(self.settings),
            tuple(self.problems),
            style=self.style,
            classic=self.classic,
        )

    def read(self, number: int, line: str) -> None:
        """Read one line, without its newline."""
        if (size := _size(line, LONGEST_LINE)) > LONGEST_LINE:
            self.error(number, 0, f"the line has {size} bytes; {LONGEST_LINE} are allowed")
            return
        if line.endswith("\r"):
            line = self._carriage_return(number, line)
        start = len(line) - len(line.lstrip(BLANKS))
        if start == len(line) or line[start] == "#":
            return
        if not line.isprintable() and (bad := _NO_TEXT.search(line)):
            what = "a NUL byte" if bad.group() == "\0" else "half of a surrogate pair"
            self.error(number, bad.start(), f"{what}; a line is text")
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
        if not (self.classic or self.all_crlf) and not line.strip(BLANKS + "\r"):
            return line
        if self.classic:
            if line.strip(BLANKS + "\r") and line.lstrip(BLANKS)[0] != "#":
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
        if name.startswith("@"):
            self.warn(number, start, f"sets a variable that is called {quoted(name)}")
        if any(blank in name for blank in BLANKS):
            self.warn(number, start, f"the variable's name {quoted(name)} has blanks in it")
        if name == "CRON_TZ":
            self._set_zone(number, match.start("value") if groups["value"] else start, value)
        self.settings.append(Setting(name, value, number))
        self.environment = Environment(self.settings, len(self.settings))
        self.mailto = value if name == "MAILTO" else self.mailto

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
        if not self.classic and (match := _DEFAULTS.match(line, start)):
            self._read_defaults(number, line, match.end())
            return
        parts = read_entry_line(line, start, self.style, self.owner, classic=self.classic)
        self._tell_all(number, parts.errors, parts.warnings)
        if not parts.errors:
            self._add(number, start, parts)

    def _tell_all(
        self, number: int, errors: list[tuple[int, str]], warnings: list[tuple[int, str]]
    ) -> None:
        for offset, message in errors:
            self.error(number, offset, message)
        for offset, message in warnings:
            self.warn(number, offset, message)

    def _read_defaults(self, number: int, line: str, position: int) -> None:
        fields = FieldReader(line, position, self.style)
        fields.read()
        self._tell_all(number, fields.errors, fields.warnings)
        end = skip_blanks(line, fields.end)
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

    def _add(self, number: int, start: int, parts: EntryLine) -> None:
        """Make the entry of a line whose parts are all good by themselves."""
        given = {**self.defaults, **parts.given}
        fields = self.records.record(given)
        zone = fields.tz or self.cron_tz
        if fields.tz is None and self.zone_problem:
            self.error(number, start, f"not run: {self.zone_problem}")
            return
        try:
            schedule = self._schedule(parts, zone)
        except ScheduleError as error:
            self.error(number, start, str(error))
            return
        if given:
            if self._in_conflict(number, fields, schedule, parts):
                return
            fields = self._without_long_jitter(number, start, fields, schedule)
        command, stdin = split_stdin(parts.text)
        name = fields.name or self.names.generate(parts.user, schedule, parts.text, number)
        if fields.name and (used := self.names.give(name, number)) is not None:
            message = f"the name {quoted(name)} is already used on line {used}"
            self.error(number, parts.places["name"], message)
            return
        self.entries.append(
            Entry(
                name=name,
                schedule=schedule,
                user=parts.user,
                command=command,
                stdin=stdin,
                fields=fields,
                environment=self.environment,
                source=self.source,
                line=number,
                personal=self.style == "user",
                start_delay=drawn_delay(fields.jitter, self.host, parts.user, name),
            )
        )

    def _in_conflict(
        self, number: int, fields: Fields, schedule: Schedule, parts: EntryLine
    ) -> bool:
        """Whether fields of the line contradict something; all of it is told."""
        given = {name for name in parts.places if parts.given[name][1] != "none"}
        found = list(conflicts(fields, schedule, self.mailto, given))
        for conflict in found:
            self._tell(conflict.severity, number, parts.places[conflict.name], conflict.message)
        return any(conflict.severity == "error" for conflict in found)

    def _without_long_jitter(
        self, number: int, start: int, fields: Fields, schedule: Schedule
    ) -> Fields:
        """A default jitter that does not fit the schedule is not for this entry."""
        if not (problem := jitter_too_long(fields, schedule)):
            return fields
        self.warn(number, start, f"the default jitter does not apply here: {problem}")
        return replace(fields, jitter=timedelta())

    def _schedule(self, parts: EntryLine, zone: str | None) -> Schedule:
        """Entries with the same columns share one schedule, unless it is drawn."""
        place = zone or self.zone
        if any("~" in text or "H" in text for text in parts.columns):
            seed = f"{self.host}\0{parts.user}\0{parts.text}"
            return Schedule.from_columns(parts.columns, zone=place, seed=seed, classic=self.classic)
        key = (parts.columns, zone or "")
        if (schedule := self.schedules.get(key)) is None:
            schedule = Schedule.from_columns(parts.columns, zone=place, classic=self.classic)
            self.schedules[key] = schedule
        return schedule
