import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from cronjob.core.gates import GAUGES, Readings
from cronjob.host.gauges import read_gauges

LOADAVG = "2.52 1.94 1.33 3/412 20571\n"
MEMINFO = "MemTotal: 24610224 kB\nMemFree: 17 kB\nMemAvailable:   19 kB\nBuffers: 5 kB\n"
PRESSURE = "some avg10=12.34 avg60=5.00 avg300=1.00 total=1\nfull avg10=9.00 avg60=0 total=2\n"
BATTERY = {"type": "Battery\n", "scope": "System\n", "status": "Discharging\n"}
CHARGED = {"type": "Battery\n", "status": "Full\n"}
MOUSE = {"type": "Battery\n", "scope": "Device\n", "status": "Discharging\n"}
PLUGGED = {"type": "Mains\n", "online": "1\n"}
UNPLUGGED = {"type": "Mains\n", "online": "0\n"}


def machine(tmp_path: Path, files: Mapping[str, str]) -> str:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("kind", "path", "text", "readings"),
    [
        ("load", "proc/loadavg", LOADAVG, Readings(load=2.52)),
        ("mem", "proc/meminfo", MEMINFO, Readings(available=19 * 1024)),
        ("psi.cpu", "proc/pressure/cpu", PRESSURE, Readings(pressure={"cpu": 12.34})),
        ("psi.memory", "proc/pressure/memory", PRESSURE, Readings(pressure={"memory": 12.34})),
        ("psi.io", "proc/pressure/io", PRESSURE, Readings(pressure={"io": 12.34})),
    ],
)
def test_each_gauge_is_read_from_its_file_and_none_without_it(
    tmp_path: Path, kind: str, path: str, text: str, readings: Readings
) -> None:
    assert read_gauges([kind], machine(tmp_path, {path: text})) == readings
    assert read_gauges(GAUGES - {kind, "ac"}, str(tmp_path)) == Readings()
    for unknown in ("", "garbage\n", "some avg10=\n", "MemAvailable: much kB\n", "\N{BULLET}"):
        assert read_gauges([kind], machine(tmp_path, {path: unknown})) == Readings()
    (tmp_path / path).unlink()
    assert read_gauges([kind], str(tmp_path)) == Readings()


@pytest.mark.parametrize(
    ("supplies", "mains"),
    [
        ([], True),
        ([PLUGGED], True),
        ([UNPLUGGED], True),  # and no battery: it runs on something
        ([BATTERY], False),
        ([CHARGED], True),
        ([MOUSE], True),
        ([UNPLUGGED, BATTERY], False),
        ([PLUGGED, BATTERY], True),
        ([BATTERY, PLUGGED], True),
        ([CHARGED, BATTERY], False),
        ([{"type": "USB\n"}, BATTERY], False),
    ],
)
def test_mains_power_is_what_systemd_takes_for_it(
    tmp_path: Path, supplies: list[dict[str, str]], mains: bool
) -> None:
    files = {
        f"sys/class/power_supply/{number}/{name}": text
        for number, supply in enumerate(supplies)
        for name, text in supply.items()
    }
    assert read_gauges(["ac"], machine(tmp_path, files)) == Readings(mains=mains)


def test_this_machine_has_load_and_memory() -> None:
    readings = read_gauges(GAUGES)
    assert readings.load is not None
    assert readings.load >= 0
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert readings.available is not None
    assert 0 < readings.available <= whole
    assert all(0 <= percent <= 100 for percent in readings.pressure.values())
