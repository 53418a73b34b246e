"""`cronjob daemon` that is killed at one of its boundaries: around each effect, at each statement.

Reads orders from standard input, one JSON object a line (`Order`), has a forked daemon obey each,
and answers with a line when that is gone (`Report`).  What has been imported once serves all.

No time is waited for: when no attempt runs, the clocks go at once to where the daemon wants to be
woken.  At the end of its order it stops by itself.
"""

import asyncio
import json
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

from cronjob import daemon as daemon_module
from cronjob.cli import _parser, service
from cronjob.core.events import Effect, Launch, Record, RunRequested, WakeAt
from cronjob.core.run import RunState, manual_key
from cronjob.core.source import PLACES
from cronjob.daemon import Daemon
from cronjob.host.history.database import MIGRATIONS
from cronjob.host.performing import Performer
from tests.system.clock_daemon import OffsetClock, follow

Victim = Literal["daemon", "launcher"]

#: A later version of the history, which only tests know.
NEW_VERSION = (
    2,
    """
CREATE TABLE made_up (id INTEGER PRIMARY KEY, key TEXT NOT NULL);
INSERT INTO made_up (key) SELECT key FROM runs;
ALTER TABLE runs ADD COLUMN made_up INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_made_up ON runs (made_up);
""",
)
HANG = 60  #: seconds after which a daemon that does not end is killed


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One life of a daemon."""

    folder: str  #: with `etc/cronjob.tab`; state and log are kept here too
    start: str  #: what its wall clock shows when it begins, ISO 8601
    end: str  #: nothing that is due later is waited for
    crash_at: int | None = None  #: the number of the boundary, from 1
    victim: Victim = "daemon"  #: who is killed there
    ask: tuple[str, ...] = ()  #: labels of entries of which runs are asked for at the start
    stop_after: int | None = None  #: launches; then it stops in order, whatever runs
    migrates: bool = False  #: it knows `NEW_VERSION` of the history


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a life went."""

    status: int  #: wait status
    crossed: int | None = None  #: boundaries; None: it was killed
    slots_used: int = 0  #: at the end
    most_used: int = 0  #: slots, at any time
    defects: tuple[str, ...] = ()

    @property
    def killed(self) -> bool:
        """Whether it was killed on the way."""
        return self.status == signal.SIGKILL


class Boundaries:
    """Counts what is crossed, by whichever thread, and kills at the one that was ordered."""

    def __init__(self, crash_at: int | None, kill: Callable[[], None]) -> None:
        self.crossed = 0
        self._crash_at = crash_at
        self._kill = kill
        self._lock = threading.Lock()

    def cross(self, _what: object = None) -> None:
        """One more."""
        with self._lock:
            self.crossed += 1
            if self.crossed == self._crash_at:
                self._kill()


class WarpClock(OffsetClock):
    """Starts at an instant of its own, and goes on at once when told to."""

    def __init__(self, start: datetime) -> None:
        reading, self._writing = os.pipe()
        super().__init__(reading)
        self._tell(start - self.now(), 0.0)

    def warp(self, by: timedelta) -> None:
        """Let this much time pass at once."""
        self._tell(self.ahead + by, self._monotonic_ahead + by.total_seconds())

    def _tell(self, wall: timedelta, monotonic: float) -> None:
        os.write(self._writing, f"{wall.total_seconds()!r} {monotonic!r}\n".encode())
        self.look()


class CrashingDaemon(Daemon):
    """Hurries on when nothing is going, and stops when nothing is left to do."""

    order: Order
    clock: WarpClock
    latest: "CrashingDaemon"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        CrashingDaemon.latest = self
        self.launches = 0
        self.most_used = 0
        self.defects: list[str] = []
        self._asked = False
        self._looking = False

    def _step(self, *events: Any) -> None:
        super()._step(*events)
        self.most_used = max(self.most_used, self._state.slots_used)
        self.look_soon()

    def look_soon(self) -> None:
        """See what is to be done next, once all that is ready now has been heard."""
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._looking = False
        state = self._state
        if state.seen is None or state.stopping:
            return
        if not self._asked:
            self._asked = True
            self._ask()
        if self.order.stop_after is not None and self.launches >= self.order.stop_after:
            self._request_stop()
        elif not (self._performer._waiting or state.hurried or self._runs_something()):
            self._go_on()

    def _ask(self) -> None:
        for label in self.order.ask:
            moment = self._clock.moment()
            key = manual_key(label, moment.now, self._state.runs, self._state.last_asked)
            self._handle(RunRequested(moment, key, label))

    def _runs_something(self) -> bool:
        """Whether no time is to be left out, as an attempt is going that will end."""
        running = [run for run in self._state.runs.values() if run.state is RunState.RUNNING]
        if self.order.stop_after is not None:  # what runs since the boot is ended by the stop
            running = [run for run in running if not run.entry.schedule.reboot]
        return bool(running)

    def _go_on(self) -> None:
        moment, awake = self._clock.moment(), self._state.awake
        waits = [timedelta(seconds=awake.monotonic - moment.monotonic)] if awake.monotonic else []
        if awake.wall is not None:
            waits.append(awake.wall - moment.now)
        wait = min(waits, default=timedelta.max)
        if wait > datetime.fromisoformat(self.order.end) - moment.now:
            self._request_stop()
        elif wait > timedelta():
            self.clock.warp(wait)

    def _report_defect(self, what: str, error: BaseException | None) -> None:
        self.defects.append(f"{what}: {error!r}")
        super()._report_defect(what, error)


