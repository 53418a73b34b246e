"""The locks that keep two daemons out of one directory (flock(2))."""

import errno
import fcntl
import os
import stat

from cronjob.errors import HeldError, printable


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

    The lock dies with its holder, however that ends.  Raises `HeldError` naming the holder, and
    `OSError` when there can be no lock file.
    """
    path = os.path.join(directory, f"{purpose}.lock")
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with open(descriptor, encoding="utf-8", errors="replace") as file:
            holder = printable(file.read(200).strip()) or "an unknown process"
        raise HeldError(
            f"the {purpose} directory {directory} is in use by another daemon, {holder}"
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"pid {os.getpid()}\n".encode())
    return descriptor
