"""Which bursts there are, and how often each is repeated."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from statistics import median

from tests.bench.launch.burst import HANG, Figures, run_burst
from tests.bench.launch.contender import Contender
from tests.bench.launch.crons import crons
from tests.bench.launch.fetch import Cache
from tests.bench.launch.limit import Limit
from tests.bench.launch.ours import ROOT, Ours
from tests.bench.launch.schedulers import APScheduler, YamlCron
from tests.bench.launch.workshop import Form, Workshop

NATIVE, PYTHON = "cronjob, C program", "cronjob, pure Python"
FORGETFUL = f"{NATIVE}, nothing stored"
LIMIT = "C loop"
SLOTS = 8  #: of the small pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One contender with one burst."""

    group: str  #: what is compared in it: "burst", "beside", "table", "many", "pool", "first"
    contender: Contender
    form: Form
    entries: int
    rounds: int = 3
    hang: float = HANG


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The median of a cell's rounds, or why there is none."""

    group: str
    contender: str
    version: str
    form: str
    rounds: int = 0
    figures: Figures | None = None
    missing: str = ""


def cells(
    *, entries: int, rounds: int, tree: Path = ROOT, cache: Cache | None = None
) -> list[Cell]:
    """All of them; the first group has `entries` due at once, the others keep its proportions."""
    cache = cache or Cache()
    native, python = (Ours(name=NATIVE, tree=tree), Ours(name=PYTHON, tree=tree, python_only=True))
    both = (native, python)
    peers: list[Contender] = [
        APScheduler(cache=cache),
        *crons(cache),
        YamlCron(name="cronstable", cache=cache),
        YamlCron(name="yacron", cache=cache),
    ]
    found = [
        Cell(group="burst", contender=who, form=form, entries=entries, rounds=rounds)
        for form in (Form.SHELL, Form.SIMPLE)
        for who in (Limit(name=LIMIT), replace(native, name=FORGETFUL, forgetful=True), *both)
    ]
    found += [
        Cell(group="burst", contender=peer, form=Form.SHELL, entries=entries, rounds=rounds)
        for peer in peers
    ]
    found += [
        Cell(group="beside", contender=who, form=Form.SHELL, entries=entries, rounds=rounds)
        for ours in both
        for who in (
            replace(ours, name=f"{ours.name}, 64 slots", options=("--slots", "64")),
            replace(ours, name=f"{ours.name}, reports in a file", recorded=True),
            replace(ours, name=f"{ours.name}, a cgroup each", delegated=True),
        )
    ]
    half = entries // 2
    found += [
        Cell(group="table", contender=who, form=Form.SIMPLE, entries=half, rounds=rounds)
        for ours in both
        for who in (
            replace(ours, name=f"{ours.name}, {half} entries"),
            replace(ours, name=f"{ours.name}, {200 * half} entries", others=199 * half),
        )
    ]
    found += [
        Cell(group="many", contender=who, form=Form.EXEC, entries=5 * entries, rounds=1)
        for who in both
    ]
    small = [replace(who, options=("--slots", str(SLOTS))) for who in both]
    pool: list[Contender] = [*small, YamlCron(name="cronstable", slots=SLOTS, cache=cache)]
    found += [
        Cell(group="pool", contender=who, form=Form.SHELL, entries=entries // 5, rounds=1, hang=40)
        for who in pool
    ]
    found += [
        Cell(group="first", contender=who, form=Form.SHELL, entries=10, rounds=3 * rounds)
        for who in both
    ]
    return found


def chosen(all_cells: Iterable[Cell], only: str) -> list[Cell]:
    """Those with a match for `only` in their group or contender."""
    return [cell for cell in all_cells if re.search(only, f"{cell.group}: {cell.contender.name}")]


def measure(wanted: Iterable[Cell], shop: Workshop) -> Iterator[Row]:
    """Each cell's rounds one after the other; a contender that fails is told as missing."""
    for cell in wanted:
        row = Row(
            group=cell.group,
            contender=cell.contender.name,
            version=cell.contender.version,
            form=cell.form.name,
        )
        if cell.contender.missing:
            yield replace(row, missing=cell.contender.missing)
            continue
        try:
            rounds = [
                run_burst(cell.contender, shop, cell.entries, cell.form, hang=cell.hang)
                for _ in range(cell.rounds)
            ]
        except (RuntimeError, OSError) as error:
            yield replace(row, missing=f"failed: {error}")
        else:
            yield replace(row, rounds=cell.rounds, figures=middle(rounds))


def middle(rounds: list[Figures]) -> Figures:
    """The median of each figure; of what was lost and of peaks the worst."""
    medians = {
        name: median(getattr(figures, name) for figures in rounds)
        for name in ("first", "last", "cpu", "own_cpu")
    }
    return replace(
        rounds[0],
        started=min(figures.started for figures in rounds),
        processes=max(figures.processes for figures in rounds),
        rss=max(figures.rss for figures in rounds),
        growth=max(figures.growth for figures in rounds),
        **medians,
    )


def figures_from(values: dict[str, object]) -> Figures:
    """Back from JSON."""
    return Figures(**{each.name: values[each.name] for each in fields(Figures)})  # type: ignore[arg-type]  # as they were written
