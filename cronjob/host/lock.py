"""The locks that keep two daemons out of one directory (flock(2))."""

import fcntl
import os

from cronjob.errors import HeldError, printable


def prepare_directory(path: str) -> None:
    """Make the directory, for its owner alone, if it is not there.  Raises `OSError`."""
    os.makedirs(path, mode=0o700, exist_ok=True)


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
