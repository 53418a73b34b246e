"""From the wish to launch an attempt to its process: account, command, output, launcher."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from cronjob.core.attempt import Attempt, Ending, attempt_key, ended
from cronjob.core.fields import Tell
from cronjob.core.outcome import Outcome
from cronjob.core.output import Kept, LineTeller
from cronjob.core.report import Report, output_dropped, output_line
from cronjob.core.run import Run
from cronjob.errors import LaunchError
from cronjob.host.accounts import Account, Accounts
from cronjob.host.environment import Commands, default_environment, sharing
from cronjob.host.identity import own_name
from cronjob.host.jobserver import Broker
from cronjob.host.journal import Journal
from cronjob.host.launcher import GuardedLauncher
from cronjob.host.nativefile import open_native
from cronjob.host.output import Follower, Output, Outputs
from cronjob.host.shellprobe import need_of_shell
from cronjob.ports import Command, OnStart

NOT_BEGUN = Ending(error="it was ended before it was started")


class OnEnd(Protocol):
    """What hears of ends."""

    def __call__(
        self, attempt: str, ending: Ending, kept: Kept, pid: int | None, note: str, /
    ) -> None:
        """As `ports.OnEnd`, with what is kept of the output."""


@dataclass(slots=True)
class _Launched:
    """An attempt that has been given to the launcher."""

    run: Run
    attempt: Attempt
    output: Output
    on_purpose: bool = False  #: somebody has asked for its end: a timeout, a kill, a stop

    def failed(self, ending: Ending) -> bool:
        """Whether what was kept of its output is to be told with `log=failure`."""
        fields = self.run.entry.fields
        if fields.log is not Tell.FAILURE:
            return False
        outcome = ended(self.attempt, ending, None, 0.0, fields.ok).outcome
        return self.on_purpose or outcome is not Outcome.SUCCEEDED


class Attempts:
    """The attempts that the launcher has, by key.

    `started(attempt, pid, note)` and `ended(attempt, ending, kept, pid, note)` tell about them as
    `ports.Launcher` has it, `ready(pid)` of each launcher before it starts anything, `lost()` that
    it died, `defect(what, error)` of an error of ours.  All of them come from the event loop,
    never from within a call.  `broker` lends tokens to those with `slots=auto`.
    """

    def __init__(
        self,
        journal: Journal,
        accounts: Accounts,
        *,
        broker: Broker,
        started: OnStart,
        ended: OnEnd,
        ready: Callable[[int], None],
        lost: Callable[[], None],
        defect: Callable[[str, BaseException], None],
    ) -> None:
        self._journal = journal
        self._accounts = accounts
        self._broker = broker
        self._started, self._ended = started, ended
        self._defect = defect
        self._native = open_native()
        self._need_of_shell = ""  #: why no command is executed directly; empty: simple ones are
        self._launcher = GuardedLauncher(
            started=self._on_started,
            ended=self._on_ended,
            lost=lost,
            ready=ready,
            native=self._native.descriptor,
        )
        self._outputs: Outputs | None = None
        self._own_name = own_name()
        self._launched: dict[str, _Launched] = {}
        self._waiting: dict[str, dict[str, tuple[Run, Attempt]]] = {}  #: users being looked up
        self._lookups: set[asyncio.Task[None]] = set()
        self._followers: dict[str, list[Follower]] = {}  #: by run
        self._beside: dict[str, Callable[[Ending], None]] = {}  #: what is no attempt, by key
        self._commands = Commands({})

    @property
    def survivors(self) -> tuple[int, ...]:
        """The pids that a stop could not end."""
        return self._launcher.survivors

    @property
    def limits_by(self) -> str:
        """By what means attempts are limited, in words."""
        return self._launcher.limits_by

    @property
    def groups(self) -> str:
        """The directory for their cgroups; empty without one; known after `start`."""
        return self._launcher.groups

    @property
    def launched_by(self) -> str:
        """What takes a command's steps from fork to exec, and which need a shell, in words."""
        if self._need_of_shell:
            return f"{self._native}; every command by a shell, because {self._need_of_shell}"
        return f"{self._native}; simple commands without a shell"

    async def start(self) -> None:
        """Start the launcher.  Raises `LaunchError` when it does not get ready."""
        self._outputs = Outputs()
        self._need_of_shell = need_of_shell()
        await self._launcher.start()

    def reread_defaults(self) -> None:
        """Look again at what the machine sets for everybody."""
        self._commands = Commands(default_environment())

    def follow(self, run: str, follower: Follower) -> None:
        """Give `follower` the bytes that the run prints from now on, in all its attempts."""
        followers = self._followers.setdefault(run, [])
        followers.append(follower)
        if (output := self._output_of(run)) is not None:
            output.followers = followers

    def unfollow(self, run: str, follower: Follower) -> None:
        """It wants no more of that, if it still got any."""
        followers = self._followers.get(run, [])
        if follower in followers:
            followers.remove(follower)
        if not followers:
            self._followers.pop(run, None)

    def printed(self, run: str) -> Kept:
        """What is kept of what the going attempt of the run has printed by now."""
        output = self._output_of(run)
        return output.kept() if output is not None else Kept()

    def foresee(self, run: Run) -> None:
        """It will be launched soon: look up its account meanwhile."""
        name = run.entry.user or self._own_name
        if self._accounts.known(name) is None:
            self._begin_to_look_up(name)

    def launch(self, run: Run, attempt: Attempt) -> None:
        """Start the attempt; what goes wrong is told as its end."""
        name = run.entry.user or self._own_name
        if (account := self._accounts.known(name)) is not None:
            self._launch(account, run, attempt)
            return
        self._begin_to_look_up(name)
        self._waiting[name][attempt_key(run.key, attempt.number)] = (run, attempt)

    def launch_beside(
        self, key: str, command: Command, output: int, ended: Callable[[Ending], None]
    ) -> None:
        """Start what is no attempt, by the same launcher; only `ended` hears of it.

        `key` is no attempt's; `end` ends it too.
        """
        self._beside[key] = ended
        self._launcher.launch(key, command, output)

    def end(self, key: str, grace: float) -> None:
        """End the tree of the attempt: TERM, and KILL after `grace` seconds."""
        for waiting in self._waiting.values():
            if waiting.pop(key, None) is not None:
                self._refuse(key, NOT_BEGUN)
                return
        if (launched := self._launched.get(key)) is not None:
            launched.on_purpose = True
        self._launcher.end(key, grace)

    async def stop(self, grace: float) -> None:
        """End what finished attempts left behind, and the launcher."""
        await self._launcher.stop(grace)
        self._native.close()

    def _output_of(self, run: str) -> Output | None:
        going = (one.output for one in self._launched.values() if one.run.key == run)
        return next(going, None)

    def _begin_to_look_up(self, name: str) -> None:
        if name not in self._waiting:
            self._waiting[name] = {}
            task = asyncio.get_running_loop().create_task(self._look_up(name))
            self._lookups.add(task)
            task.add_done_callback(self._lookups.discard)

    async def _look_up(self, name: str) -> None:
        """Launch all that wait for this account, once it is known."""
        try:
            account = await self._accounts.get(name)
        except Exception as error:  # or their runs would keep their slots for ever
            for key, (run, _) in self._waiting.pop(name).items():
                self._refuse(key, self._not_started(run, error))
        else:
            for run, attempt in self._waiting.pop(name).values():
                self._launch(account, run, attempt)

    def _launch(self, account: Account, run: Run, attempt: Attempt) -> None:
        key = attempt_key(run.key, attempt.number)
        try:
            self._hand_over(key, account, run, attempt)
        except Exception as error:  # or the run would keep its slots for ever
            self._refuse(key, self._not_started(run, error))

    def _hand_over(self, key: str, account: Account, run: Run, attempt: Attempt) -> None:
        """Make the pipes, and give the command to the launcher, which copies their ends."""
        if account.expired is not None:
            raise LaunchError(f"account expired: {account.name} on {account.expired}")
        command = self._commands.of(run, attempt, account)
        if self._need_of_shell:
            command = replace(command, direct=None)
        output = self._output(account, run, attempt)
        self._launched[key] = _Launched(run, attempt, output)
        slots = run.entry.fields.slots
        try:
            if slots is not None and slots.auto:
                tokens = self._broker.open(key, uid=account.uid, gid=account.gid)
                command = sharing(command, tokens)
            self._launcher.launch(key, command, output.write_end)
        finally:
            output.launched()
        if command.tokens:
            self._broker.opened(key)

    def _output(self, account: Account, run: Run, attempt: Attempt) -> Output:
        try:
            return Output(
                partial(self._teller, run, attempt),
                run.entry.fields.log,
                self._followers.get(run.key, []),
                uid=account.uid,
                gid=account.gid,
            )
        except OSError as error:
            text = f"cannot make a pipe for its output: {error.strerror}"
            raise LaunchError(text) from None

    def _teller(self, run: Run, attempt: Attempt) -> LineTeller:
        blank = output_line(run, attempt, "")  # what all lines of it have in common

        def tell(line: str) -> None:
            self._journal.tell(Report(blank.event, blank.priority, blank.text + line, blank.fields))

        def dropped(lines: int, size: int) -> None:
            self._journal.tell(output_dropped(run, attempt, lines, size))

        return LineTeller(tell, dropped)

    def _not_started(self, run: Run, error: Exception) -> Ending:
        if isinstance(error, LaunchError):
            return Ending(error=str(error))
        self._defect(f"cannot launch {run.key}", error)
        return Ending(error="internal error")

    def _refuse(self, key: str, ending: Ending) -> None:
        asyncio.get_running_loop().call_soon(self._on_ended, key, ending)

    def _on_started(self, key: str, pid: int, note: str) -> None:
        if key in self._beside:
            return
        # It may have spoken already; the journal hears of its start first.
        self._started(key, pid, note)
        if (launched := self._launched.get(key)) is not None and self._outputs is not None:
            self._outputs.add(launched.output)

    def _on_ended(self, key: str, ending: Ending, pid: int | None = None, note: str = "") -> None:
        if (heard := self._beside.pop(key, None)) is not None:
            heard(ending)
            return
        launched, kept = self._launched.pop(key, None), Kept()
        if launched is not None and self._outputs is not None:
            try:  # what it said comes after its start, and before how it ended
                if pid is not None:
                    launched.output.drain()
                    if launched.output.used:
                        self._started(key, pid, note)
                        pid, note = None, ""
                kept = self._outputs.finish(launched.output, launched.failed(ending))
            except Exception as error:
                self._defect(f"cannot read the output of {key}", error)
        self._broker.close(key)
        if kept.size:
            ending = replace(ending, printed=kept.size)
        self._ended(key, ending, kept, pid, note)
