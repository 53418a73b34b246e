"""The locks that keep two daemons out of one directory (flock(2))."""

import errno
import fcntl
import os
import stat
from contextlib import suppress

from cronjob.errors import HeldError, printable
from cronjob.host.cronlock import held_locks

_NO_ROOM = (errno.EROFS, errno.ENOSPC, errno.EDQUOT)


def prepare_directory(path: str, *, public: bool = False) -> None:
    """Make the directory if it is not there; others may only enter a `public` one.

    What is in it has a mode of its own, and nobody else may put anything else in its place.
    Raises `OSError`.
    """
    try:
        os.makedirs(path, mode=0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
        _refuse_a_strangers(path)
    else:
        os.chmod(path, 0o755 if public else 0o700)


def _refuse_a_strangers(directory: str) -> None:
    status = os.stat(directory)
    if status.st_uid not in (0, os.geteuid()):
        why = f"belongs to user {status.st_uid}; allowed is one of root or of the daemon's own user"
        raise PermissionError(errno.EPERM, why, directory)
    if status.st_mode & stat.S_IWOTH:
        why = f"has mode {stat.S_IMODE(status.st_mode):o}; others must not write to it"
        raise PermissionError(errno.EPERM, why, directory)


def hold(directory: str, purpose: str) -> int:
    """Hold `directory` for `purpose` ("state", "runtime") until the descriptor is closed.

    The lock dies with its holder, however that ends.  On a disk that is full or read-only it needs
    nothing to be written.  Raises `HeldError` naming the holder, and `OSError` when there can be no
    lock.
    """
    descriptor = _openable(directory, f"{purpose}.lock")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _named(descriptor) or "an unknown process"
        raise HeldError(
            f"the {purpose} directory {directory} is in use by another daemon, {holder}"
        ) from None
    with suppress(OSError):  # who holds it is a courtesy
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"pid {os.getpid()}\n".encode())
    return descriptor


def _openable(directory: str, name: str) -> int:
    """The lock file, or the directory itself where none can be made."""
    path, flags = os.path.join(directory, name), os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o600)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
    try:
        return os.open(path, os.O_RDONLY | flags)
    except FileNotFoundError:
        return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | flags)


def _named(descriptor: int) -> str:
    """Who says in the lock file that it holds it."""
    try:
        return printable(os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip())
    except IsADirectoryError:
        return ""
    finally:
        os.close(descriptor)


def is_held(directory: str, purpose: str) -> bool:
    """Whether a daemon holds the directory; its lock is not taken to find out.

    A daemon that starts at that moment would give up.
    """
    path = os.path.join(directory, f"{purpose}.lock")
    try:
        status = os.stat(path)
        with open(path, encoding="utf-8", errors="replace") as file:
            named = file.read(200).strip()
        # Some file systems show another device there than stat(2) does.
        return any(
            inode == status.st_ino and (device == status.st_dev or named == f"pid {pid}")
            for pid, device, inode in held_locks()
        )
    except OSError:
        return False
