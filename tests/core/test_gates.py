"""Gates: what each one measures, in which unit."""

import pytest

from cronjob.core.gates import (
    LARGEST_SIZE,
    Gate,
    LoadBelow,
    MainsPower,
    MemoryAbove,
    PressureBelow,
    parse_gates,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "gates"),
    [
        ("load<4", [LoadBelow(4.0)]),
        ("load<0.25", [LoadBelow(0.25)]),
        ("mem>2G", [MemoryAbove(2 * 1024**3)]),
        ("mem>0", [MemoryAbove(0)]),
        ("psi.cpu<20", [PressureBelow("cpu", 20.0)]),
        ("psi.memory<100", [PressureBelow("memory", 100.0)]),
        ("psi.io<0.5", [PressureBelow("io", 0.5)]),
        ("ac", [MainsPower()]),
        ("ac,psi.io<5,psi.cpu<5", [MainsPower(), PressureBelow("io", 5), PressureBelow("cpu", 5)]),
    ],
)
def test_gates_are_read_in_the_order_that_is_written(text: str, gates: list[Gate]) -> None:
    assert parse_gates(text) == tuple(gates)


@pytest.mark.parametrize("text", ["load<4,load<2", "mem>1G,mem>2G", "psi.io<5,psi.io<9", "ac,ac"])
def test_the_same_gate_twice_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"^each gate once, and [a-z.]+ is there twice$"):
        parse_gates(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("1K", 1024),
        ("512M", 512 * 1024**2),
        ("007G", 7 * 1024**3),
        ("8388607T", LARGEST_SIZE + 1 - 1024**4),
    ],
)
def test_a_size_counts_in_powers_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "1.5G", "-1", "1m", "1MB", "8388608T", "1" * 16, "٣"])
def test_other_texts_are_no_size(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a size like 512M, "):
        parse_size(text)
