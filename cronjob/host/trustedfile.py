"""Files that nobody but their owner can have written, opened step by step.

Whoever can write a table runs commands as the users it names.  So each directory and each link on
the way is opened, checked on its descriptor, and the next step starts from that descriptor: what
was checked is what is used (openat(2), O_NOFOLLOW), whatever happens to the names meanwhile.
"""

import contextlib
import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from cronjob.core.table import CAPS
from cronjob.errors import TableFileError
from cronjob.host.shortage import passes

MOST_LINKS = 40  #: as many as the kernel follows (path_resolution(7))
MOST_NAMES = 10_000  #: in one directory
LARGEST = CAPS["system"].size  #: bytes

_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whose a file may be, and how it may be reached."""

    owners: frozenset[int]  #: user ids, of the file
    directories: frozenset[int]  #: user ids, of directories and links on the way
    links: bool = True  #: whether links are followed
    shared: bool = True  #: whether the file may have other names (hard links)
    largest: int = LARGEST  #: bytes


def system_trust(own: int) -> Trust:
    """For what only root, or the user id that runs the daemon, may write."""
    owners = frozenset({0, own})
    return Trust(owners=owners, directories=owners)


def user_trust(own: int, account: int) -> Trust:
    """For the table of an account: a plain file of theirs or root's (cronie misc.c check_open)."""
    return Trust(
        owners=frozenset({0, account}),
        directories=frozenset({0, own}),
        links=False,
        shared=False,
        largest=CAPS["user"].size,
    )


def read_trusted(path: str, trust: Trust, what: str = "the table") -> bytes:
    """The bytes of the file.  Raises `TableFileError` with the reason why it is not read."""
    with _opened(path, trust, _READ, what) as descriptor:
        status = os.fstat(descriptor)
        check_regular(status, what)
        _check_writers(status, trust.owners, what)
        if not trust.shared and status.st_nlink > 1:
            raise TableFileError(f"{what} has {status.st_nlink} names (hard links); 1 is allowed")
        return read_all(descriptor, trust.largest, what)


def list_trusted(path: str, trust: Trust) -> list[str]:
    """The names in the directory, sorted.  Raises `TableFileError` as `read_trusted` does."""
    with _opened(path, trust, _DIRECTORY, "the directory") as descriptor:
        names = sorted(os.listdir(descriptor))
    if len(names) > MOST_NAMES:
        raise TableFileError(f"the directory has {len(names)} files; {MOST_NAMES} are allowed")
    return names


def check_regular(status: os.stat_result, what: str) -> None:
    """Raises `TableFileError` for a directory, a FIFO, a socket or a device."""
    if not stat.S_ISREG(status.st_mode):
        raise TableFileError(f"cannot read {what}: it is not a regular file")


def read_all(descriptor: int, largest: int, what: str) -> bytes:
    """What is in the file, if it is not too large.  Raises `TableFileError`, `OSError`."""
    if (size := os.fstat(descriptor).st_size) <= largest:
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(largest + 1)  # it may grow
        if (size := len(data)) <= largest:
            return data
    raise TableFileError(f"{what} has {size} bytes; {largest} are allowed")


@contextlib.contextmanager
def _opened(path: str, trust: Trust, flags: int, what: str) -> Iterator[int]:
    walk = _Walk(trust, what)
    try:
        yield walk.open(os.path.abspath(path), flags)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        missing = isinstance(error, OSError) and error.errno == errno.ENOENT and not walk.links
        text = f"cannot read {what}: {reason}"
        raise TableFileError(text, missing=missing, passing=passes(error)) from error
    finally:
        walk.close()


class _Walk:
    """The way to one file: the descriptors of the directories that were passed."""

    def __init__(self, trust: Trust, what: str) -> None:
        self.links = 0  #: followed so far
        self._trust = trust
        self._what = what
        self._descriptors = contextlib.ExitStack()

    def open(self, path: str, flags: int) -> int:
        """A descriptor of the last step, opened with `flags`; its directories are checked."""
        here = self._root()
        names = deque(_names(path))
        way = "/"
        while names:
            name = names.popleft()
            step = self._keep(os.open(name, _STEP, dir_fd=here))
            kind = os.fstat(step).st_mode
            if stat.S_ISLNK(kind):
                target = self._follow(step, os.path.join(way, name))
                names.extendleft(reversed(_names(target)))
                here, way = (self._root(), "/") if target.startswith("/") else (here, way)
            elif names or stat.S_ISDIR(kind):
                here, way = step, os.path.normpath(os.path.join(way, name))
                if stat.S_ISDIR(kind):
                    _check_writers(os.fstat(here), self._trust.directories, f"the directory {way}")
            else:
                check_regular(os.fstat(step), self._what)  # before a device is opened
                return self._keep(os.open(name, flags, dir_fd=here))
        return self._keep(os.open(".", flags, dir_fd=here))

    def close(self) -> None:
        """Give all descriptors back."""
        self._descriptors.close()

    def _root(self) -> int:
        root = self._keep(os.open("/", _STEP | os.O_DIRECTORY))
        _check_writers(os.fstat(root), self._trust.directories, "the directory /")
        return root

    def _follow(self, link: int, path: str) -> str:
        if not self._trust.links:
            raise TableFileError(f"{path} is a symbolic link; none may lead to a user's table")
        self.links += 1
        if self.links > MOST_LINKS:
            raise TableFileError(f"more than {MOST_LINKS} symbolic links lead to {self._what}")
        _check_owner(os.fstat(link), self._trust.directories, f"the link {path}")
        return os.readlink("", dir_fd=link)

    def _keep(self, descriptor: int) -> int:
        self._descriptors.callback(os.close, descriptor)
        return descriptor


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]


def _check_writers(status: os.stat_result, owners: frozenset[int], what: str) -> None:
    """Nobody but the owner writes it; in a sticky directory nobody touches another's files."""
    _check_owner(status, owners, what)
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
        mode = stat.S_IMODE(status.st_mode)
        raise TableFileError(f"{what} has mode {mode:o}; group and others must not write to it")


def _check_owner(status: os.stat_result, owners: frozenset[int], what: str) -> None:
    if status.st_uid not in owners:
        others = " or ".join(f"user id {uid}" for uid in sorted(owners - {0}))
        whose = f"root or {others}" if others else "root"
        found = f"{what} belongs to user id {status.st_uid}"
        raise TableFileError(f"{found}; it must belong to {whose}")
