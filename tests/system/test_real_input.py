"""A table made of real crontabs, run for real and compared with cronsim.

One minute long by default; `CRONJOB_MINUTES=5` is the full measure.  The commands note the time
themselves: what the daemon says of itself is no evidence.
"""

import csv
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim, CronSimError

from cronjob import parse_table
from cronjob.core.entry import Style
from cronjob.host.identity import own_name
from tests.system.daemon_process import DaemonProcess

MINUTES = int(os.environ.get("CRONJOB_MINUTES", "1"))
ENTRIES, LEAST_DUE = 200, 40

#: One zone for every offset from UTC that is in use, and none near a change of its clocks.
ZONES = [f"Etc/GMT{hours:+d}" for hours in range(-14, 13)] + [
    *("Asia/Kolkata", "Asia/Kathmandu", "Asia/Tehran", "Asia/Kabul", "Asia/Yangon"),
    *("Australia/Eucla", "Australia/Darwin", "Pacific/Marquesas", "Asia/Tokyo"),
]


def _real_schedules(corpus: Path) -> Iterator[str]:
    with (corpus / "manifest.tsv").open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            style: Style = "user" if row["style"] == "user" else "system"
            text = (corpus / row["file"]).read_bytes()
            table = parse_table(text, source=row["file"], style=style, classic=True)
            for entry in table.entries:
                if not entry.schedule.reboot:
                    yield " ".join(column.canonical for column in entry.schedule.columns)


def _expected(schedule: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    times = []
    for at in CronSim(schedule, start.astimezone(ZoneInfo(zone))):
        if at.astimezone(UTC) > end:
            break
        times.append(at.astimezone(UTC))
    return times


def _placed(schedules: list[str], start: datetime, end: datetime) -> list[tuple[str, str]]:
    """Each schedule in up to 24 zones that bring it due, and in one that need not."""
    placed: dict[tuple[str, str], None] = {}
    for number, schedule in enumerate(schedules):
        try:
            due = [zone for zone in ZONES if _expected(schedule, zone, start, end)]
        except CronSimError:
            continue
        for zone in (*due[:24], ZONES[number % len(ZONES)]):
            placed[schedule, zone] = None
    return list(placed)


def test_real_schedules_run_once_each_when_cronsim_says_and_never_early(tmp_path: Path) -> None:
    if "CRONJOB_CORPUS" not in os.environ:
        pytest.skip("CRONJOB_CORPUS does not name a folder of real crontabs")
    schedules = list(_real_schedules(Path(os.environ["CRONJOB_CORPUS"])))
    begin = datetime.fromtimestamp(time.clock_gettime(time.CLOCK_REALTIME), UTC)
    ready = begin + timedelta(seconds=20)  # the daemon runs by then
    end = ready.replace(second=10, microsecond=0) + timedelta(minutes=MINUTES)
    placed = _placed(schedules, begin, end)
    assert len(placed) >= ENTRIES
    me = own_name()
    table = "".join(
        f"{schedule} name=e{i} tz={zone} {me} date +\\%s.\\%N >> {tmp_path}/$CRONJOB_NAME.ran\n"
        for i, (schedule, zone) in enumerate(placed)
    )
    with DaemonProcess(tmp_path, table) as daemon:
        start = datetime.fromtimestamp(time.clock_gettime(time.CLOCK_REALTIME), UTC)
        wanted = {
            i: [at.timestamp() for at in _expected(schedule, zone, start, end)]
            for i, (schedule, zone) in enumerate(placed)
        }
        daemon.wait_for(
            "attempt 1 succeeded", sum(map(len, wanted.values())), hang=60 * MINUTES + 90
        )
        daemon.read_until(end)
    due = sum(1 for times in wanted.values() if times)
    assert due >= LEAST_DUE
    worst = 0.0
    for i, times in wanted.items():
        path = tmp_path / f"e{i}.ran"
        ran = [float(line) for line in path.read_text().split()] if path.exists() else []
        assert len(ran) == len(times), (placed[i], times, ran)
        for planned, stamp in zip(times, ran, strict=True):
            assert planned <= stamp < planned + 30, (placed[i], planned, stamp)
            worst = max(worst, stamp - planned)
    runs = sum(map(len, wanted.values()))
    print(
        f"\n{len(placed)} entries, {due} of them due in {MINUTES} min, {runs} runs, "
        f"each once, none early, the latest {worst:.3f} s after its fire time"
    )
