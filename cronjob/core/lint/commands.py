"""Lints of commands: what the shell gets, and what it starts."""

import re
import shlex
from bisect import bisect
from itertools import pairwise
from typing import NamedTuple

from cronjob.core.entry import Entry
from cronjob.core.fields import Slots
from cronjob.core.lint.subject import Found, Subject, likeness, works
from cronjob.core.words import some
from cronjob.errors import printable, quoted

_UP_TO_BARE_PERCENT = re.compile(r"((?:[^\\%]|\\.)*)%", re.DOTALL)
_FORMATTERS = re.compile(
    r"(?:^|[\s/;&|(])(?:printf|date|stat|find|curl|git|ps|awk|gawk|expr)(?=\s)"
    r"[^;&|]*[\s=]$"
)
_NEAR = 1000  # characters before a % in which its program is looked for
_SIMPLE_COMMANDS = re.compile(r"[;&|(){}\n`]|\$\(")
_ASSIGNMENT = re.compile(r"(\w+)=(.*)", re.ASCII | re.DOTALL)
#: Words that may stand before the program that they start, with options and numbers of their own.
_WRAPPERS = frozenset(
    (
        *("!", "chronic", "chrt", "do", "else", "env", "exec", "export", "flock", "if", "ionice"),
        *("nice", "nohup", "setsid", "sudo", "taskset", "then", "time", "timeout", "while"),
    )
)
_BUILDERS = frozenset(("make", "gmake", "ninja", "cargo"))
_KEEPS_JOBSERVER = frozenset(("cargo",))  # it ignores -j beside a jobserver
_JOBS = re.compile(r"-[bikqrstwBSn]*j(\d*)|--jobs(?:=(\d+))?", re.ASCII)
_MAKEFLAGS_JOBS = re.compile(
    r"(?:^|[\s\"'])-?(?:[bikqrstwBSn]*j|-jobs=?)(?:\s+(?=\d))?(\d*)", re.ASCII
)
_PLAIN_PATH = re.compile(r"/[\w./+-]+", re.ASCII)


def percent(entry: Entry, subject: Subject) -> Found | None:
    """A `%` that ends the command in the middle of something."""
    if "%" not in subject.line(entry.line):
        return None
    start = subject.command_at(entry)
    text = subject.line(entry.line)[start:]
    match = _UP_TO_BARE_PERCENT.match(text)
    if match is None or not _is_meant(entry.command, text[match.end() :]):
        return None
    tail = entry.command if len(entry.command) <= 30 else "…" + entry.command[-29:]
    message = (
        f"the % ends the command after {quoted(tail)}, and what follows is its standard input; "
        r"write \% for a percent sign"
    )
    return Found(start + match.end() - 1, message)


def _is_meant(before: str, after: str) -> bool:
    """Whether a `%` between these texts is meant as a percent sign."""
    word = re.split(r"\s", before)[-1]
    if left_open(before):
        return True
    if "://" in word and re.match(r"[0-9A-Fa-f]{2}", after):
        return True
    if word.startswith("+") and "date" in before:
        return True
    return bool(_FORMATTERS.search(before[-_NEAR:])) and not after[:1].isspace()


def left_open(command: str) -> str:
    """The quote, substitution or parenthesis in which a shell command ends; empty if in none."""
    stack: list[str] = []
    previous = ""
    position = 0
    while position < len(command):
        character = command[position]
        top = stack[-1] if stack else ""
        if character == "\\" and top != "'":
            position += 1
        elif character == _CLOSED_BY.get(top):
            stack.pop()
        elif _opens(character, previous, top):
            stack.append(character)
        previous = character
        position += 1
    return stack[-1] if stack else ""


_CLOSED_BY = {"'": "'", '"': '"', "`": "`", "(": ")", "{": "}"}


def _opens(character: str, previous: str, top: str) -> bool:
    if top == "'":
        return False
    if character == "{":
        return previous == "$"
    if character == "(":
        return top != '"' or previous == "$"
    return character in '"`' or (character == "'" and top != '"')


class _Parallel(NamedTuple):
    """A command that starts several others at once."""

    builder: str
    flag: str  #: as written
    number: int | None  #: None: no limit, or one that only the shell knows

    def __str__(self) -> str:
        return f"{self.builder} {'' if self.flag.startswith('-') else 'with '}{self.flag}"


