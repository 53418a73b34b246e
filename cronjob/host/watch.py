"""Changes of files, as the kernel tells them (inotify(7)): no polling, no wake-up without a change.

A change says only that it is time to look; what has changed is found by reading.
"""

import asyncio
import errno
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from inotify_simple import INotify, flags

MOST_LINKS = 40  #: that are followed, as by the kernel (path_resolution(7))

#: Seconds to wait after a change for those that follow it.
SETTLED = 0.1  #: the writer has finished: a file was closed, moved here or given another mode
UNSETTLED = 0.5  #: more is to come: a file was modified, made, moved away or removed
LATEST = 0.9  #: after the first change, however many follow

_SETTLING = flags.CLOSE_WRITE | flags.MOVED_TO | flags.ATTRIB
_CONTENT = (
    _SETTLING | flags.MODIFY | flags.CREATE | flags.DELETE | flags.MOVED_FROM | flags.EXCL_UNLINK
)
_SELF = flags.DELETE_SELF | flags.MOVE_SELF
_FILE = _SETTLING | flags.MODIFY
_LOST = flags.IGNORED | flags.UNMOUNT
_UNNOTICED = "noticed within a minute only"
ANYTHING = ""  #: the name in a point that stands for all names


class Point(NamedTuple):
    """Where a change would show."""

    path: str
    name: str | None  #: something of this name in the directory; None is the path itself


def points_of(path: str) -> Iterator[Point]:
    """Where a change of what `path` leads to would show: the file, its directory, links, gaps."""
    here, names, links = "/", deque(_names(os.path.abspath(path))), 0
    while names:
        name = names.popleft()
        there = os.path.normpath(os.path.join(here, name))
        try:
            target = os.readlink(there)
        except OSError as error:
            if error.errno != errno.EINVAL:  # it is not there, or out of reach
                yield Point(here, name)
                return
            yield Point(there, None)
            if not names:
                yield Point(here, name)
            here = there
            continue
        yield Point(here, name)
        links += 1
        if links > MOST_LINKS:
            return
        names.extendleft(reversed(_names(target)))
        here = "/" if target.startswith("/") else here


class Settling:
    """When to look after a burst of changes: soon after the last one, never long after the first.

    All times are seconds on one clock.
    """

    def __init__(self) -> None:
        self._first: float | None = None

    def changed(self, now: float, *, settled: bool) -> float:
        """A change was told at `now`: the time to look at, in place of an earlier answer."""
        if self._first is None:
            self._first = now
        return min(now + (SETTLED if settled else UNSETTLED), self._first + LATEST)

    def looked(self) -> None:
        """The next change begins another burst."""
        self._first = None


class Watcher:
    """Calls `changed` some time after something happened at one of the points.

    What the kernel does not watch for it, somebody has to look at; `watch` says why.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._names: dict[int, set[str] | None] = {}  #: wanted, by watch; None is all
        self._settling = Settling()
        self._timer: asyncio.TimerHandle | None = None
        self._inotify: INotify | None = None
        self._why = ""
        try:
            self._inotify = INotify(nonblocking=True)
        except OSError as error:
            self._why = f"changes of tables are {_UNNOTICED}: inotify: {error.strerror}"

    def watch(self, points: Iterable[Point]) -> str:
        """Watch these points and no others; the answer says what cannot be watched, if anything."""
        if self._inotify is None:
            return self._why
        asyncio.get_running_loop().add_reader(self._inotify, self._readable)
        names: dict[int, set[str] | None] = {}
        problem = ""
        for path, wanted, mask in _merged(points):
            try:
                # Added each time, since another file may have taken the path.
                watch = self._inotify.add_watch(path, mask | flags.MASK_ADD)
            except OSError as error:
                if not problem and error.errno not in (errno.ENOENT, errno.ENOTDIR):
                    problem = f"changes of {path} are {_UNNOTICED}: inotify: {error.strerror}"
                continue
            known = names.setdefault(watch, set())
            names[watch] = None if wanted is None or known is None else known | wanted
        for watch in self._names.keys() - names.keys():
            self._remove(watch)
        self._names = names
        return problem

    def again(self) -> None:
        """Call `changed` once more, later: what is to be watched changes too fast."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LATEST, self._look)

    def close(self) -> None:
        """Watch nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify)
            self._inotify.close()
            self._inotify = None

    def _remove(self, watch: int) -> None:
        assert self._inotify is not None
        try:
            self._inotify.rm_watch(watch)
        except OSError as error:
            if error.errno != errno.EINVAL:  # the kernel has dropped it with its file
                raise

    def _readable(self) -> None:
        assert self._inotify is not None
        loop = asyncio.get_running_loop()
        for event in self._inotify.read(timeout=0):
            if not self._is_wanted(event.wd, event.mask, event.name):
                continue
            due = self._settling.changed(loop.time(), settled=bool(event.mask & _SETTLING))
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_at(due, self._look)

    def _is_wanted(self, watch: int, mask: int, name: str) -> bool:
        if mask & flags.Q_OVERFLOW:
            return True  # some change was lost, perhaps ours
        if watch not in self._names or mask & _LOST:
            return bool(mask & flags.UNMOUNT)
        wanted = self._names[watch]
        return wanted is None or not name or name in wanted

    def _look(self) -> None:
        self._timer = None
        self._settling.looked()
        self._changed()


def _merged(points: Iterable[Point]) -> Iterator[tuple[str, set[str] | None, int]]:
    """Each path once, with all that is wanted of it and the mask for that."""
    wanted: dict[str, set[str]] = {}
    for point in points:
        names = wanted.setdefault(point.path, set())
        if point.name is not None:
            names.add(point.name)
    for path, names in sorted(wanted.items()):
        mask = _SELF | (_CONTENT if names else 0)
        if not names and not os.path.isdir(path):
            # Its directory tells that it goes; to hear it here too, after the name has been given
            # to another file, would look as if more were to come.
            mask = _FILE
        yield path, None if ANYTHING in names else names, mask


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]
