"""Whole days through `cronjob simulate`: the daemon's own engine, over real tables."""

import json
from collections import Counter
from contextlib import redirect_stdout
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from cronjob.cli import main

at = datetime.fromisoformat
NINE = at("2026-03-02T09:00:00Z")


def simulated(folder: Path, table: str, *options: str) -> list[dict[str, Any]]:
    """What is told, but for the summary in the end."""
    path = folder / "day.tab"
    path.write_text(table)
    told = StringIO()
    with redirect_stdout(told):
        assert main(["simulate", "--json", "--table", str(path), *options]) == 0
    *occurrences, summary = map(json.loads, told.getvalue().splitlines())
    assert summary["event"] == "summary"
    return occurrences


def starts(told: list[dict[str, Any]], name: str) -> list[str]:
    """When the attempts of an entry start, in UTC."""
    times = (one["at"][11:-1] for one in told if one["event"] == "attempt-started"
             and one["name"] == name)  # fmt: skip
    return [time.removesuffix(":00") for time in times]


@pytest.mark.parametrize(
    ("day", "fixed", "wild"),
    [
        ("2026-03-08", ["07:00"], ["06:00", "06:30", "07:00", "07:30"]),
        ("2026-11-01", ["05:30"], ["05:00", "05:30", "06:00", "06:30", "07:00", "07:30"]),
    ],
)
def test_the_days_the_clocks_change_in_new_york(
    tmp_path: Path, day: str, fixed: list[str], wild: list[str]
) -> None:
    hour = "2" if day == "2026-03-08" else "1"
    table = (
        "@defaults tz=America/New_York\n"
        f"30 {hour} * * * name=fixed root true\n"
        "*/30 * * * *     name=wild root true\n"
    )
    span = ("--from", f"{day}T01:00", "--to", f"{day}T04:00", "--tz", "America/New_York")
    told = simulated(tmp_path, table, *span)
    assert starts(told, "fixed") == fixed
    assert [time for time in starts(told, "wild") if time < "08:00"][: len(wild)] == wild


def test_two_hundred_at_once_share_eight_slots(tmp_path: Path) -> None:
    table = "".join(f"0 9 * * * name=e{n:03} root true\n" for n in range(200))
    span = ("--from", "2026-03-02", "--to", "2026-03-03", "--tz", "UTC", "--slots", "8")
    told = simulated(tmp_path, table, *span, "--lasts", "6s")
    begun = [one for one in told if one["event"] == "attempt-started"]
    after = Counter((at(one["at"]) - NINE) // timedelta(seconds=1) for one in begun)
    assert after == {6 * batch: 8 for batch in range(25)}
    assert [one["name"] for one in begun] == [f"e{n:03}" for n in range(200)]
    assert [one["waited"] for one in begun] == [n // 8 * 6.0 for n in range(200)]
    assert sum(one["event"] == "run-waiting" for one in told) == 192


def test_a_failing_entry_is_retried_in_every_run(tmp_path: Path) -> None:
    table = "0 9,10 * * * name=sync retry=3,30s root true\n0 9 * * * name=fine retry=3 root true\n"
    span = ("--from", "2026-03-02", "--to", "2026-03-03", "--tz", "UTC")
    told = simulated(tmp_path, table, *span, "--fail", "sync=2")
    assert starts(told, "sync") == [
        *("09:00", "09:00:31", "09:01:32"),
        *("10:00", "10:00:31", "10:01:32"),
    ]
    assert starts(told, "fine") == ["09:00"]
    assert Counter(one["event"] for one in told) == {
        "attempt-started": 7,
        "attempt-ended": 4,
        "retry-planned": 4,
    }


def test_a_clock_that_goes_back_repeats_wildcards_only(tmp_path: Path) -> None:
    table = "0 * * * * name=wild root true\n0 8-12 * * * name=fixed root true\n"
    span = ("--from", "2026-03-02T08:30Z", "--to", "2026-03-02T12:30Z", "--tz", "UTC")
    told = simulated(tmp_path, table, *span, "--step-clock", "2026-03-02T10:10=-1h20m")
    assert starts(told, "fixed") == ["09:00", "10:00", "11:00", "12:00"]
    assert starts(told, "wild") == ["09:00", "10:00", "09:00", "10:00", "11:00", "12:00"]
    passes = [one["run"] for one in told if "#" in one.get("run", "")]
    assert passes == ["wild@2026-03-02T09:00Z#2", "wild@2026-03-02T10:00Z#2"]


def test_attempts_that_last_longer_than_the_interval_overlap(tmp_path: Path) -> None:
    table = "*/10 * * * * name=often root true\n0 * * * * name=hourly root true\n"
    span = ("--from", "2026-03-02T09:00Z", "--to", "2026-03-02T10:00Z", "--tz", "UTC")
    told = simulated(tmp_path, table, *span, "--lasts", "often=25m", "--lasts", "hourly=59m")
    often = [one["overlaps"] for one in told if one.get("name") == "often"]
    assert often == [0, 1, 2, 2, 2, 2]
    assert [one["overlaps"] for one in told if one.get("name") == "hourly"] == [0]
