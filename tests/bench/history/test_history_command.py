"""What `cronjob history` of one entry costs, the whole process, beside the least it could.

The least is a Python that imports what any such command needs and asks SQLite for twenty rows.
CRONJOB_BENCH=full makes a million runs, and else a tenth of that.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from cronjob.host.history.database import path_in
from cronjob.host.history.store import SqliteHistory
from tests.cli.command import COMMAND, ROOT
from tests.host.changes import batch_of, one_run

RUNS = 1_000_000 if os.environ.get("CRONJOB_BENCH") == "full" else 100_000
BATCH = 2000
ROUNDS = 15
ALLOWED = 0.12  #: seconds of CPU
LEAST = """
import argparse, datetime, json, sqlite3, sys
base = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
query = "SELECT * FROM runs WHERE entry = 1 ORDER BY fire DESC LIMIT 20"
print(json.dumps(base.execute(query).fetchall()))
"""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A state directory with many runs of four entries."""
    directory = str(tmp_path_factory.mktemp("state"))
    history = SqliteHistory(directory, boot="boot", host="machine")
    labels = ("plain", "ladder", "slow", "late")
    for start in range(0, RUNS, BATCH):
        numbers = range(start, start + BATCH)
        history.write(batch_of(*(one_run(n, labels[n % 4], n % 3 % 2) for n in numbers)))
    history.close()
    return directory


def _seconds(*command: str) -> float:
    """CPU time of the command, the least of several rounds: others may use the machine too."""
    found = []
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


@pytest.mark.parametrize("arguments", [("plain",), ("--json", "plain"), ()])
def test_the_history_of_an_entry_is_listed_within_its_bound(
    state: str, arguments: tuple[str, ...]
) -> None:
    ours = _seconds(*COMMAND, "history", "--state", state, *arguments)
    least = _seconds(sys.executable, "-c", LEAST, path_in(state))
    size = Path(path_in(state)).stat().st_size >> 20
    print(
        f"\ncronjob history {' '.join(arguments):12} {RUNS:,} runs, {size} MiB: "
        f"{ours * 1000:.0f} ms CPU, {ours / least:.1f} times the least; "
        f"at most {ALLOWED * 1000:.0f} ms allowed"
    )
    assert ours < ALLOWED
