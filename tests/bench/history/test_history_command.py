"""What `cronjob history` of one entry costs, the whole process, beside the least it could.

The least is a Python that imports what any such command needs and asks SQLite for twenty rows.
CRONJOB_BENCH=full makes a million runs, and else a tenth of that.
"""

import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from cronjob.host.history.database import path_in
from cronjob.host.history.store import SqliteHistory
from tests.cli.command import COMMAND, ROOT
from tests.host.changes import batch_of, one_run

RUNS = 1_000_000 if os.environ.get("CRONJOB_BENCH") == "full" else 100_000
BATCH = 2000
ROUNDS = 15
GOAL = 0.12  #: seconds of CPU, on the machine that it was set for
MOST = 5.5  #: times the least; about twice what it is, since machines differ in more than speed
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


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One in which modules are compiled once, as those of an installed package are."""
    kept = {name: os.environ[name] for name in os.environ if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("compiled"))}


def _seconds(command: Sequence[str], environment: dict[str, str]) -> float:
    """CPU time of the command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("arguments", [("plain",), ("--json", "plain"), ()])
def test_the_history_of_an_entry_is_listed_within_its_bound(
    state: str, environment: dict[str, str], arguments: tuple[str, ...]
) -> None:
    commands = (
        (*COMMAND, "history", "--state", state, *arguments),
        (sys.executable, "-c", LEAST, path_in(state)),
    )
    rounds = [[_seconds(one, environment) for one in commands] for _ in range(ROUNDS)]
    ours, least = map(min, zip(*rounds, strict=True))  # others may use the machine too
    size = Path(path_in(state)).stat().st_size >> 20
    print(
        f"\ncronjob history {' '.join(arguments):12} {RUNS:,} runs, {size} MiB: "
        f"{ours * 1000:.0f} ms CPU, {ours / least:.1f} times the least; "
        f"at most {MOST} allowed; the goal is {GOAL * 1000:.0f} ms"
    )
    assert ours < MOST * least
