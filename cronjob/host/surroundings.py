"""The machine as lints see it: its accounts, programs and directories, the tables of its cron."""

import os
import pwd
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, tzinfo
from functools import lru_cache

from cronjob.core.config import Config
from cronjob.core.entry import Table
from cronjob.core.lint.subject import Surroundings
from cronjob.core.source import PLACES, Places, configured_sources
from cronjob.core.table import parse_table
from cronjob.errors import TableFileError
from cronjob.host.tablefiles import TableFiles, read_table_file

#: Where the programs of a command are looked for, and where packages put those of root.
PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def surroundings(
    now: datetime, cron: Iterable[Table] = (), *, slots: int | None = None
) -> Surroundings:
    """This machine; `cron` are the tables that a cron would run on it, `slots` a daemon's."""
    return Surroundings(
        now=now,
        account=_account,
        program=_program,
        directory=_directory,
        cron=tuple(cron),
        slots=slots,
    )


def tables_of_cron(zone: tzinfo, places: Places = PLACES) -> Iterator[Table]:
    """What a cron on this machine would run for the system, as far as it can be read."""
    sources = configured_sources(Config(crontab=True, cron_d=True), places)
    files = TableFiles(os.geteuid())
    for candidate in files.find(source for source in sources if source.classic):
        try:
            text = read_table_file(candidate.path)
        except TableFileError:
            continue  # it is no table of ours, whose problems would be worth a word
        yield parse_table(text, source=candidate.path, classic=True, zone=zone)


@lru_cache(maxsize=4096)
def _account(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except (KeyError, ValueError):  # ValueError: a name with a NUL, or that is no UTF-8
        return False
    return True


@lru_cache(maxsize=4096)
def _program(name: str) -> bool:
    """Whether it is one; true where that cannot be known, in the directory of somebody else."""
    if "/" in name:
        return _executable(name)
    return any(_executable(os.path.join(directory, name)) for directory in PATH)


def _executable(path: str) -> bool:
    return _is(path, lambda: not os.path.isdir(path) and os.access(path, os.X_OK))


@lru_cache(maxsize=4096)
def _directory(path: str) -> bool:
    return _is(path, lambda: os.path.isdir(path))


def _is(path: str, such: Callable[[], bool]) -> bool:
    """Whether something is there and is such; true where that cannot be known."""
    try:
        os.stat(path)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return such()
