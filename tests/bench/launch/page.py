"""The figures as text: what is printed, and docs/explanation/performance.md."""

import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

from tests.bench.launch.burst import Figures
from tests.bench.launch.fetch import Cache
from tests.bench.launch.goals import Board, UnmeasuredError, Verdict, judge
from tests.bench.launch.ours import ROOT
from tests.bench.launch.suite import LIMIT, Row, figures_from

PAGE = ROOT / "docs/explanation/performance.md"
RESULTS = Path(__file__).with_name("results.json")
BUSY = 0.5  #: load before the first burst, above which the page says that others were at work

TITLES = {
    "burst": "{entries} due at once",
    "beside": "The same with more slots, with reports written, with a cgroup for each attempt",
    "table": "{entries} due at once, and nothing else in the table or much else",
    "many": "{entries} due at once, each `exec PROGRAM`, which leaves one process for each slot",
    "pool": "{entries} due at once, 8 slots",
    "first": "{entries} due at once: the first start",
}
FORMS = {"SHELL": "`sh -c`", "SIMPLE": "simple", "EXEC": "`sh -c exec`"}

TEXT = """\
# Performance

What a launch costs, beside the least that it can cost and beside other crons.
This page is written by `python -m tests.bench.launch --write`, which measures all of it in one run.

{machine}

A command appends the time to a file and does nothing else, so what is measured is the launch.
*Simple* is a command that needs no shell; by `sh -c` the shell forks once more for the same work.
*C loop* is a bare `vfork` and `exec` of the same command in C, 64 at a time: no user is changed, no
output is captured, nothing is recorded. `cronjob` and the crons run the commands as another user.
The others deal with output in their own ways; APScheduler keeps its own user, which is cheaper.
*C program* and *pure Python* are the two ways in which the launcher of `cronjob` starts a command.
Both store each run in the history before it starts; *nothing stored* is the same without that.
*CPU* is user and system time of the daemon, of all that it starts and of the commands, from just
before the instant until nothing moves any more, divided by the commands that started.
*First* and *last* are the starts, taken inside the commands, in seconds after the instant.
*Processes* are the most at once, with threads; *growth* is that of the daemon.
CPU times and ratios are what to compare; the wall clock says more on a quiet machine.

{tables}
## Goals

{goals}
## To repeat it

```
python -m tests.bench.launch --fetch
python -m tests.bench.launch
```

The first downloads the peers (Debian packages, unpacked and not installed, and wheels in a virtual
environment) into `~/.cache/cronjob-bench`. As root the second measures all of them; they run in a
mount namespace with copies of the files that they read. It takes about half an hour, because most
crons wait for the next minute of the clock; `--quick` takes fewer entries and rounds, and
`--only REGEX` some of the rows.
"""


def machine(tree: Path = ROOT) -> dict[str, str]:
    """What was measured, and where."""
    commit = _said(["git", "-C", str(tree), "rev-parse", "--short=10", "HEAD"])
    changed = _said(["git", "-C", str(tree), "status", "--porcelain", "--", "cronjob"])
    return {
        "commit": (commit or "unknown") + (" and changes on top of it" if changed else ""),
        "cpus": f"{os.cpu_count()} x {_cpu_model()}",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "shell": f"{Path('/bin/sh').resolve().name} {Cache().package_version('dash')}".strip(),
        "load": f"{os.getloadavg()[0]:.2f}",
    }


def as_json(found: dict[str, str], rows: Iterable[Row]) -> str:
    """For the results file."""
    return json.dumps({"machine": found, "rows": [asdict(row) for row in rows]}, indent=1) + "\n"


def from_json(text: str) -> tuple[dict[str, str], list[Row]]:
    """Back from it."""
    document = json.loads(text)
    rows = []
    for values in document["rows"]:
        figures = figures_from(values["figures"]) if values["figures"] else None
        rows.append(Row(**{**values, "figures": figures}))
    return document["machine"], rows


def render(found: dict[str, str], rows: list[Row]) -> str:
    """The whole page."""
    methods = {row.figures.method for row in rows if row.figures}
    busy = float(found["load"]) > BUSY
    lines = [
        f"Commit {found['commit']}; {found['cpus']}, Linux {found['kernel']}, Python "
        f"{found['python']}, {found['shell']} as `/bin/sh`.",
        f"CPU time is counted by {' and '.join(sorted(methods)) or 'nothing'}; each row is the "
        "median of its rounds, its processes and its growth are the worst of them.",
        f"The load of the machine was {found['load']} before the first burst"
        + (", so others were at work: the ratios are worth more than the times." if busy else "."),
    ]
    return TEXT.format(
        machine="\n".join(lines), tables=tables(rows), goals=goals_table(judge(rows))
    )


def tables(rows: list[Row]) -> str:
    """One table for each group of rows."""
    parts = []
    for group, title in TITLES.items():
        inside = [row for row in rows if row.group == group]
        entries = next((row.figures.entries for row in inside if row.figures), 0)
        if inside:
            parts.append(
                f"## {title.format(entries=entries)}\n\n{table(inside, Board(tuple(rows)))}"
            )
    return "\n".join(parts)


def table(rows: list[Row], board: Board) -> str:
    """A line for each contender."""
    lines = [
        "| | command | CPU us | / C loop | / best peer | daemon us | first | last | lost | "
        "processes | growth MB | rounds |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        name = f"{row.contender} {row.version}".rstrip()
        if row.figures is None:
            reason = row.missing.splitlines()[0]
            lines.append(f"| {name} | {FORMS[row.form]} | {reason} |" + " |" * 9)
        else:
            cells = " | ".join(_cells(row.figures, board))
            lines.append(f"| {name} | {FORMS[row.form]} | {cells} | {row.rounds} |")
    return "\n".join(lines) + "\n"


def goals_table(verdicts: Iterable[Verdict]) -> str:
    """What was promised beside what was reached."""
    lines = ["| goal | at most | reached | |", "|---|---|---|---|"]
    for verdict in verdicts:
        goal = verdict.goal
        reached = (
            "not measured" if verdict.reached is None else f"{verdict.reached:.3g} {goal.unit}"
        )
        mark = "" if verdict.reached is None else "met" if verdict.met else "**missed**"
        lines.append(f"| {goal.text} | {goal.most:g} {goal.unit} | {reached.strip()} | {mark} |")
    return "\n".join(lines) + "\n"


def _cells(figures: Figures, board: Board) -> list[str]:
    return [
        f"{figures.cpu_each:.0f}",
        _ratio(figures.cpu_each, lambda: _limit(board, figures.form)),
        _ratio(figures.cpu_each, board.best_cpu),
        f"{figures.own_cpu / max(figures.started, 1) * 1e6:.0f}",
        f"{figures.first:.4f}",
        f"{figures.last:.3f}",
        str(figures.lost),
        str(figures.processes),
        f"{figures.growth / 2**20:.1f}",
    ]


def _limit(board: Board, form: str) -> float:
    """That of the same form; for EXEC there is none."""
    return board.find("burst", LIMIT, form).cpu_each


def _ratio(value: float, least: Callable[[], float]) -> str:
    try:
        return f"{value / least():.2f}"
    except UnmeasuredError:
        return ""


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.machine()


def _said(argv: list[str]) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""
