"""Tables on the machine: found, read, refused with a reason, kept in their last good version."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Literal

from cronjob.core.entry import Table
from cronjob.core.source import Source
from cronjob.core.table import parse_table
from cronjob.errors import TableFileError
from cronjob.host.trustedfile import (
    LARGEST,
    Trust,
    check_regular,
    list_trusted,
    read_all,
    read_trusted,
    system_trust,
    user_trust,
)


def read_table_file(path: str) -> bytes:
    """The bytes of a table file, whoever may write it.  Raises `TableFileError`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise TableFileError(f"cannot read the table: {reason}") from error
    try:
        check_regular(os.fstat(descriptor), "the table")
        return read_all(descriptor, LARGEST, "the table")
    except OSError as error:
        raise TableFileError(f"cannot read the table: {error.strerror}") from error
    finally:
        os.close(descriptor)


def why_refused(path: str) -> str:
    """Why a daemon of this account would not read the file as a table; empty if it would."""
    try:
        read_trusted(path, system_trust(os.geteuid()))
    except TableFileError as error:
        return str(error)
    return ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that is a table if it can be read."""

    path: str
    source: Source
    owner: str | None = None  #: the account of a user table


@dataclass(frozen=True, slots=True)
class Remark:
    """Why a file is not used, or not in its present version."""

    kind: Literal["skipped", "refused"]  #: by its name or kind, or because it cannot be trusted
    text: str

    def __str__(self) -> str:
        return self.text if self.kind == "refused" else f"{self.text}; it is not read"


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading all candidates once."""

    tables: tuple[Table, ...]  #: all that are in effect, in order
    fresh: tuple[Table, ...]  #: those whose text is new
    changed: bool  #: whether anything is in effect that was not before, or the other way round


class TableFiles:
    """The tables of one reader.  One that cannot be read keeps its last good version."""

    def __init__(self, own: int, host: str = "") -> None:
        self.remarks: dict[str, Remark] = {}  #: by path, of the latest reading
        self.passing = False  #: whether any of those may be over without a change of a file
        self._own = own  #: the user id that may own system tables, besides root
        self._host = host
        self._candidates: tuple[Candidate, ...] = ()  #: that were found last
        self._tables: dict[str, Table] = {}  #: last good versions, by path
        self._digests: dict[str, bytes] = {}  #: of the texts of those
        self._zone: tzinfo | None = None  #: that they were parsed with

    def find(self, sources: Iterable[Source]) -> tuple[Candidate, ...]:
        """List the sources anew; what is passed over is in `remarks`."""
        self.remarks, self.passing = {}, False
        found = [candidate for source in sources for candidate in self._find(source)]
        self._candidates = tuple({candidate.path: candidate for candidate in found}.values())
        return self._candidates

    def read(self, zone: tzinfo, *, uids: Mapping[str, int | str], anew: bool = False) -> Reading:
        """Read all candidates; a text that was parsed before is not parsed again unless `anew`.

        `uids` has the user ids of the accounts that own user tables, or why they are not known.
        """
        before = self._tables.keys() & {candidate.path for candidate in self._candidates}
        changed = before != self._tables.keys()
        self._tables = {path: self._tables[path] for path in before}
        anew, self._zone = anew or zone is not self._zone, zone
        fresh = []
        for candidate in self._candidates:
            try:
                text = read_trusted(candidate.path, self._trust(candidate, uids))
            except TableFileError as error:
                if error.missing and not candidate.source.required:
                    changed |= self._tables.pop(candidate.path, None) is not None
                else:
                    self._refuse(candidate.path, str(error))
                    self.passing |= error.passing
                continue
            known = self._is_known(candidate.path, text)
            if (anew or not known) and (table := self._parse(candidate, text, zone)) is not None:
                changed = True
                fresh += [] if known else [table]
        tables = tuple(self._tables[c.path] for c in self._candidates if c.path in self._tables)
        return Reading(tables, tuple(fresh), changed)

    @property
    def refused(self) -> bool:
        """Whether anything could not be read, by the latest reading."""
        return any(remark.kind == "refused" for remark in self.remarks.values())

    def _find(self, source: Source) -> Iterator[Candidate]:
        if source.place == "file":
            yield Candidate(source.path, source)
            return
        try:
            names = list_trusted(source.path, system_trust(self._own))
        except TableFileError as error:
            if not error.missing:
                self.remarks[source.path] = Remark("refused", str(error))
                self.passing |= error.passing
                # Each keeps its last good version, as a file that cannot be read does.
                yield from (c for c in self._candidates if c.source.path == source.path)
            return
        for name in names:
            path = os.path.join(source.path, name)
            if why := source.names.why_skipped(name) or _irregular(path):
                self.remarks[path] = Remark("skipped", why)
            else:
                yield Candidate(path, source, name if source.style == "user" else None)

    def _trust(self, candidate: Candidate, uids: Mapping[str, int | str]) -> Trust:
        if candidate.owner is None:
            return system_trust(self._own)
        uid = uids[candidate.owner]
        if isinstance(uid, str):
            raise TableFileError(uid)
        return user_trust(self._own, uid)

    def _is_known(self, path: str, text: bytes) -> bool:
        return path in self._tables and self._digests[path] == _digest(text)

    def _parse(self, candidate: Candidate, text: bytes, zone: tzinfo) -> Table | None:
        """The table that is in effect from now on; None when the text is refused as a whole."""
        source, path = candidate.source, candidate.path
        table = parse_table(
            text,
            source=path,
            style=source.style,
            owner=candidate.owner,
            classic=source.classic,
            zone=zone,
            host=self._host,
        )
        if table.rejected:
            self._refuse(path, table.problems[0].message)
            return None
        self._tables[path], self._digests[path] = table, _digest(text)
        return table

    def _refuse(self, path: str, why: str) -> None:
        kept = "; its last good version stays in effect" if path in self._tables else ""
        self.remarks[path] = Remark("refused", f"{why}{kept}")


def _irregular(path: str) -> str:
    """What an entry of a directory is when it cannot be a table; a link may lead to one."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return ""  # reading it will tell
    regular = stat.S_ISREG(mode) or stat.S_ISLNK(mode)
    return "" if regular else "it is not a regular file"


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
