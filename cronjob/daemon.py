"""`cronjob daemon`: wait for the next event, step the engine, perform its effects."""

import asyncio
import os
import signal
import traceback
from dataclasses import dataclass
from typing import Any, assert_never

from cronjob.core.attempt import attempt_key, attempt_parts
from cronjob.core.config import Config
from cronjob.core.engine import step
from cronjob.core.events import (
    Announce,
    AttemptStarted,
    ClaimRefused,
    Effect,
    EndAttempt,
    Event,
    Finished,
    Launch,
    Loaded,
    Measure,
    Measured,
    OfferToken,
    Record,
    Stopped,
    StopRequested,
    TokensReturned,
    TokenTaken,
    TokenWithdrawn,
    WakeAt,
    WithdrawToken,
    Woken,
)
from cronjob.core.gates import Readings
from cronjob.core.report import Priority, Report, tokens_ignored
from cronjob.core.request import plain
from cronjob.core.run import RunState
from cronjob.core.state import State
from cronjob.core.status import loaded, summary
from cronjob.host import systemd
from cronjob.host.accounts import Accounts
from cronjob.host.answers import Answers, Desk
from cronjob.host.attempts import Attempts
from cronjob.host.clock import SystemClock
from cronjob.host.control import ControlSocket
from cronjob.host.directories import BOOTED, CONTROL_SOCKET, HISTORY_AWAY
from cronjob.host.endings import Endings
from cronjob.host.gauges import read_gauges_soon
from cronjob.host.history.recorder import Recorder
from cronjob.host.identity import boot_identity
from cronjob.host.jobserver import Broker
from cronjob.host.journal import Journal
from cronjob.host.loading import Loader
from cronjob.host.notices import Means, Notices
from cronjob.host.origin import Origin
from cronjob.host.performing import Performer
from cronjob.host.reload import Reloads
from cronjob.host.succession import Succession

