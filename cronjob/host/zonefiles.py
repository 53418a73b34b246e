"""The files of the zone database, so that a change of their rules is seen."""

import hashlib
import os
import zoneinfo
from collections.abc import Iterable

from cronjob.host.shortage import raise_if_passing


def zone_files(names: Iterable[str]) -> tuple[str, ...]:
    """The files that zones of these names are read from, as far as there are such files."""
    found = []
    for name in sorted(set(names)):
        paths = (os.path.join(directory, name) for directory in zoneinfo.TZPATH)
        found += [path for path in paths if os.path.isfile(path)][:1]
    return tuple(found)


def digests(paths: Iterable[str]) -> dict[str, bytes]:
    """What is in the files, in short; a file that cannot be read is like an empty one.

    Raises `OSError` when none can be read just now.
    """
    return {path: _digest(path) for path in paths}


def _digest(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).digest()
    except OSError as error:
        raise_if_passing(error)
        return b""