def _watch_effects(boundaries: Boundaries) -> None:
    """Cross a boundary before and after each effect."""

    class Watched(Performer):
        def _do(self, effect: Effect) -> None:
            if isinstance(effect, WakeAt):
                super()._do(effect)
                return
            boundaries.cross()
            super()._do(effect)
            CrashingDaemon.latest.launches += isinstance(effect, Launch)
            boundaries.cross()
            CrashingDaemon.latest.look_soon()

        def _hand_over(self, record: Record, outputs: Mapping[str, Any]) -> None:
            boundaries.cross()
            super()._hand_over(record, outputs)
            boundaries.cross()

        def _pass(self, barrier: Any) -> None:
            boundaries.cross()
            super()._pass(barrier)
            CrashingDaemon.latest.look_soon()

    vars(daemon_module)["Performer"] = Watched


def _watch_statements(boundaries: Boundaries) -> None:
    """Cross a boundary before each statement of SQL, of every connection and thread."""

    class Watched(sqlite3.Connection):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.set_trace_callback(boundaries.cross)

    connect = partial(sqlite3.connect, factory=Watched)
    vars(sqlite3)["connect"] = connect


def _kill_daemon() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_launcher() -> None:
    for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        with suppress(OSError):
            if b"guardian_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(int(pid), signal.SIGKILL)


def _live(order: Order) -> Report:
    """Be the daemon, to its end."""
    kill = _kill_daemon if order.victim == "daemon" else _kill_launcher
    boundaries = Boundaries(order.crash_at, kill)
    if order.migrates:
        assert isinstance(MIGRATIONS, dict)
        MIGRATIONS.update([NEW_VERSION])
    _watch_statements(boundaries)
    _watch_effects(boundaries)
    clock = WarpClock(datetime.fromisoformat(order.start))
    follow(clock)
    CrashingDaemon.order, CrashingDaemon.clock = order, clock
    vars(service)["Daemon"] = CrashingDaemon
    folder = Path(order.folder)
    options = ["--log", "stderr", "--slots", "2"]
    if (config := folder / "etc/cronjob.toml").exists():
        options += ["--config", str(config)]
    folders = ["--state", str(folder / "state"), "--runtime", str(folder / "run")]
    arguments = _parser().parse_args(["daemon", *options, *folders])
    status = service.run_daemon(arguments, PLACES.below(str(folder)), clock)
    daemon = CrashingDaemon.latest
    return Report(
        status=status << 8,
        crossed=boundaries.crossed,
        slots_used=daemon._state.slots_used,
        most_used=daemon.most_used,
        defects=tuple(daemon.defects),
    )


def _obey(order: Order) -> Report:
    """Have a child live it."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(HANG)
            os.environ["TZ"] = ""
            log = os.open(Path(order.folder, "log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.dup2(log, 2)
            os.write(writing, json.dumps(asdict(_live(order))).encode())
            os._exit(0)
        finally:
            os._exit(70)
    os.close(writing)
    with open(reading, encoding="utf-8") as told:
        text = told.read()
    _, status = os.waitpid(pid, 0)
    if text:
        told_of = json.loads(text)
        return Report(**{**told_of, "defects": tuple(told_of["defects"])})
    return Report(status=status)


def _serve(orders: Iterable[str]) -> None:
    for line in orders:
        order = json.loads(line)
        report = _obey(Order(**{**order, "ask": tuple(order["ask"])}))
        print(json.dumps(asdict(report)), flush=True)


if __name__ == "__main__":
    _serve(sys.stdin)
