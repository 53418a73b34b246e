"""`cronjob check`: every problem of tables, and what is allowed and probably not meant."""

import argparse
import json
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import tzinfo
from typing import NamedTuple

from cronjob.cli.slots import default_slots
from cronjob.cli.sources import daemon_tables, origin_of
from cronjob.core.entry import Problem, Style
from cronjob.core.lint.codes import lint_table
from cronjob.core.lint.subject import Surroundings
from cronjob.core.source import PLACES, Places
from cronjob.core.table import parse_table
from cronjob.errors import ConfigError, TableFileError, printable
from cronjob.host.clock import SystemClock, system_zone
from cronjob.host.identity import host_identity
from cronjob.host.surroundings import surroundings, tables_of_cron
from cronjob.host.tablefiles import read_table_file

STANDARD_INPUT = "-"


class Named(NamedTuple):
    """A file, and how to read it as a table."""

    path: str
    style: Style
    classic: bool


def check_tables(options: argparse.Namespace, places: Places = PLACES) -> int:
    """Print what is wrong with the files, or with the tables that a daemon would read.

    1 when there is an error, something cannot be read or, if so asked, there is a warning.
    """
    if not options.files and (options.user or options.classic):
        _say("cronjob: --user and --classic say how to read a FILE, and there is none")
        return 2
    zone, problem = system_zone()
    if problem:
        _say(f"cronjob: {problem}")
    files, code = _files(options, places, zone)
    around = surroundings(
        SystemClock().now(), tables_of_cron(zone, places), slots=_slots(options, places)
    )
    problems: list[Problem] = []
    for file in files:
        try:
            problems += _problems(file, zone, around)
        except TableFileError as error:
            _say(f"{printable(file.path)}: {error}")
            code = 1
    _print(problems, as_json=options.json)
    grave = ("error", "warning") if options.strict else ("error",)
    return max(code, int(any(problem.severity in grave for problem in problems)))


def _slots(options: argparse.Namespace, places: Places) -> int | None:
    """Those of the pool; None under a configuration that is bad, which is no matter of a table."""
    try:
        return origin_of(options, places).read_config().slots or default_slots()
    except ConfigError:
        return None


def _files(options: argparse.Namespace, places: Places, zone: tzinfo) -> tuple[list[Named], int]:
    """Those that the command line names, else those that a daemon would read; the exit code."""
    if options.files:
        style: Style = "user" if options.user else "system"
        return [Named(path, style, options.classic) for path in options.files], 0
    tables, code = daemon_tables(origin_of(options, places), zone)
    return [Named(table.source, table.style, table.classic) for table in tables], code


def _problems(file: Named, zone: tzinfo, around: Surroundings) -> list[Problem]:
    """All that can be said of one table, by place.  Raises `TableFileError`."""
    path = file.path
    text = _standard_input() if path == STANDARD_INPUT else read_table_file(path)
    table = parse_table(
        text, source=path, style=file.style, classic=file.classic, zone=zone, host=host_identity()
    )
    others = tuple(other for other in around.cron if not _same(other.source, path))
    found = [*table.problems, *lint_table(table, text, replace(around, cron=others))]
    return [*_mode(path), *sorted(found, key=lambda one: (one.line, one.column))]


def _mode(path: str) -> Iterator[Problem]:
    """A word about a file that every daemon would refuse, whoever may own it."""
    if path == STANDARD_INPUT:
        return
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        message = (
            f"the file has mode {mode:o}, and a daemon refuses a table that the group or others "
            "may write to; take that right away with chmod go-w"
        )
        yield Problem("warning", 1, 1, message, path, "writable")


def _same(one: str, other: str) -> bool:
    """Whether both are one file; all that comes from standard input may be any file."""
    try:
        return other == STANDARD_INPUT or os.path.samefile(one, other)
    except OSError:
        return False


def _print(problems: list[Problem], *, as_json: bool) -> None:
    if not as_json:
        for problem in problems:
            print(problem)
        return
    objects = [
        {
            "severity": problem.severity,
            "file": problem.source,
            "line": problem.line,
            "column": problem.column,
            "code": problem.code or None,
            "message": problem.message,
        }
        for problem in problems
    ]
    print(json.dumps(objects, indent=2))


def _standard_input() -> bytes:
    if sys.stdin is None:  # descriptor 0 is closed
        raise TableFileError("cannot read the table: standard input is closed")
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise TableFileError(f"cannot read the table: {error.strerror}") from error


def _say(text: str) -> None:
    print(text, file=sys.stderr)
