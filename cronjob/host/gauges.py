"""What the machine can spare, as the kernel tells it: load, memory, pressure, mains power."""

import asyncio
import re
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from cronjob.core.gates import RESOURCES, Readings

_NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?)(?!\S)", re.ASCII)


def read_gauges(kinds: Collection[str], root: str = "/") -> Readings:
    """Read the gauges of these kinds: `load`, `mem`, `psi.cpu`, `psi.memory`, `psi.io`, `ac`.

    Others, and those that the kernel does not offer, are None or absent.
    """
    at = Path(root)
    wanted = [resource for resource in RESOURCES if f"psi.{resource}" in kinds]
    pressure = {resource: _pressure(at / "proc/pressure" / resource) for resource in wanted}
    return Readings(
        load=_number(_text(at / "proc/loadavg")) if "load" in kinds else None,
        available=_available(at / "proc/meminfo") if "mem" in kinds else None,
        pressure={resource: found for resource, found in pressure.items() if found is not None},
        mains=_mains(at / "sys/class/power_supply") if "ac" in kinds else None,
    )


def read_gauges_soon(kinds: Collection[str], tell: Callable[[Readings], None]) -> None:
    """Tell the event loop; a battery that takes its time to answer delays nobody."""
    loop = asyncio.get_running_loop()
    if "ac" not in kinds:
        loop.call_soon(lambda: tell(read_gauges(kinds)))
        return

    def read() -> None:
        readings = read_gauges(kinds)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, readings)

    threading.Thread(target=read, daemon=True).start()


def _available(path: Path) -> int | None:
    """`MemAvailable` of proc_meminfo(5), in bytes."""
    for line in _text(path).splitlines():
        if line.startswith("MemAvailable:"):
            kilobytes = _number(line.removeprefix("MemAvailable:"))
            return None if kilobytes is None else int(kilobytes) * 1024
    return None


def _pressure(path: Path) -> float | None:
    """Percent of the last ten seconds in which some tasks were stalled (psi.rst of the kernel)."""
    for line in _text(path).splitlines():
        if line.startswith("some avg10="):
            return _number(line.removeprefix("some avg10="))
    return None


def _mains(directory: Path) -> bool:
    """Whether the machine is on mains power, as `ConditionACPower=` of systemd.unit(5) decides.

    A supply that is online says yes, a battery that is being discharged says no, and nothing at
    all is a machine without a battery.  The battery of a mouse is not the machine's.
    """
    discharging = False
    try:
        supplies = sorted(directory.iterdir())
    except OSError:
        return True
    for supply in supplies:
        if _text(supply / "type").strip() != "Battery":
            if _number(_text(supply / "online")):
                return True
        elif _text(supply / "scope").strip() != "Device":
            discharging |= _text(supply / "status").strip() == "Discharging"
    return not discharging


def _text(path: Path) -> str:
    """Empty when it cannot be read: the kernel, or a sandbox, does not offer it."""
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _number(text: str) -> float | None:
    """The number that the text begins with."""
    match = _NUMBER.match(text)
    return float(match[1]) if match else None