def parallel_build(entry: Entry, subject: Subject) -> Found | None:
    """`make -j8` starts more at once than the slots of its run."""
    found = _parallel(entry)
    if found is None:
        return None
    builder, flag, number = found
    slots = entry.fields.slots or Slots(entry.slots)
    if slots.auto:
        if builder in _KEEPS_JOBSERVER:
            return None
        message = f"{found} leaves the jobserver of slots=auto; write {builder} without it"
    elif slots.count > 1 and (number is None or number <= slots.count):
        return None
    else:
        many, held = number or "any number of", some(slots.count, "slot")
        where = "move the entry to a cronjob table and write" if subject.table.classic else "write"
        instead = f"{where} slots=auto and {builder} without {flag}"
        limit = f", or slots={number}" if number else ""
        message = f"{found} starts {many} commands at once and the run holds {held}"
        message = f"{message}; {instead}{limit}"
    return Found(_at(entry, subject, builder), message)


def _parallel(entry: Entry) -> _Parallel | None:
    if not any(builder in entry.command for builder in _BUILDERS):
        return None
    makeflags = entry.environment.get("MAKEFLAGS", "")
    for simple in _SIMPLE_COMMANDS.split(entry.command):
        words = _words(simple)
        index = _program(words)
        for word in words[:index]:
            if (match := _ASSIGNMENT.fullmatch(word)) and match[1] == "MAKEFLAGS":
                makeflags = match[2]
        if index < len(words) and (builder := words[index].rsplit("/", 1)[-1]) in _BUILDERS:
            if found := _jobs_option(builder, words[index + 1 :]):
                return found if found.number != 1 else None
            match = _MAKEFLAGS_JOBS.search(makeflags)
            if match and match[1] != "1" and builder in ("make", "gmake"):
                flag = f"MAKEFLAGS={printable(makeflags[:40])}"
                return _Parallel(builder, flag, int(match[1][:9]) if match[1] else None)
    return None


def _words(simple: str) -> list[str]:
    try:
        return shlex.split(simple)
    except ValueError:  # a quote that is not closed
        return simple.split()


def _program(words: list[str]) -> int:
    """The index of the program, behind assignments and what starts others."""
    wrapped = False
    for index, word in enumerate(words):
        if _ASSIGNMENT.fullmatch(word):
            continue
        name = word.rsplit("/", 1)[-1]
        if name in _WRAPPERS:
            wrapped = True
        elif not wrapped or name in _BUILDERS:
            return index
    return len(words)


def _jobs_option(builder: str, arguments: list[str]) -> _Parallel | None:
    """The last one, which is the one that counts."""
    found: _Parallel | None = None
    for word, following in pairwise([*arguments, ""]):
        match = _JOBS.fullmatch(word)
        if match is None:
            if word.startswith("-j"):  # -j$(nproc): the shell knows the number
                found = _Parallel(builder, "-j", None)
            continue
        digits = match[1] or match[2] or ""
        flag = word
        if not digits and following.isdecimal():
            digits, flag = following, f"{word} {following}"
        found = _Parallel(builder, flag, int(digits[:9]) if digits else None)
    return found


def missing_program(entry: Entry, subject: Subject) -> Found | None:
    """The command begins with a path where there is no program."""
    if subject.table.style == "system" and not subject.surroundings.account(entry.user or ""):
        return None  # said already, and what stands here may be no command
    words = entry.command.split()
    index = next((i for i, word in enumerate(words) if not _ASSIGNMENT.fullmatch(word)), None)
    if index is None or not _PLAIN_PATH.fullmatch(path := words[index].rstrip(";")):
        return None
    if subject.surroundings.program(path):
        return None
    message = f"there is no program {quoted(path, 200)} on this machine"
    return Found(_at(entry, subject, path), message)


def runs_elsewhere(entry: Entry, subject: Subject) -> Found | None:
    """A table of cron does the same: it is done twice while cron runs."""
    for work, words in works(entry).items():
        if (other := subject.elsewhere.get(work)) is not None:
            message = f"{other.place} runs {words}, so beside a cron it runs twice; remove one"
            return Found(subject.command_at(entry), message)
    return None


def repeated(entry: Entry, subject: Subject) -> Found | None:
    """The same schedule, user and command stand in the table twice, below the same settings."""
    first = subject.first[likeness(entry)]
    if first is entry or _settings_above(first, subject) != _settings_above(entry, subject):
        return None
    return Found(
        subject.column_at(entry), f"the same as line {first.line}, so it runs twice; remove one"
    )


def _settings_above(entry: Entry, subject: Subject) -> int:
    """How many: what a command does may depend on them."""
    return bisect(subject.table.settings, entry.line, key=lambda setting: setting.line)


def _at(entry: Entry, subject: Subject, text: str) -> int:
    start = subject.command_at(entry)
    return max(subject.line(entry.line).find(text, start), start)
