"""The service manager: readiness, reload, stop and the watchdog (sd_notify(3))."""

import asyncio
import importlib
import os
from collections.abc import Callable

STATUS_EVERY = 1.0  #: seconds at least between two changes of the status line


def notify(*assignments: str) -> bool:
    """Tell the service manager; False when there is none or it does not listen."""
    if not os.environ.get("NOTIFY_SOCKET"):
        return False
    try:
        daemon = importlib.import_module("systemd.daemon")
        return bool(daemon.notify("\n".join(assignments)))
    except (ImportError, OSError):
        return False  # PID 1 may be going down itself


def missing() -> str:
    """A word when the service manager waits for a notice that cannot be given; else empty."""
    if not os.environ.get("NOTIFY_SOCKET"):
        return ""
    try:
        importlib.import_module("systemd.daemon")
    except ImportError:
        return "systemd-python is not installed, so the service manager is told nothing"
    return ""


def watchdog_interval() -> float | None:
    """Seconds between two signs of life, half of what the manager allows; None without one."""
    try:
        microseconds = int(os.environ.get("WATCHDOG_USEC", ""))
        pid = int(os.environ.get("WATCHDOG_PID", str(os.getpid())))
    except ValueError:
        return None
    return microseconds / 2_000_000 if pid == os.getpid() and microseconds > 0 else None


def give_signs_of_life() -> None:
    """Do so from now on, for as long as the event loop turns, if the manager wants any."""
    if (interval := watchdog_interval()) is not None:
        notify("WATCHDOG=1")
        asyncio.get_running_loop().call_later(interval, give_signs_of_life)


class StatusLine:
    """The line that the service manager shows; `text` says it when it is to be told."""

    def __init__(self, text: Callable[[], str]) -> None:
        self._text = text
        self._told = ""
        self._later: asyncio.TimerHandle | None = None

    def now(self, *assignments: str) -> None:
        """Tell it together with other news."""
        self._told = self._text()
        notify(*assignments, f"STATUS={self._told}")

    def may_have_changed(self) -> None:
        """Tell it soon, if it is another one then."""
        if self._later is None and os.environ.get("NOTIFY_SOCKET"):
            later = asyncio.get_running_loop().call_later
            self._later = later(STATUS_EVERY, self._tell_change)

    def _tell_change(self) -> None:
        self._later = None
        if self._text() != self._told:
            self.now()
