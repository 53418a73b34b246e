"""From the wish to launch an attempt to its process: account, command, output, launcher."""

import asyncio
from collections.abc import Callable

from cronjob.core.report import output_line
from cronjob.core.run import Attempt, Ending, Run, attempt_key
from cronjob.errors import LaunchError
from cronjob.host.environment import Accounts, command_of, default_environment
from cronjob.host.identity import own_name
from cronjob.host.journal import Journal
from cronjob.host.launcher import GuardedLauncher
from cronjob.host.output import OutputPipe
from cronjob.ports import Ended, Started


class Attempts:
    """The attempts that are going, by key.

    `started(attempt, pid, note)` and `ended(attempt, ending)` tell about them, `lost()` that the
    launcher died, `defect(what, error)` of an error of ours.
    """

    def __init__(
        self,
        journal: Journal,
        accounts: Accounts,
        *,
        started: Started,
        ended: Ended,
        lost: Callable[[], None],
        defect: Callable[[str, BaseException], None],
    ) -> None:
        self._journal = journal
        self._accounts = accounts
        self._started, self._ended = started, ended
        self._defect = defect
        self._launcher = GuardedLauncher(started=self._on_started, ended=self._on_ended, lost=lost)
        self._pipes: dict[str, OutputPipe] = {}  #: while the attempt runs
        self._lookups: dict[str, asyncio.Task[None]] = {}  #: users being looked up
        self._defaults: dict[str, str] = {}

    @property
    def survivors(self) -> tuple[int, ...]:
        """The pids that a stop could not end."""
        return self._launcher.survivors

    async def start(self) -> None:
        """Start the launcher.  Raises `LaunchError` when it does not get ready."""
        await self._launcher.start()

    def reread_defaults(self) -> None:
        """Look again at what the machine sets for everybody."""
        self._defaults = default_environment()

    def launch(self, run: Run, attempt: Attempt) -> None:
        """Start the attempt; what goes wrong is told as its end."""
        key = attempt_key(run.key, attempt.number)
        task = asyncio.get_running_loop().create_task(self._look_up_and_launch(key, run, attempt))
        self._lookups[key] = task

    def end(self, key: str, grace: float) -> None:
        """End the tree of the attempt: TERM, and KILL after `grace` seconds."""
        if (task := self._lookups.pop(key, None)) is None:
            self._launcher.end(key, grace)
            return
        task.cancel()
        ending = Ending(error="it was ended before it was started")
        asyncio.get_running_loop().call_soon(self._on_ended, key, ending)

    async def stop(self, grace: float) -> None:
        """End what finished attempts left behind, and the launcher."""
        await self._launcher.stop(grace)

    async def _look_up_and_launch(self, key: str, run: Run, attempt: Attempt) -> None:
        try:
            account = await self._accounts.get(run.entry.user or own_name())
            command = command_of(run, attempt, account, self._defaults)
            pipe = OutputPipe(
                lambda line: self._journal.tell(output_line(run, attempt, line)),
                uid=account.uid,
                gid=account.gid,
            )
        except LaunchError as error:
            self._on_ended(key, Ending(error=str(error)))
        except OSError as error:
            text = f"cannot make a pipe for its output: {error.strerror}"
            self._on_ended(key, Ending(error=text))
        except Exception as error:  # or the run would keep its slots for ever
            self._defect(f"cannot launch {key}", error)
            self._on_ended(key, Ending(error="internal error"))
        else:
            self._pipes[key] = pipe
            self._launcher.launch(key, command, pipe.write_end)
            pipe.launched()
        finally:
            self._lookups.pop(key, None)

    def _on_started(self, key: str, pid: int, note: str) -> None:
        # A quick command has spoken already; the journal hears of its start first.
        self._started(key, pid, note)
        if (pipe := self._pipes.get(key)) is not None:
            pipe.listen()

    def _on_ended(self, key: str, ending: Ending) -> None:
        if (pipe := self._pipes.pop(key, None)) is not None:
            pipe.drain()  # what it said comes before how it ended
        self._ended(key, ending)
