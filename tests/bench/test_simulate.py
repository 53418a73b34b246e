"""What a simulated run costs, from the table to the printed line.

The limit is that of a year of a thousand daily entries, 365,000 runs, in a minute of CPU.
CRONJOB_BENCH=full takes the year itself.
"""

import os
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from time import process_time

import pytest

from cronjob.cli import main
from tests.bench.yardstick import leeway

FULL = os.environ.get("CRONJOB_BENCH") == "full"
LIMIT = 60e6 / 365_000  #: microseconds of CPU per run
START = datetime(2027, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Load:
    """A table, and how long it is simulated."""

    title: str
    line: str
    entries: int
    runs_a_day: int  #: of each entry
    days: int


LOADS = [
    Load(
        "daily, each at its own minute",
        "{minute} {hour} * * * name=e{n} tz=Africa/Lagos root true\n",
        *(1000, 1, 365 if FULL else 10),
    ),
    Load(
        "daily, all at 03:00",
        "0 3 * * * name=e{n} tz=Africa/Lagos root true\n",
        *(1000, 1, 365 if FULL else 10),
    ),
    Load(
        "every five minutes",
        "*/5 * * * * name=e{n} tz=Africa/Lagos root true\n",
        *(20, 288, 60 if FULL else 2),
    ),
]


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.title)
@pytest.mark.parametrize("form", ["--json", "--summary"])
def test_a_run_is_simulated_in_its_share_of_a_minute_a_year(
    load: Load, form: str, tmp_path: Path
) -> None:
    path, output = tmp_path / "bench.tab", tmp_path / "output"
    times = [divmod(n * 1440 // load.entries, 60) for n in range(load.entries)]
    lines = (load.line.format(n=n, hour=h, minute=m) for n, (h, m) in enumerate(times))
    path.write_text("".join(lines))
    end = (START + timedelta(days=load.days)).isoformat()
    options = ("--from", START.isoformat(), "--to", end, "--table", str(path))
    runs = load.entries * load.runs_a_day * load.days
    started = process_time()
    with output.open("w") as told, redirect_stdout(told), redirect_stderr(StringIO()):
        code = main(["simulate", *options, form])
    spent = process_time() - started
    cost = spent / runs * 1e6
    print(f"\n{load.title}, {form}: {runs} runs in {spent:.2f} s, {cost:.0f} us each,", end=" ")
    print(f"{cost / LIMIT:.2f} of the limit {LIMIT:.0f} us")
    assert code == 0
    assert f"{runs} runs of" in output.read_text() or f'"runs": {runs}' in output.read_text()
    assert cost < LIMIT * leeway()