LEFT_BEHIND_GRACE = 10.0  #: seconds for processes that finished runs left, when the daemon stops
STOP_MARGIN = 30.0  #: seconds beyond the longest grace that a stop may take


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line decided."""

    origin: Origin
    config: Config  #: as it was read from there at the start
    state: str
    runtime: str
    slots: int | None  #: given; they win over those of the config
    default_slots: int

    def slots_by(self, config: Config) -> int:
        """The size of the pool under this config."""
        return self.slots or config.slots or self.default_slots


class Daemon:
    """One daemon, from its start to its end."""

    def __init__(self, options: Options, journal: Journal, clock: SystemClock) -> None:
        self._clock, self._journal, self._options = clock, journal, options
        self._state = State(slots=options.slots_by(options.config))
        self._recorder = self._make_recorder()
        self._performer = Performer(
            self._recorder.record,
            self._perform,
            foresee=lambda launch: self._attempts.foresee(launch.run),
            defect=self._report_defect,
        )
        self._endings = Endings(clock, self._step, self._report_defect)
        self._succession = Succession(self._recorder, self._in_runtime(BOOTED), journal.tell)
        self._accounts = Accounts()
        self._loader, self._reloads = self._make_reloads()
        self._broker, self._attempts = self._make_attempts()
        self._notices = Notices(self._means())
        self._answers = Answers(self._desk())
        self._control = ControlSocket(
            self._in_runtime(CONTROL_SOCKET), self._answers.respond, self._report_defect
        )
        self._status_line = systemd.StatusLine(lambda: summary(self._state))
        self._timer = clock.timer()
        self._wake: asyncio.TimerHandle | None = None
        self._stop_wanted = False
        self._finished: asyncio.Future[Stopped] | None = None

    async def run(self) -> None:
        """Run until a signal asks to stop.

        Raises `LaunchError` without a launcher, `OSError` without a control socket.
        """
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._report_exception)
        self._finished = loop.create_future()
        self._control.bind()
        try:
            await self._live(loop, self._finished)
        finally:
            await self._control.close()

    async def _live(
        self, loop: asyncio.AbstractEventLoop, finished: asyncio.Future[Stopped]
    ) -> None:
        self._loader.labels = await self._succession.open()
        await self._attempts.start()
        self._tell(Priority.INFO, "limits", f"limits by {self._attempts.limits_by}")
        await self._succession.end_leftovers(self._attempts.groups)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._request_stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._reloads.want(anew=True))
        loop.add_reader(self._timer, self._timer_readable)
        await self._reloads.first(self._begin)
        self._notices.resume(self._succession.notices)
        if self._stop_wanted:
            self._request_stop()
        await self._control.listen()
        self._status_line.now("READY=1")
        systemd.give_signs_of_life()
        try:
            stopped = await finished
        finally:
            self._reloads.close()
            await self._notices.stop()
            await self._attempts.stop(LEFT_BEHIND_GRACE)
        await self._say_goodbye(stopped)
        loop.remove_reader(self._timer)
        self._timer.close()

    # -- events ----------------------------------------------------------------------------------

    def _begin(self) -> None:
        """The tables are known for the first time."""
        self._attempts.reread_defaults()
        moment, loader = self._clock.moment(), self._loader
        self._handle(self._succession.begin(moment, loader.entries, loader.config.hooks))
        self._succession.begun()
        self._report_loaded("started")

    def _say_reloading(self) -> None:
        systemd.notify("RELOADING=1", f"MONOTONIC_USEC={int(self._clock.monotonic() * 1_000_000)}")

    def _take_over(self) -> None:
        self._attempts.reread_defaults()
        moment, entries = self._clock.moment(), self._loader.entries
        config = self._loader.config
        self._recorder.keep(config.retention)
        slots = self._options.slots_by(config)
        compared = self._succession.compare(entries, moment.now)
        self._handle(
            Loaded(
                moment=moment,
                entries=entries,
                slots=slots,
                hooks=config.hooks,
                renamed=compared.renamed,
            )
        )
        self._succession.note(compared)  # now: what was due before is recorded as of before
        self._report_loaded("reloaded")

    def _report_loaded(self, what: str) -> None:
        told = loaded(what, self._state, self._loader.tables)
        self._performer.add((Announce(told),), {})  # in its turn: once the plan is recorded

    def _request_stop(self) -> None:
        if self._state.seen is None:
            self._stop_wanted = True  # once the engine has started
            return
        running = [r for r in self._state.runs.values() if r.state is RunState.RUNNING]
        graces = [run.entry.fields.grace.total_seconds() for run in running]
        allowed = int((max(graces, default=0) + LEFT_BEHIND_GRACE + STOP_MARGIN) * 1_000_000)
        systemd.notify("STOPPING=1", f"EXTEND_TIMEOUT_USEC={allowed}")
        self._handle(StopRequested(self._clock.moment()))

    def _timer_readable(self) -> None:
        self._timer.acknowledge()
        self._woken()

    def _woken(self) -> None:
        if self._state.seen is None or self._finished is None or self._finished.done():
            return  # nothing is planned yet, or the timer may be closed
        self._handle(Woken(self._clock.moment()))
        # Also when nothing changed: the timer is spent.
        self._performer.add((self._state.awake,), {}, hurried=self._state.hurried)

    def _attempt_started(self, attempt: str, pid: int, note: str) -> None:
        run, _ = attempt_parts(attempt)
        self._handle(AttemptStarted(self._clock.moment(), run, pid, note))

    def _launcher_lost(self) -> None:
        self._tell(Priority.ERROR, "launcher-lost", "the launcher died; its attempts are lost")

    def _token_taken(self, attempt: str) -> None:
        self._handle(TokenTaken(self._clock.moment(), *attempt_parts(attempt)))

    def _tokens_returned(self, attempt: str, count: int) -> None:
        self._handle(TokensReturned(self._clock.moment(), *attempt_parts(attempt), count))

    def _token_withdrawn(self, attempt: str) -> None:
        self._handle(TokenWithdrawn(self._clock.moment(), *attempt_parts(attempt)))

    def _tokens_ignored(self, attempt: str) -> None:
        if (run := self._state.runs.get(attempt_parts(attempt)[0])) is not None:
            self._journal.tell(tokens_ignored(run))

    def _claims_refused(self, runs: tuple[str, ...]) -> None:
        self._performer.forget(runs)
        self._handle(ClaimRefused(self._clock.moment(), runs))

    def _measured(self, readings: Readings) -> None:
        self._handle(Measured(self._clock.moment(), readings))

    def _handle(self, event: Event) -> None:
        self._endings.tell()  # they were before it
        self._step(event)

    def _step(self, *events: Event) -> None:
        self._state, effects = step(self._state, *events)
        self._status_line.may_have_changed()
        self._performer.add(effects, self._endings.outputs(), hurried=self._state.hurried)

    # -- effects ---------------------------------------------------------------------------------

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Announce(report):
                self._journal.tell(report)
            case Launch(run, attempt):
                self._attempts.launch(run, attempt)
            case EndAttempt(run_key, number, grace):
                self._attempts.end(attempt_key(run_key, number), grace)
            case OfferToken(run_key, number):
                self._broker.offer(attempt_key(run_key, number))
            case WithdrawToken(run_key, number):
                self._broker.withdraw(attempt_key(run_key, number))
            case Measure(kinds):
                read_gauges_soon(kinds, self._measured)
            case Finished(run, outcome, why):
                self._answers.finished(run, outcome, why)
                self._notices.send(effect)
            case WakeAt():
                self._arm(effect)
            case Stopped():
                if self._finished is not None and not self._finished.done():
                    self._finished.set_result(effect)
            case Record():
                pass  # the performer has handed it over
            case _:
                assert_never(effect)

    def _arm(self, awake: WakeAt) -> None:
        loop = asyncio.get_running_loop()
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        if awake.monotonic is not None:
            self._wake = loop.call_at(awake.monotonic, self._woken)
        if self._timer.arm(awake.wall):
            loop.call_soon(self._woken)  # the clock was set since it was armed last

    # -- small things ----------------------------------------------------------------------------

    async def _say_goodbye(self, stopped: Stopped) -> None:
        await self._succession.end(stopped, self._clock.now())
        if self._attempts.survivors:
            left = " ".join(map(str, self._attempts.survivors))
            self._tell(Priority.ERROR, "stopped", f"could not end pids {left}")
        self._tell(Priority.INFO, "stopped", "stopped")

    def _facts(self) -> dict[str, object]:
        """What a status says about the daemon besides its state."""
        return {
            "pid": os.getpid(),
            "tables": self._loader.tables,
            "launcher": self._attempts.launched_by,
            "limits": self._attempts.limits_by,
            "history_away_since": plain(self._recorder.away_since),
        }

    def _tell(self, priority: Priority, event: str, text: str) -> None:
        self._journal.tell(Report(event, priority, text))

    def _report_exception(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._report_defect(context["message"], context.get("exception"))

    def _report_defect(self, what: str, error: BaseException | None) -> None:
        """A defect of ours costs one event, and is said; the daemon goes on."""
        trace = "".join(traceback.format_exception(error)) if error else ""
        self._tell(Priority.ERROR, "internal-error", f"internal error: {what} {trace}")

    # -- its parts, and what they tell it --------------------------------------------------------

    def _in_runtime(self, name: str) -> str:
        return os.path.join(self._options.runtime, name)

    def _make_recorder(self) -> Recorder:
        return Recorder(
            self._options.state,
            boot=boot_identity(),
            retention=self._options.config.retention,
            refused=self._claims_refused,
            anew=lambda: self._succession.all_again(self._state),
            tell=self._journal.tell,
            marker=self._in_runtime(HISTORY_AWAY),
            clock=self._clock,
        )

    def _make_reloads(self) -> tuple[Loader, Reloads]:
        options = self._options
        loader = Loader(
            options.origin,
            options.config,
            self._journal,
            self._accounts,
            changed=lambda: self._reloads.want(),
        )
        reloads = Reloads(
            loader,
            begun=self._say_reloading,
            take_over=self._take_over,
            over=lambda: self._status_line.now("READY=1"),
            stopping=lambda: self._state.stopping,
            defect=self._report_defect,
        )
        return loader, reloads

    def _make_attempts(self) -> tuple[Broker, Attempts]:
        broker = Broker(
            taken=self._token_taken,
            returned=self._tokens_returned,
            withdrawn=self._token_withdrawn,
            unruly=self._tokens_ignored,
        )
        attempts = Attempts(
            self._journal,
            self._accounts,
            broker=broker,
            started=self._attempt_started,
            ended=self._endings.hear,
            ready=self._succession.launcher_ready,
            lost=self._launcher_lost,
            defect=self._report_defect,
        )
        return broker, attempts

    def _means(self) -> Means:
        return Means(
            launching=self._attempts,
            accounts=self._accounts,
            history=self._recorder,
            config=lambda: self._loader.config,
            tell=self._journal.tell,
            now=self._clock.now,
            defect=self._report_defect,
        )

    def _desk(self) -> Desk:
        return Desk(
            state=lambda: self._state,
            moment=self._clock.moment,
            handle=self._handle,
            follow=self._attempts.follow,
            unfollow=self._attempts.unfollow,
            tell=self._journal.tell,
            facts=self._facts,
            printed=self._attempts.printed,
            ask=self._recorder.ask,
        )
