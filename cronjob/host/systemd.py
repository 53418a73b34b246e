"""The service manager: readiness, reload, stop and the watchdog (sd_notify(3))."""

import importlib
import os


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
