"""Conditions that must hold before a run may start: `load<4`, `mem>2G`, `psi.cpu<20`, `ac`."""

import re
from dataclasses import dataclass

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
