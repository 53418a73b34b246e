"""The machine's clocks: wall time, monotonic time, a timer on the wall clock, the system zone."""

import ctypes
import errno
import os
import random  # noqa: TID251 # the one place that draws
import time
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from cronjob.core.events import Moment
from cronjob.core.zone import named_zone
from cronjob.errors import ScheduleError

_TFD_NONBLOCK, _TFD_CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC
_TFD_TIMER_ABSTIME, _TFD_TIMER_CANCEL_ON_SET = 1, 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SystemClock:
    """CLOCK_REALTIME and CLOCK_MONOTONIC.  The only place that reads them."""

    def now(self) -> datetime:
        """The wall clock: aware, UTC."""
        return datetime.now(UTC)  # noqa: TID251 # the one reader of the clock

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()

    def moment(self) -> Moment:
        """Both clocks, read together."""
        return Moment(self.now(), self.monotonic())

    def timer(self) -> "WallTimer":
        """A timer on this wall clock."""
        return WallTimer()


def chance() -> float:
    """A random number in [0, 1)."""
    return random.random()


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class WallTimer:
    """A timerfd(2) on the wall clock; the standard library has it only from Python 3.13 on.

    Readable when its instant has come, and also when the clock has been set, whichever way.
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        flags = _TFD_NONBLOCK | _TFD_CLOEXEC
        self._descriptor = self._checked(self._libc.timerfd_create(time.CLOCK_REALTIME, flags))

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._descriptor

    def arm(self, at: datetime | None) -> bool:
        """Become readable at `at`; None disarms.  True when the clock was set meanwhile.

        A step between two calls makes the kernel report ECANCELED here, once, with the timer
        armed all the same; whoever ignores it never hears of that step.
        """
        spec = _TimerSpec()
        if at is not None:
            since = at - _EPOCH
            spec.value.seconds = since.days * 86400 + since.seconds
            spec.value.nanoseconds = (
                since.microseconds * 1000 or 1
            )  # zero would disarm at the epoch
        flags = _TFD_TIMER_ABSTIME | _TFD_TIMER_CANCEL_ON_SET
        try:
            self._checked(
                self._libc.timerfd_settime(self._descriptor, flags, ctypes.byref(spec), None)
            )
        except OSError as error:
            if error.errno == errno.ECANCELED:
                return True
            raise
        return False

    def acknowledge(self) -> None:
        """Take note of an expiry or of a set clock, so that the descriptor is quiet again."""
        try:
            os.read(self._descriptor, 8)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECANCELED):
                raise

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)

    def _checked(self, result: int) -> int:
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result


_ZONE_DIRECTORY = "/zoneinfo/"


def system_zone(root: str = "/") -> tuple[tzinfo, str]:
    """The machine's zone, and a word when it had to be guessed (empty otherwise).

    `TZ` of the daemon's own environment wins, then the link `/etc/localtime`, then the name in
    `/etc/timezone` (tzset(3), localtime(5)).
    """
    candidates = (os.environ.get("TZ", "").removeprefix(":"), *_configured_zones(Path(root)))
    unknown = ""
    for name in filter(None, candidates):
        try:
            return named_zone(name), unknown
        except ScheduleError as error:
            unknown = f"{error}; using the next that is configured"
    found = ", ".join(name for name in candidates if name) or "no /etc/localtime link"
    return named_zone("UTC"), f"the system's time zone is not known ({found}); using UTC"


def _configured_zones(root: Path) -> tuple[str, ...]:
    try:
        target = os.path.realpath(root / "etc/localtime")
        linked = target.partition(_ZONE_DIRECTORY)[2]
    except OSError:
        linked = ""
    try:
        named = (root / "etc/timezone").read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        named = ""
    return linked, named
