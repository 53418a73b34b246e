"""What the lints cost, beside reading the table.  CRONJOB_BENCH=full takes all 10,000 lines."""

import os
from datetime import UTC, datetime
from time import process_time

from cronjob.core.lint.codes import lint_table
from cronjob.core.lint.subject import Surroundings
from cronjob.core.table import parse_table
from tests.bench.yardstick import leeway

LINES = 10_000 if os.environ.get("CRONJOB_BENCH") == "full" else 2_000
LIMIT = 3.0  #: seconds of CPU, of which a second goes to the calendar however short the table
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo")


def line(number: int) -> str:
    """Lines that differ, and on which every lint has to look twice."""
    minute = f"*/{2 + number % 20}" if number % 3 else str(number % 60)
    days = f"{'*' if number % 5 else 1 + number % 31} * {'*' if number % 7 else number % 7}"
    fields = f"tz={ZONES[number % 3]} retry=3,1m timeout=2h"
    command = f"cd /srv && make -j{number % 9} all date +{'%F' if number % 2 else ''} {number}"
    return f"{minute} {number % 24} {days} {fields} root {command}\n"


def test_lints_of_a_long_table_take_a_few_seconds() -> None:
    text = "".join(map(line, range(LINES)))
    started = process_time()
    table = parse_table(text, source="t")
    read = process_time()
    around = Surroundings(
        now=datetime(2026, 11, 21, tzinfo=UTC),
        account=lambda _: True,
        program=lambda _: True,
        directory=lambda _: True,
    )
    found = lint_table(table, text, around)
    spent = process_time() - read
    print(f"\n{LINES} lines: read {read - started:.2f} s, linted {spent:.2f} s,", end=" ")
    print(f"{len(found)} findings; {spent / LIMIT:.2f} of the limit {LIMIT:.1f} s")
    assert len(table.entries) == LINES
    assert len(found) > LINES
    assert spent < LIMIT * leeway()
