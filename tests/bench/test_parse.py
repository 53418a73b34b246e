"""What reading a table costs: CPU and memory, each in a process of its own.

Beside it, as a measure of the machine: one bare croniter per line, which reads the five columns
and nothing else.  CRONJOB_BENCH=full takes 100,000 lines as well.
"""

import os
import subprocess
import sys

import pytest

from tests.bench.yardstick import leeway

FULL = os.environ.get("CRONJOB_BENCH") == "full"
DISTINCT = 3600  #: schedules

CHILD = """
import sys
from time import process_time
from croniter import croniter
from cronjob.core.table import parse_table

def columns(number):
    k = number % 3600
    return f"{k % 60} {k // 60 % 24} {k // 1440 + 1} * {'1-5' if k % 2 else '*'}"

def line(number):
    fields = sys.argv[2].format(number)
    return f"{columns(number)} {fields} root /usr/local/bin/entry{number} --arg {number}"

def peak():  # ru_maxrss would begin with that of the parent process
    with open("/proc/self/status") as status:
        return next(int(row.split()[1]) / 1024 for row in status if row.startswith("VmHWM"))

text = "".join(line(number) + "\\n" for number in range(int(sys.argv[1]))).encode()
parse_table("0 0 * * * tz=Europe/Berlin root warm\\n", source="t")
before, started = peak(), process_time()
table = parse_table(text, source="t")
spent, grown = process_time() - started, peak() - before
assert not table.problems, table.problems[0]
distinct = len({entry.schedule.key for entry in table.entries})
started = process_time()
for number in range(5000):
    croniter(columns(number))
print(spent, grown, len(table.entries), distinct, (process_time() - started) / 5000)
"""

PLAIN = ""
FIELDS = "name=e{} retry=3,30s..10m timeout=4m tz=Europe/Berlin"


@pytest.mark.parametrize(
    ("lines", "fields", "seconds", "mebibytes"),
    [
        (10_000, PLAIN, 1.0, 120),
        (10_000, FIELDS, 1.0, 120),
        *([(100_000, PLAIN, 6.0, 120), (100_000, FIELDS, 6.0, 120)] if FULL else []),
    ],
)
def test_a_table_is_read_within_its_limits(
    lines: int, fields: str, seconds: float, mebibytes: int
) -> None:
    child = [sys.executable, "-c", CHILD, str(lines), fields]
    result = subprocess.run(child, check=True, capture_output=True, text=True, timeout=300)
    spent, grown, entries, distinct, bare = map(float, result.stdout.split())
    print(f"\n{lines} lines, {'four fields each' if fields else 'no fields'}:")
    print(f"  {spent:.2f} s of CPU, {spent / seconds:.2f} of the limit {seconds:.1f} s")
    print(f"  {grown:.0f} MiB more, {grown / mebibytes:.2f} of the limit {mebibytes} MiB")
    print(
        f"  a bare croniter per line: {bare * lines:.2f} s, so {spent / lines / bare:.2f} of that"
    )
    assert (entries, distinct) == (lines, DISTINCT)
    assert spent < seconds * leeway()
    assert grown < mebibytes
