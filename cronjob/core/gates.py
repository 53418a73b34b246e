"""Conditions that must hold before a run may start: `load<4`, `mem>2G`, `psi.cpu<20`, `ac`."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_SIZE = re.compile(r"(\d{1,15})([KMGT]?)", re.ASCII)
_NUMBER = re.compile(r"\d{1,6}(?:\.\d{1,3})?", re.ASCII)
_FACTORS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
LARGEST_SIZE = 2**63 - 1
RESOURCES = ("cpu", "memory", "io")


@dataclass(frozen=True, slots=True)
class LoadBelow:
    """The load average of the last minute is lower."""

    load: float


@dataclass(frozen=True, slots=True)
class MemoryAbove:
    """More memory is available (`MemAvailable` of proc_meminfo(5))."""

    size: int  #: bytes


@dataclass(frozen=True, slots=True)
class PressureBelow:
    """Tasks were stalled on the resource for a smaller part of the last ten seconds."""

    resource: str  #: one of `RESOURCES`, the files of /proc/pressure
    percent: float


@dataclass(frozen=True, slots=True)
class MainsPower:
    """The machine does not run on its battery."""


Gate = LoadBelow | MemoryAbove | PressureBelow | MainsPower

#: What may have to be measured.
GAUGES = frozenset({"load", "mem", "psi.cpu", "psi.memory", "psi.io", "ac"})


@dataclass(frozen=True, slots=True)
class Readings:
    """What the gauges show; what was not asked for, or cannot be had, is not there."""

    load: float | None = None  #: average of the last minute
    available: int | None = None  #: bytes of memory
    pressure: Mapping[str, float] = field(default_factory=dict)  #: resource -> percent of 10 s
    mains: bool | None = None  #: also when there is no battery


def parse_size(text: str) -> int:
    """`512M` -> bytes; K, M, G and T are powers of 1024.  Raises `ValueError`."""
    match = _SIZE.fullmatch(text)
    if match and int(match[1]) * _FACTORS[match[2]] <= LARGEST_SIZE:
        return int(match[1]) * _FACTORS[match[2]]
    raise ValueError("a size like 512M, with K, M, G or T, or none of them for bytes")


def parse_gates(text: str) -> tuple[Gate, ...]:
    """The gates of a list, each kind at most once.  Raises `ValueError` with what is allowed."""
    gates: dict[str, Gate] = {}
    for item in text.split(","):
        kind = re.split("[<>]", item, maxsplit=1)[0]
        if kind in gates:
            raise ValueError(f"each gate once, and {kind} is there twice")
        gates[kind] = _gate(item)
    return tuple(gates.values())


def _gate(item: str) -> Gate:
    if item == "ac":
        return MainsPower()
    if item.startswith("mem>"):
        return MemoryAbove(parse_size(item.removeprefix("mem>")))
    name, less, number = item.partition("<")
    resource = name.removeprefix("psi.")
    if less and name == "load":
        return LoadBelow(_number(number, "load<N with N above 0"))
    if less and name.startswith("psi.") and resource in RESOURCES:
        return PressureBelow(resource, _number(number, f"{name}<N with N above 0, up to 100", 100))
    raise ValueError("gates like load<4, mem>2G, psi.cpu<20 (or memory, io) and ac")


def _number(text: str, allowed: str, most: float = 999_999) -> float:
    """A limit that a measured value can be below."""
    if _NUMBER.fullmatch(text) and 0 < float(text) <= most:
        return float(text)
    raise ValueError(allowed)


def gauge(gate: Gate) -> str:
    """Which of `GAUGES` the gate needs."""
    match gate:
        case LoadBelow():
            return "load"
        case MemoryAbove():
            return "mem"
        case PressureBelow(resource):
            return f"psi.{resource}"
        case MainsPower():
            return "ac"


def gauges(gates: Iterable[Gate]) -> frozenset[str]:
    """Which of `GAUGES` the gates need."""
    return frozenset(gauge(gate) for gate in gates)


def written(gate: Gate) -> str:
    """The gate as a table has it: `mem>2G`."""
    match gate:
        case LoadBelow(load):
            return f"load<{load:g}"
        case MemoryAbove(size):
            unit = next(unit for unit in ("T", "G", "M", "K", "") if not size % _FACTORS[unit])
            return f"mem>{size // _FACTORS[unit]}{unit if size else ''}"
        case PressureBelow(resource, percent):
            return f"psi.{resource}<{percent:g}"
        case MainsPower():
            return "ac"


class Gatekeeper:
    """Lets runs pass by one measurement, and takes into account those it let pass.

    A hundred runs do not pass on the same free gigabyte: what a gate asked for counts as taken,
    and each run that passed adds one to the load, until the next measurement.
    """

    def __init__(self, readings: Readings) -> None:
        self._readings = readings
        self._passed = 0
        self._taken = 0  # bytes

    def shut(self, gates: Iterable[Gate]) -> list[Gate]:
        """Those of the gates that do not hold; one without a reading holds."""
        return [gate for gate in gates if not self._holds(gate)]

    def unknown(self, gates: Iterable[Gate]) -> frozenset[str]:
        """The gauges of these gates that have no reading."""
        return frozenset(gauge(gate) for gate in gates if self._value(gate) is None)

    def let_pass(self, gates: Iterable[Gate]) -> None:
        """A run with these gates is about to start."""
        self._passed += 1
        self._taken += sum(gate.size for gate in gates if isinstance(gate, MemoryAbove))

    def _holds(self, gate: Gate) -> bool:
        value = self._value(gate)
        if value is None:
            return True
        match gate:
            case LoadBelow(load):
                return value + self._passed < load
            case MemoryAbove(size):
                return value - self._taken > size
            case PressureBelow(_, percent):
                return value < percent
            case MainsPower():
                return bool(value)

    def _value(self, gate: Gate) -> float | bool | None:
        match gate:
            case LoadBelow():
                return self._readings.load
            case MemoryAbove():
                return self._readings.available
            case PressureBelow(resource):
                return self._readings.pressure.get(resource)
            case MainsPower():
                return self._readings.mains
