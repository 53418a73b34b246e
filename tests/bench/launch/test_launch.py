"""The launch benchmark in small: order, counts and what must not be there; no times.

Peers that wait for the next minute of the clock are left to `python -m tests.bench.launch`, or to
CRONJOB_BENCH=full.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.launch import meter, page
from tests.bench.launch.burst import Figures, run_burst
from tests.bench.launch.contender import Contender
from tests.bench.launch.crons import crons
from tests.bench.launch.fetch import Cache
from tests.bench.launch.limit import ABREAST, Limit
from tests.bench.launch.ours import Ours
from tests.bench.launch.schedulers import APScheduler, YamlCron
from tests.bench.launch.workshop import Form, Workshop, has_compiler

ENTRIES = 60
SLOTS = 4
FULL = os.environ.get("CRONJOB_BENCH") == "full"
HISTORY_THREAD = 1  # writes the history; the meter counts threads with the processes
OURS = [
    Ours(name="C program", options=("--slots", str(SLOTS))),
    Ours(name="pure Python", options=("--slots", str(SLOTS)), python_only=True),
]


@pytest.fixture(scope="module")
def shop() -> Iterator[Workshop]:
    if not has_compiler():
        pytest.skip("there is no C compiler")
    shop = Workshop.open()
    yield shop
    shop.close()


def burst(who: Contender, shop: Workshop, form: Form = Form.EXEC) -> Figures:
    if who.missing:
        pytest.skip(who.missing)
    figures = run_burst(who, shop, ENTRIES, form)
    print(f"\n{who.name}, {form.name}: {figures.cpu_each:.0f} us a run, last {figures.last:.3f} s")
    return figures


@pytest.mark.parametrize("form", [Form.EXEC, Form.SIMPLE])
@pytest.mark.parametrize("ours", OURS, ids=lambda ours: ours.name)
def test_a_burst_loses_nothing_and_keeps_to_its_slots(
    ours: Ours, form: Form, shop: Workshop
) -> None:
    figures = burst(ours, shop, form)
    assert figures.lost == 0
    assert figures.first >= 0
    assert figures.processes <= SLOTS + 4 + HISTORY_THREAD


def test_the_bare_loop_is_the_least_that_a_launch_costs(shop: Workshop) -> None:
    ours = next(who for who in OURS if not who.missing)
    least = burst(Limit(), shop)
    assert least.lost == 0
    assert least.processes <= ABREAST + 2
    assert least.cpu_each < burst(ours, shop).cpu_each


def test_entries_that_are_not_due_start_nothing(shop: Workshop) -> None:
    ours = next(who for who in OURS if not who.missing)
    assert burst(replace(ours, others=500), shop).started == ENTRIES


def test_without_cgroups_the_descendants_are_counted(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter, "CGROUPS", tmp_path)
    figures = burst(Limit(), shop)
    assert figures.method == "/proc of all descendants"
    assert figures.cpu > 0
    assert figures.processes > 1


if FULL:
    PEERS = [APScheduler(), *crons(Cache()), YamlCron(name="cronstable"), YamlCron(name="yacron")]

    @pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
    def test_a_peer_starts_the_same_entries(peer: Contender, shop: Workshop) -> None:
        assert burst(peer, shop, Form.SHELL).started == ENTRIES


def test_the_page_says_what_was_measured() -> None:
    written = page.PAGE.read_text(encoding="utf-8")
    assert written == page.render(*page.from_json(page.RESULTS.read_text(encoding="utf-8")))
