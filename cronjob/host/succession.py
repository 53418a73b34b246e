"""What a daemon takes over from the one before it, and leaves to the next."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from cronjob.core.config import Hooks
from cronjob.core.entry import Entry, Identity
from cronjob.core.events import Loaded, Moment, Stopped
from cronjob.core.found import Found, PendingNotice
from cronjob.core.inventory import inventory
from cronjob.core.record import Change, StoppedInOrder
from cronjob.core.registry import Reconciled, followed
from cronjob.core.report import Report, leftovers_ended, taken_up
from cronjob.core.state import State
from cronjob.host.bootnote import BootNote
from cronjob.host.history.recorder import Recorder
from cronjob.host.identity import boot_identity
from cronjob.host.leftovers import end_leftovers
from cronjob.host.processes import read_process
from cronjob.host.registration import Registration


class Succession:
    """Opens the history, ends what is left of the daemon before, and begins where it ended."""

    def __init__(
        self,
        recorder: Recorder,
        boot_note: str,  # its path
        tell: Callable[[Report], None],
    ) -> None:
        self._recorder = recorder
        self._tell = tell
        self._boot = boot_identity()
        self._boot_note = BootNote(boot_note, self._boot, tell)
        self._registration = Registration(recorder.register)
        self._found = Found()

    async def open(self) -> dict[Identity, str]:
        """Open the history; what entries were called there."""
        self._found = await self._recorder.open()
        self._registration.begin(self._found.known)
        return self._registration.labels

    @property
    def notices(self) -> tuple[PendingNotice, ...]:
        """The mails and hooks that the daemon before did not send, or did not live to say so."""
        return self._found.notices

    async def end_leftovers(self, groups: str) -> None:
        """Prove all dead that the daemon before started in this boot, before anything starts."""
        attempts = [one for one in self._found.open_attempts if one.boot == self._boot]
        launcher = self._found.launcher if self._found.boot == self._boot else None
        swept = await end_leftovers(attempts, launcher, groups)
        if swept.ended or swept.survivors:
            self._tell(leftovers_ended(swept.ended, swept.survivors))

    def begin(self, moment: Moment, entries: Mapping[str, Entry], hooks: Hooks) -> Loaded:
        """The tables are known for the first time."""
        reconciled = self._registration.compare(entries, moment.now)
        self._registration.note(reconciled)
        left, reboot = self._found.left, self._found.boot != self._boot
        interrupted = self._boot_note.read()
        if interrupted is not None:  # the history may be away, or of before
            left, reboot = replace(left, interrupted=interrupted), False
        left = followed(left, reconciled.renamed)
        if (report := taken_up(left, entries)) is not None:
            self._tell(report)
        return Loaded(
            moment=moment,
            entries=entries,
            left=left,
            since=reconciled.since,
            hooks=hooks,
            reboot=reboot,
        )

    def begun(self) -> None:
        """Once that is recorded, or the history is away, a daemon has run in this boot."""
        self._recorder.record((), lambda: self._boot_note.write(()))

    def compare(self, entries: Mapping[str, Entry], now: datetime) -> Reconciled:
        """What tables that were read again make of the entries that are known."""
        return self._registration.compare(entries, now)

    def note(self, reconciled: Reconciled) -> None:
        """These entries are in effect: what is recorded from now on belongs to them."""
        self._registration.note(reconciled)

    def launcher_ready(self, pid: int) -> None:
        """This launcher will have to be dead before another daemon starts anything."""
        if (process := read_process(pid)) is not None:
            self._recorder.record_launcher(pid, process.start)

    def all_again(self, state: State) -> tuple[Change, ...]:
        """For a history that has lost what there was."""
        self._registration.store_again()
        return inventory(state)

    async def end(self, stopped: Stopped, now: datetime) -> None:
        """Nothing runs any more; the next daemon may begin."""
        self._boot_note.write(stopped.interrupted)
        self._recorder.record((StoppedInOrder(now, stopped.interrupted),), None)
        await self._recorder.close()
