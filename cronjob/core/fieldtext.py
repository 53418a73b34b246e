"""Find the `name=value` fields of a line, between its time columns and its user or command."""

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from cronjob.core.fields import FIELDS, FieldError, Fields, Slots, nearest, parse_field
from cronjob.errors import quoted

#: name -> (typed value, value as written)
Given = dict[str, tuple[Any, str]]

_FIELD = re.compile(r"""([A-Za-z_][A-Za-z0-9_-]*)=(?:"([^"]*)"(?=[ \t]|$)|([^ \t]*))""")
_BLANK = re.compile(r"[ \t]*")
END_OF_FIELDS = "--"


@dataclass(slots=True)
class FieldReader:
    """Reads fields from `end` on; afterwards `end` is where something else begins."""

    line: str
    end: int
    style: Literal["system", "user"]
    given: Given = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)  #: offsets of all known ones, bad or good
    errors: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)

    def read(self) -> None:
        """Read as many fields as there are.

        With a user column every `word=` is meant as a field.  Without one it may as well begin
        the command (`htmldir=$(…)`), so there only a known name with a good value is a field.
        """
        while True:
            start = _skip(self.line, self.end)
            match = _FIELD.match(self.line, start)
            if match is None:
                if self.style == "user" and self._ends_here(start):
                    self.end = start + len(END_OF_FIELDS)
                return
            name = match[1]
            if name == "TZ" and self.style == "system":
                name = "tz"
            text = match[2] if match[2] is not None else match[3]
            if self.style == "user" and not self._is_field(start, name, text):
                return
            self._take(start, name, text)
            self.end = match.end()

    def _ends_here(self, start: int) -> bool:
        return re.compile(r"--(?=[ \t]|$)").match(self.line, start) is not None

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
            self.given[name] = (None, text)
            return
        try:
            value = parse_field(name, text)
        except FieldError as error:
            self.errors.append((start, str(error)))
            return
        self.given[name] = (value, text)
        self._warn_of_missing_effect(start, name, value)

    def _warn_of_missing_effect(self, start: int, name: str, value: object) -> None:
        if not FIELDS[name].in_effect:
            self.warnings.append((start, f"the field {name} is not in effect yet"))
        elif isinstance(value, Slots) and value.auto:
            self.warnings.append(
                (start, "the jobserver of slots=auto is not in effect yet; the run holds one slot")
            )


def to_fields(given: Given) -> Fields:
    """The typed record of what was given; `none` leaves the field at its default."""
    values = {
        name.replace("-", "_"): value
        for name, (value, text) in given.items()
        if FIELDS[name].in_effect and text != "none"
    }
    written = tuple((name, text) for name, (_, text) in given.items() if text != "none")
    return Fields(**values, written=written)


def _skip(line: str, position: int) -> int:
    match = _BLANK.match(line, position)
    return match.end() if match else position
