"""One contender, one burst: the figures."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench.launch.contender import Contender, Errand, Plan
from tests.bench.launch.meter import Meter, held_open, metered, process_cpu, resident
from tests.bench.launch.workshop import Form, Workshop

HANG = 60.0  #: seconds after the instant; what has not started by then is lost
SETTLED_SECONDS = 0.25  #: without any CPU time to speak of: the burst is over
SETTLED_CPU = 0.002
MOST_SETTLING = 10.0
STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one burst cost."""

    contender: str
    form: str  #: name of a `Form`
    entries: int
    started: int
    first: float  #: seconds from the instant to the first start, taken inside the command
    last: float
    cpu: float  #: seconds, of all processes, from just before the instant until nothing moves
    own_cpu: float  #: seconds of it in the process that plans
    processes: int  #: the most at once, with all threads
    rss: int  #: bytes of the process that plans, before
    growth: int  #: bytes that it grew by, at its highest
    method: str  #: how CPU time was counted

    @property
    def cpu_each(self) -> float:
        """Microseconds for each command that started."""
        return self.cpu / max(self.started, 1) * 1e6

    @property
    def lost(self) -> int:
        return self.entries - self.started


def run_burst(
    contender: Contender, shop: Workshop, entries: int, form: Form, *, hang: float = HANG
) -> Figures:
    """Have `entries` commands due at once; wait for the last.

    Raises `RuntimeError` when the contender ends before the instant, is late in getting ready,
    or is not what it is called.
    """
    folder = shop.place("contender")
    folder.chmod(0o755)
    plan = contender.prepare(
        Errand(shop=shop, folder=folder, entries=entries, form=form, lead=3 + entries // 2500)
    )
    shop.clear()
    try:
        with metered(delegate=plan.delegate) as meter, running(plan, meter) as process:
            sleep_until(plan.instant - 0.3)
            if process.poll() is not None or shop.count():
                state = "started too early" if shop.count() else "ended"
                raise RuntimeError(f"{contender.name} {state}{last_words(plan)}")
            if not any(name.startswith(plan.held) for name in held_open(meter.members())):
                raise RuntimeError(f"{contender.name} does not use {plan.held}")
            return watch(contender.name, shop, plan, meter, entries, form, hang)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def watch(
    name: str, shop: Workshop, plan: Plan, meter: Meter, entries: int, form: Form, hang: float
) -> Figures:
    """Read the meter before the instant and after the burst."""
    cpu, own = meter.cpu(), process_cpu(meter.root)
    rss = resident(meter.root)
    sleep_until(plan.instant)
    limit = plan.instant + hang
    while shop.count() < entries and time.clock_gettime(time.CLOCK_REALTIME) < limit:
        time.sleep(0.02)
    settle(meter)
    stamps = shop.stamps() or [float("inf")]
    return Figures(
        contender=name,
        form=form.name,
        entries=entries,
        started=shop.count(),
        first=stamps[0] - plan.instant,
        last=stamps[-1] - plan.instant,
        cpu=meter.cpu() - cpu,
        own_cpu=process_cpu(meter.root) - own,
        processes=meter.most_processes(),
        rss=rss,
        growth=max(resident(meter.root, "VmHWM") - rss, 0),
        method=meter.method,
    )


def settle(meter: Meter) -> None:
    """Wait until the last commands are reaped and recorded; some contenders never rest."""
    limit = time.monotonic() + MOST_SETTLING
    before = meter.cpu()
    while time.monotonic() < limit:
        time.sleep(SETTLED_SECONDS)
        now = meter.cpu()
        if now - before < SETTLED_CPU:
            return
        before = now


def sleep_until(instant: float) -> None:
    """Until the wall clock says so."""
    while (left := instant - time.clock_gettime(time.CLOCK_REALTIME)) > 0:
        time.sleep(left)


@contextlib.contextmanager
def running(plan: Plan, meter: Meter) -> Iterator[subprocess.Popen[bytes]]:
    """The contender, until the end of the block."""
    with open(plan.log or os.devnull, "ab") as log:
        process = subprocess.Popen(
            meter.joining(plan.argv),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **plan.environment},
            cwd="/",
        )
    meter.begin(process.pid)
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        process.kill()
        process.wait()


def last_words(plan: Plan) -> str:
    """What the contender said last, for an error."""
    if plan.log is None or not plan.log.exists():
        return ""
    return ":\n" + plan.log.read_text(errors="replace")[-2000:]
