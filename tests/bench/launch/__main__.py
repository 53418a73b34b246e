"""The command line of the launch benchmark."""

import argparse
import signal
import sys
from pathlib import Path

from tests.bench.launch import page
from tests.bench.launch.fetch import Cache
from tests.bench.launch.goals import judge
from tests.bench.launch.ours import ROOT
from tests.bench.launch.suite import Row, cells, chosen, measure
from tests.bench.launch.workshop import Workshop, has_compiler


def parser() -> argparse.ArgumentParser:
    """What it understands."""
    found = argparse.ArgumentParser(prog="python -m tests.bench.launch", description=__doc__)
    found.add_argument("--fetch", action="store_true", help="get the peers into the cache")
    found.add_argument("--quick", action="store_true", help="200 entries and one round")
    found.add_argument("--only", default="", metavar="REGEX", help="rows, by 'GROUP: CONTENDER'")
    found.add_argument("--entries", type=int, metavar="N", help="due at once (1000)")
    found.add_argument("--rounds", type=int, metavar="N", help="of each burst (3)")
    found.add_argument("--tree", type=Path, default=ROOT, help="another checkout to measure")
    found.add_argument("--write", action="store_true", help="write the page and its results")
    found.add_argument("--render", action="store_true", help="write the page from its results")
    return found


def main() -> int:
    """Exit status: 1 when a contender failed, 2 without a compiler."""
    arguments = parser().parse_args()
    if arguments.fetch:
        Cache().fetch()
        return 0
    if arguments.render:
        write_page()
        return 0
    if not has_compiler():
        print("a C compiler is needed", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # whatever was started is ended
    found = page.machine(arguments.tree)
    print(" | ".join(f"{name}: {value}" for name, value in found.items()))
    rows = run(arguments)
    print(f"\n{page.tables(rows)}\n{page.goals_table(judge(rows))}")
    if arguments.write:
        page.RESULTS.write_text(page.as_json(found, rows))
        write_page()
    return int(any(row.missing.startswith("failed") for row in rows))


def run(arguments: argparse.Namespace) -> list[Row]:
    """Measure, and say each row as soon as it is there."""
    entries = arguments.entries or (200 if arguments.quick else 1000)
    rounds = arguments.rounds or (1 if arguments.quick else 3)
    wanted = chosen(cells(entries=entries, rounds=rounds, tree=arguments.tree), arguments.only)
    shop = Workshop.open()
    rows = []
    try:
        for row in measure(wanted, shop):
            rows.append(row)
            print(told(row), flush=True)
    finally:
        shop.close()
    return rows


def told(row: Row) -> str:
    """One line."""
    start = f"{row.group:7}{row.contender:45}{row.form:7}"
    if (figures := row.figures) is None:
        return start + row.missing
    return (
        f"{start}{figures.cpu_each:7.0f} us {figures.started:5} started, "
        f"first {figures.first:.4f} s, last {figures.last:.3f} s, {figures.processes} processes"
    )


def write_page() -> None:
    """From the results that are kept beside this file."""
    page.PAGE.write_text(page.render(*page.from_json(page.RESULTS.read_text())))


if __name__ == "__main__":
    sys.exit(main())
