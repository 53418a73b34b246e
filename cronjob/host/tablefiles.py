"""Table files: read, refused with a reason, and remembered in their last good version."""

import errno
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import tzinfo

from cronjob.core.entry import Table
from cronjob.core.table import parse_table
from cronjob.errors import TableFileError

LARGEST = 64 * 1024 * 1024  #: bytes


def read_table_file(path: str, *, trusted_owner: int | None = None) -> bytes:
    """The bytes of a table file.

    With `trusted_owner`, it must belong to root or to that user id and be writable by nobody else:
    whoever can write a table runs commands as the users it names.  Raises `TableFileError`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise TableFileError(f"cannot read the table: {reason}") from error
    try:
        _check(os.fstat(descriptor), trusted_owner)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(LARGEST)
    except OSError as error:
        raise TableFileError(f"cannot read the table: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _check(status: os.stat_result, trusted_owner: int | None) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise TableFileError("cannot read the table: it is not a regular file")
    if trusted_owner is not None:
        _check_trust(status, trusted_owner)
    if status.st_size > LARGEST:
        raise TableFileError(f"the table has {status.st_size} bytes; {LARGEST} are allowed")


def _check_trust(status: os.stat_result, owner: int) -> None:
    if status.st_uid not in (0, owner):
        raise TableFileError(
            f"the table belongs to user id {status.st_uid}; it must belong to root"
            + (f" or user id {owner}" if owner else "")
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        mode = stat.S_IMODE(status.st_mode)
        raise TableFileError(f"the table's mode is {mode:o}; group and others must not write to it")


@dataclass(slots=True)
class TableFiles:
    """The tables of a daemon.  One that cannot be read keeps its last good version."""

    paths: tuple[str, ...]
    optional: frozenset[str] = frozenset()  #: those that may be missing
    trusted_owner: int | None = None
    host: str = ""
    tables: dict[str, Table] = field(default_factory=dict)  #: last good versions, by path
    refusals: tuple[tuple[str, str], ...] = ()  #: path and reason, of the latest reading

    def load(self, zone: tzinfo) -> Iterable[Table]:
        """Read all of them anew."""
        refusals = []
        for path in self.paths:
            try:
                text = read_table_file(path, trusted_owner=self.trusted_owner)
            except TableFileError as error:
                if path in self.optional and _is_missing(error):
                    self.tables.pop(path, None)
                    continue
                kept = "; its last good version stays in effect" if path in self.tables else ""
                refusals.append((path, f"{error}{kept}"))
            else:
                self.tables[path] = parse_table(text, source=path, zone=zone, host=self.host)
        self.refusals = tuple(refusals)
        return [self.tables[path] for path in self.paths if path in self.tables]


def _is_missing(error: TableFileError) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno == errno.ENOENT
