"""A file that turns out to be damaged, as the daemon's loop has it: what a new one begins with."""

from collections.abc import Callable

from cronjob.core.record import Begun, Change
from cronjob.core.report import Priority, Report
from cronjob.errors import HistoryError
from cronjob.host.history.backlog import Backlog, Recorded
from cronjob.ports import LauncherNoted


class Repair:
    """Knows of the damage until there is a new file.

    `anew()` gives all that is unfinished, as changes; it may record more, which comes before them.
    """

    def __init__(
        self, anew: Callable[[], tuple[Change, ...]], tell: Callable[[Report], None]
    ) -> None:
        self._anew, self._tell = anew, tell
        self.damage: HistoryError | None = None  #: why a new file is to be begun
        self.renewals = 0  #: files that have been begun
        self.own: frozenset[str] = frozenset()  #: runs that `anew` gave
        self.launcher: LauncherNoted | None = None  #: of this daemon

    def suspect(self, damage: HistoryError, renewals: int) -> bool:
        """Somebody has found the file damaged that was there after so many renewals.

        Whether that was not known.
        """
        if renewals != self.renewals or self.damage is not None:
            return False
        self.damage = damage
        return True

    def begin_anew(self, aside: str, taken: list[Recorded], backlog: Backlog) -> None:
        """The file is new: all that is unfinished and all that waits is to be stored in it.

        `taken` are the records that were on their way into the old one.
        """
        self.tell(aside, str(self.damage))
        self.damage = None
        self.renewals += 1
        late = [*taken, *backlog.waiting]
        backlog.replace([])
        changes = self._anew()
        self.own |= {change.run.key for change in changes if isinstance(change, Begun)}
        first = [*backlog.waiting, Recorded(list(filter(None, (self.launcher,))))]
        backlog.replace(late)
        backlog.drop({*self.own})
        backlog.replace([*first, *backlog.waiting, Recorded(list(changes))])

    def tell(self, aside: str, why: str = "") -> None:
        """Say that there is a new file, and where the old one is; empty: nowhere."""
        what = f"it is now {aside}" if aside else "there is none any more"
        reason = f"{why}; " if why else "the history is corrupt; "
        text = f"{reason}{what}, and a new one is begun"
        self._tell(Report("history-replaced", Priority.ERROR, text))
