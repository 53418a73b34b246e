"""Wraps the launching of attempts: a guardian in charge, its loss and its successor."""

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import Callable

from cronjob.core.attempt import Ending
from cronjob.errors import LaunchError
from cronjob.host import processes
from cronjob.host.cgroup import kill_group
from cronjob.host.guardian_process import GuardianProcess, Message
from cronjob.host.launches import PreparedLaunch, duplicates, standard_input
from cronjob.host.limits import Limits, unmet
from cronjob.host.processes import PR_SET_CHILD_SUBREAPER, Process, prctl
from cronjob.host.sweep import KILL_SECONDS, WALK_SECONDS
from cronjob.ports import TOKEN_DESCRIPTORS, Command, OnEnd, OnStart

READY_SECONDS = 5.0  #: a guardian that says nothing for so long is given up
STOP_MARGIN_SECONDS = 10.0  #: beyond the grace: its 5 s of killing and a loaded machine
ORPHAN_SECONDS = 0.5  #: how long a new guardian waits for the orphans of the old one to die
RETRY_SECONDS = 1.0  #: between two tries to start a guardian
STOPPING = "the launcher is stopping"


class GuardedLauncher:
    """The `Launcher` of a real machine. Callbacks run on the loop's thread, never inside a call.

    `ready(pid)` tells of each guardian before it is asked for anything.

    It makes the daemon a subreaper: what a dead guardian leaves falls to the daemon, which kills
    it. A process below the daemon that shares the daemon's session is the daemon's own, because
    every job has a session of its own, and is left alone.
    """

    def __init__(
        self,
        *,
        started: OnStart,
        ended: OnEnd,
        lost: Callable[[], None] = lambda: None,
        ready: Callable[[int], None] = lambda _: None,
        native: int = -1,
    ) -> None:
        self._limits = Limits()
        self._native = native
        self._told_of_cpu = False
        self._notes: dict[str, str] = {}  #: by attempt: what the launcher itself has to say
        self._started = started
        self._ended = ended
        self._lost = lost
        self._ready = ready
        self._guardian: GuardianProcess | None = None
        self._pids: set[int] = set()  #: of guardians that live, ready or not
        self._flying: dict[str, None] = {}  #: attempts not reported as ended, in order
        self._queue: deque[PreparedLaunch] = deque()  #: launches that wait for a guardian
        self._opening: tuple[GuardianProcess, asyncio.Future[None]] | None = None
        self._stopping = False
        self._stopped = False  #: the guardian said so: its end is no loss
        self._recovery: asyncio.Task[None] | None = None
        self._sweeps: set[asyncio.Task[None]] = set()
        self.survivors: tuple[int, ...] = ()  #: pids that the stop could not end
        self._handlers: dict[str, Callable[[Message], None]] = {
            "ready": self._on_ready,
            "refused": self._on_refused,
            "started": self._on_started,
            "ended": self._on_ended,
            "stopped": self._on_stopped,
        }

    @property
    def guardian_pid(self) -> int | None:
        """The guardian that is in charge; None between two of them."""
        return self._guardian.pid if self._guardian else None

    @property
    def limits_by(self) -> str:
        """By what means attempts are limited, in words; known after `start`."""
        return str(self._limits)

    @property
    def groups(self) -> str:
        """The directory for the cgroups of attempts; empty without one; known after `start`."""
        return self._limits.attempts

    async def start(self) -> None:
        """Start the guardian; LaunchError when it does not get ready, with the reason."""
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        self._limits.prepare()
        await self._open()

    def launch(self, attempt: str, command: Command, output: int) -> None:
        """Start `command`; its descriptors may be closed as soon as this returns."""
        self._flying[attempt] = None
        if self._stopping:
            self._refuse(attempt, STOPPING)
            return
        try:
            own, *tokens = duplicates((output, *(command.tokens or ())))
        except OSError as error:
            self._refuse(attempt, f"cannot pass on the output: {error.strerror}")
            return
        prepared = PreparedLaunch(attempt, command, own, tuple(tokens))
        if self._guardian is None:
            self._queue.append(prepared)
        else:
            self._send(self._guardian, prepared)

    def end(self, attempt: str, grace: float) -> None:
        """TERM to the attempt's whole tree, KILL after `grace` seconds."""
        for prepared in self._queue:
            if prepared.attempt == attempt:
                self._queue.remove(prepared)
                prepared.close()
                self._refuse(attempt, "it was ended before it was started")
                return
        if self._guardian is not None:
            self._guardian.send({"op": "end", "id": attempt, "grace": grace})

    async def stop(self, grace: float) -> None:
        """End whatever any attempt left behind within `grace` and 5 s, then the guardian."""
        self._stopping = True
        self._refuse_queue(STOPPING)
        await self._recovered()
        if self._guardian is not None:
            await self._stop(self._guardian, grace)
        await self._recovered()
        await asyncio.sleep(0)  # refusals are reported before this returns

    async def _stop(self, process: GuardianProcess, grace: float) -> None:
        loop = asyncio.get_running_loop()
        process.send({"op": "stop", "grace": grace})
        timer = loop.call_later(grace + STOP_MARGIN_SECONDS, process.kill)
        await asyncio.shield(process.over)
        timer.cancel()

    async def _recovered(self) -> None:
        if self._recovery is not None:
            await self._recovery
        await asyncio.gather(*self._sweeps)

    async def _open(self) -> None:
        """Start a guardian, wait until it is ready, send it what waited."""
        try:
            process = GuardianProcess(
                self._hear, self._on_gone, native=self._native, groups=self._limits.attempts
            )
        except OSError as error:
            raise LaunchError(f"cannot start the launcher: {error.strerror}") from error
        self._pids.add(process.pid)
        ready = asyncio.get_running_loop().create_future()
        self._opening = (process, ready)
        try:
            async with asyncio.timeout(READY_SECONDS):
                await ready
        except BaseException as error:
            process.kill()
            await process.over
            if isinstance(error, TimeoutError):
                text = f"the launcher was not ready within {READY_SECONDS:.0f} s"
                raise LaunchError(text) from None
            raise
        finally:
            self._opening = None
        self._guardian = process
        self._ready(process.pid)
        while self._queue:
            self._send(process, self._queue.popleft())

    def _send(self, process: GuardianProcess, prepared: PreparedLaunch) -> None:
        command = prepared.command
        try:
            text = standard_input(command)
        except (OSError, ValueError) as error:
            prepared.close()
            self._refuse(prepared.attempt, f"cannot prepare its standard input: {error}")
            return
        self._note(prepared)
        process.send(
            self._message(prepared, bool(text)), (prepared.output, *text, *prepared.tokens)
        )

    def _message(self, prepared: PreparedLaunch, stdin: bool) -> Message:
        command = prepared.command
        return {
            "op": "launch",
            "id": prepared.attempt,
            "argv": command.argv,
            "direct": command.direct,
            "env": dict(command.environment),
            "cwd": command.cwd,
            "uid": command.uid,
            "gid": command.gid,
            "groups": command.groups,
            "umask": command.umask,
            "stdin": stdin,
            "tokens": TOKEN_DESCRIPTORS if prepared.tokens else None,
            "nice": command.nice,
            "rlimits": [*self._limits.rlimits_of(command)],
            "limits_first": command.limits_first,
            "group": self._limits.group_values_of(command),
        }

    def _note(self, prepared: PreparedLaunch) -> None:
        """Say once that nobody can enforce a share of a CPU here."""
        text = unmet(prepared.command, self._limits.controllers)
        if text and not self._told_of_cpu:
            self._told_of_cpu = True
            self._notes[prepared.attempt] = text

    def _refuse(self, attempt: str, error: str) -> None:
        ending = Ending(error=error)
        asyncio.get_running_loop().call_soon(self._finish, attempt, ending)

    def _refuse_queue(self, error: str) -> None:
        while self._queue:
            prepared = self._queue.popleft()
            prepared.close()
            self._refuse(prepared.attempt, error)

    def _finish(self, attempt: str, ending: Ending, pid: int | None = None, note: str = "") -> None:
        if attempt in self._flying:
            del self._flying[attempt]
            note = "" if pid is None else self._noted(attempt, note)
            self._notes.pop(attempt, None)
            self._ended(attempt, ending, pid, note)

    def _noted(self, attempt: str, note: str) -> str:
        """The guardian's note with our own."""
        return "; ".join(filter(None, (self._notes.pop(attempt, ""), note)))

    def _hear(self, message: Message) -> None:
        self._handlers[message["op"]](message)

    def _on_ready(self, _: Message) -> None:
        self._opened(None)

    def _on_refused(self, message: Message) -> None:
        self._opened(message["error"])

    def _opened(self, error: str | None) -> None:
        if self._opening is None or self._opening[1].done():
            return
        if error is None:
            self._opening[1].set_result(None)
        else:
            self._opening[1].set_exception(LaunchError(error))

    def _on_started(self, message: Message) -> None:
        if (attempt := message["id"]) in self._flying:
            self._started(attempt, message["pid"], self._noted(attempt, message["note"]))

    def _on_ended(self, message: Message) -> None:
        ending = Ending(
            status=message["status"],
            error=message["error"],
            lost=message["status"] is None and not message["error"],
            user_seconds=message.get("user", 0.0),
            system_seconds=message.get("system", 0.0),
            max_rss=message.get("maxrss", 0),
            left_behind=message.get("left", 0),
            out_of_memory="oom" in message,
            survivors=tuple(message.get("survivors", ())),
        )
        self._finish(message["id"], ending, message.get("pid"), message.get("note", ""))

    def _on_stopped(self, message: Message) -> None:
        self.survivors = tuple(message["survivors"])
        self._stopped = True

    def _on_gone(self, process: GuardianProcess) -> None:
        """After everything it said; a loss unless it was told to stop and did."""
        self._pids.discard(process.pid)
        if self._opening is not None and self._opening[0] is process:
            self._opened("the launcher ended before it was ready")
        if process is not self._guardian:
            return
        self._guardian = None
        if not self._stopped:
            with contextlib.suppress(OSError):
                self._strike()  # before anything else: what it was the parent of may run on
            self._recovery = asyncio.get_running_loop().create_task(self._recover())

    async def _recover(self) -> None:
        """Say so, kill the orphans, report what was lost, start anew."""
        waiting = {prepared.attempt for prepared in self._queue}
        flying = [attempt for attempt in self._flying if attempt not in waiting]
        self._lost()
        await asyncio.wait([self._sweep()], timeout=ORPHAN_SECONDS)
        for attempt in flying:
            self._finish(attempt, Ending(lost=True))
        while not self._stopping:
            try:
                await self._open()
            except LaunchError as error:
                self._refuse_queue(str(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    def _sweep(self) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._kill_orphans())
        self._sweeps.add(task)
        task.add_done_callback(self._sweeps.discard)
        return task

    async def _kill_orphans(self) -> None:
        """SIGKILL until nothing is left, at most 5 s; what dies later is reaped then."""
        loop = asyncio.get_running_loop()
        limit = loop.time() + KILL_SECONDS
        orphans: list[Process] = []
        while loop.time() < limit:
            with contextlib.suppress(OSError):  # no descriptor for a walk: soon again
                orphans = self._strike()
                if not orphans:
                    return
            await asyncio.sleep(WALK_SECONDS)
        self._await_orphans(orphans)

    def _strike(self) -> list[Process]:
        """SIGKILL to what a guardian left; what that was.  Raises `OSError` for a failed walk."""
        if self._limits.attempts:
            kill_group(self._limits.attempts)
        orphans = self._orphans()
        for process in orphans:
            processes.send_signal(process, signal.SIGKILL)
        return orphans

    def _orphans(self) -> list[Process]:
        """What a guardian left, after reaping what is dead of it."""
        here, session = os.getpid(), os.getsid(0)
        children = map(processes.read_process, processes.child_listing()(here))
        own = {child.pid for child in children if child and child.session == session}
        found = processes.walk(own | self._pids)
        for process in found:
            if process.parent == here and not process.live:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(process.pid, os.WNOHANG)
        return found

    def _await_orphans(self, orphans: list[Process]) -> None:
        """Sleep until one of those that cannot be killed now is dead after all."""
        loop = asyncio.get_running_loop()

        def died(pidfd: int) -> None:
            loop.remove_reader(pidfd)
            os.close(pidfd)
            self._sweep()

        for process in orphans:
            if process.parent == os.getpid():
                with contextlib.suppress(OSError):
                    pidfd = os.pidfd_open(process.pid)
                    loop.add_reader(pidfd, died, pidfd)
