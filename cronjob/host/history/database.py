"""The file: opened, brought to the present version, set aside when it is corrupt."""

import errno
import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from urllib.parse import quote

from cronjob.errors import HistoryError, printable
from cronjob.host.history.values import unraw

NAME = "history.db"
BUSY_SECONDS = 2.0  #: that somebody else may hold the file
READ_BUSY_SECONDS = 1.0
WAL_BYTES = 16 << 20  #: that the log beside the file keeps of the disk when it is not needed
CACHE_KIB = 4096
SCHEMA = os.path.join(os.path.dirname(__file__), "schema.sql")


def _text_of(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


#: Version -> the statements that make it of the version before; the first is the schema.
MIGRATIONS: Mapping[int, str] = {1: _text_of(SCHEMA)}

#: What a statement of ours is to blame for, and not the file.
_DEFECTS = (
    *(sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError),
    *(sqlite3.DataError, sqlite3.NotSupportedError),
)
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def path_in(directory: str) -> str:
    """Where the history of this state directory is."""
    return os.path.join(directory, NAME)


def connect(directory: str, migrations: Mapping[int, str] = MIGRATIONS) -> sqlite3.Connection:
    """A connection that writes, to a file of the present version.  Raises `HistoryError`."""
    path = path_in(directory)
    with troubles(path):
        _prepare(path)
        database = _connection(path, "mode=rw", BUSY_SECONDS)
    try:
        with troubles(path):
            if _version(database) > max(migrations):
                _refuse_another_version(database, path, max(migrations))
            _set_up(database)
            _migrate(database, migrations)
    except BaseException:
        database.close()
        raise
    return database


def connect_to_read(directory: str) -> sqlite3.Connection:
    """A connection that only reads, beside a daemon or without one.  Raises `HistoryError`."""
    path = path_in(directory)
    with troubles(path):
        _refuse_what_cannot_be_used(path, os.R_OK)
        # Where no log can be made beside the file, and there is none, nobody changes it either.
        still = not os.access(directory, os.W_OK) and not os.path.exists(f"{path}-wal")
        how = "mode=ro&immutable=1" if still else "mode=ro"
        database = _connection(path, how, READ_BUSY_SECONDS)
    try:
        with troubles(path):
            _refuse_another_version(database, path, max(MIGRATIONS))
    except BaseException:
        database.close()
        raise
    return database


def _migrate(database: sqlite3.Connection, migrations: Mapping[int, str]) -> None:
    """Bring the file to the latest version, each step in a transaction of its own."""
    for step in range(_version(database) + 1, max(migrations) + 1):
        # executescript() runs all of it in one call, so one transaction must be in the text.
        script = f"BEGIN IMMEDIATE;\n{migrations[step]}\nPRAGMA user_version = {step};\nCOMMIT;"
        try:
            database.executescript(script)
        except sqlite3.Error:
            if database.in_transaction:
                database.rollback()
            raise


def set_aside(directory: str, now: datetime) -> str:
    """Give a corrupt file, and what belongs to it, another name.  That; raises `HistoryError`."""
    path = path_in(directory)
    stamp = f"{now:%Y%m%dT%H%M%SZ}"
    aside, count = f"{path}.corrupt-{stamp}", 1
    while os.path.lexists(aside):
        count += 1
        aside = f"{path}.corrupt-{stamp}~{count}"
    with troubles(path):
        for part in ("-shm", "-wal", ""):  # a new file must never find the log of another
            if os.path.lexists(path + part):
                os.rename(path + part, aside + part)
        _sync_directory(directory)
    return aside


@contextmanager
def troubles(path: str) -> Iterator[None]:
    """What SQLite and the machine say of the file, as a `HistoryError`."""
    shown = printable(path)
    try:
        yield
    except _DEFECTS:
        raise
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)  # there is none of misuse of the module
        corrupt = code is not None and code & 0xFF in _CORRUPT
        raise HistoryError(f"{shown}: {error}", corrupt=corrupt) from error
    except OSError as error:
        raise HistoryError(f"{shown}: {error.strerror}") from error


@contextmanager
def nonsense(path: str) -> Iterator[None]:
    """Values that nobody has stored there, as a `HistoryError`: SQLite notices no wrong bit."""
    try:
        yield
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise HistoryError(
            f"{printable(path)}: a row makes no sense: {error}", corrupt=True
        ) from error


def _prepare(path: str) -> None:
    """An empty file of the right mode, before SQLite makes one by the umask.

    Its journal files get the mode of the file itself.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        _refuse_what_cannot_be_used(path, os.R_OK | os.W_OK)


def _refuse_what_cannot_be_used(path: str, mode: int) -> None:
    """SQLite only says that it cannot, and takes a file that it may only read for good enough.

    The file must not be opened to find out: whoever closes it gives up all locks of this process
    on it (fcntl(2)), those of SQLite too, and another process would think that nobody uses it.
    """
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise HistoryError(f"{printable(path)}: it is no regular file")
    if not os.access(path, mode, effective_ids=True):
        read_only = mode & os.W_OK and os.statvfs(path).f_flag & os.ST_RDONLY
        raise OSError(code := errno.EROFS if read_only else errno.EACCES, os.strerror(code))


def _connection(path: str, how: str, busy: float) -> sqlite3.Connection:
    # After two slashes SQLite expects the name of a machine, which may be empty.
    uri = f"file://{quote(os.fsencode(os.path.abspath(path)))}?{how}"
    # The thread that opens it is not the one that closes it at last.
    database = sqlite3.connect(
        uri, timeout=busy, isolation_level=None, check_same_thread=False, uri=True
    )
    database.text_factory = unraw
    database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    return database


def _set_up(database: sqlite3.Connection) -> None:
    if not _version(database):
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only an empty file can become so
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    database.execute("PRAGMA temp_store = MEMORY")


def _version(database: sqlite3.Connection) -> int:
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    return version


def _refuse_another_version(database: sqlite3.Connection, path: str, latest: int) -> None:
    if (version := _version(database)) != latest:
        text = f"its version is {version}; this cronjob knows version {latest}"
        raise HistoryError(f"{printable(path)}: {text}")


def _sync_directory(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
