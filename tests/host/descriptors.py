"""The open descriptors of a process, each with what it is, so that a failure names what is left."""

import contextlib
import gc
import os
from pathlib import Path


def descriptors_of(pid: int) -> dict[int, str]:
    """What each descriptor of `pid` is: a path, `pipe:[1234]`, `anon_inode:[eventpoll]` ..."""
    found = {}
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # that of the listing, in this process
            found[int(path.name)] = os.readlink(path)
    return found


def own_descriptors() -> dict[int, str]:
    """Those of this process, without what earlier tests have left to the garbage collector."""
    gc.collect()
    return descriptors_of(os.getpid())
