"""Find the `name=value` fields of a line, between its time columns and its user or command."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from cronjob.core.fields import FIELDS, FieldError, Fields, Slots, nearest, parse_field
from cronjob.errors import quoted

#: name -> (typed value, value as written)
Given = dict[str, tuple[Any, str]]

_FIELD = re.compile(r"""([A-Za-z_][A-Za-z0-9_-]*)=(?:"([^"]*)"(?=[ \t]|$)|([^ \t]*))""")
_BLANK = re.compile(r"[ \t]*")
END_OF_FIELDS = "--"
MOST_FIELDS = 64  #: in a line, good or bad; nobody means more
_ENDS_HERE = re.compile(rf"{END_OF_FIELDS}(?=[ \t]|$)")

#: What a user cannot ask for, in a table of their own: it would push others aside.
USER_LIMITS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "priority": (lambda priority: priority > 0, "priority above 0"),
    "slots": (lambda slots: slots == Slots(0), "slots=0"),
    "nice": (lambda nice: nice < 0, "nice below 0"),
}


@dataclass(slots=True)
class FieldReader:
    """Reads fields from `end` on; afterwards `end` is where something else begins.

    With a user column every `word=` is meant as a field.  Without one it may as well begin the
    command (`htmldir=$(…)`), so there only a known name with a good value is a field; `strict`
    reads `@defaults` of such a table, where no command follows.
    """

    line: str
    end: int
    style: Literal["system", "user"]
    strict: bool = True
    given: Given = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)  #: offsets of all known ones, bad or good
    errors: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)

    def read(self) -> None:
        """Read as many fields as there are."""
        count = 0
        while match := _FIELD.match(self.line, start := _skip(self.line, self.end)):
            count += 1
            if count > MOST_FIELDS:
                self._pass_over(start, match.end(), count)
                continue
            name = "tz" if match[1] == "TZ" and self.strict else match[1]
            text = match[2] if match[2] is not None else match[3]
            if not self.strict and not self._is_field(start, name, text):
                return
            self._take(start, name, text)
            self.end = match.end()
        if not self.strict and _ENDS_HERE.match(self.line, start):
            self.end = start + len(END_OF_FIELDS)

    def _pass_over(self, start: int, end: int, count: int) -> None:
        self.end = end
        if count == MOST_FIELDS + 1:
            self.errors.append((start, f"more than {MOST_FIELDS} fields; the rest is not read"))

    def _is_field(self, start: int, name: str, text: str) -> bool:
        if name not in FIELDS:
            if name.islower() and (close := nearest(name)):
                self.warnings.append(
                    (
                        start,
                        f"{quoted(name + '=')} begins the command; is the field {close}= meant?",
                    )
                )
            return False
        if text == "none":
            return True
        try:
            parse_field(name, text)
        except FieldError as error:
            self.warnings.append((start, f"{error}; so it begins the command"))
            return False
        return True

    def _take(self, start: int, name: str, text: str) -> None:
        if name not in FIELDS:
            close = nearest(name)
            hint = f"did you mean {close}?" if close else "allowed are " + ", ".join(FIELDS)
            self.errors.append((start, f"unknown field {quoted(name)}; {hint}"))
            return
        if name in self.places:
            self.errors.append((start, f"the field {name} is given twice"))
            return
        self.places.setdefault(name, start)
        if text == "none":
            self.given[name] = (FIELDS[name].none, text)
            return
        try:
            value = parse_field(name, text)
        except FieldError as error:
            self.errors.append((start, str(error)))
            return
        if self.style == "user" and name in USER_LIMITS:
            beyond, what = USER_LIMITS[name]
            if beyond(value):
                self.errors.append((start, f"{what} is not allowed in a user table"))
                return
        self.given[name] = (value, text)


@dataclass(slots=True)
class FieldRecords:
    """The records of a table; equal fields share one, for tables are long and say little new."""

    plain: Fields = field(default_factory=Fields)
    known: dict[tuple[tuple[str, str], ...], Fields] = field(default_factory=dict)

    def record(self, given: Given) -> Fields:
        """The typed record of what was given; most are at their default by `none`."""
        if not given:
            return self.plain
        written = tuple(
            (key, text)
            for key, (value, text) in given.items()
            if text != "none" or value is not None
        )
        shared = tuple(pair for pair in written if pair[0] != "name")
        if (fields := self.known.get(shared)) is None:
            values = {key.replace("-", "_"): given[key][0] for key, _ in shared}
            fields = self.known[shared] = Fields(**values, written=shared)
        if len(shared) == len(written):
            return fields
        name = given["name"][1]
        return replace(fields, name=name, written=(("name", name), *fields.written))


def _skip(line: str, position: int) -> int:
    match = _BLANK.match(line, position)
    return match.end() if match else position
