"""The history as the thread that writes it has it: opened when needed, begun anew when damaged."""

from collections.abc import Callable

from cronjob.core.config import Retention
from cronjob.core.found import Found
from cronjob.errors import HistoryError
from cronjob.host.history.database import set_aside
from cronjob.ports import Batch, Clock, History

UNREAD = "the history could not be read when the daemon started"


class Renewable:
    """Each method may block, and raises `HistoryError`."""

    def __init__(self, directory: str, clock: Clock, opened: Callable[[], History]) -> None:
        self._directory, self._clock, self._opened = directory, clock, opened
        self._history: History | None = None
        self._blind = False  #: what is in the file was not there for this daemon to take up
        self._aside = ""  #: where a corrupt file is by now
        self.commits = 0

    def open_and_find(self) -> tuple[Found, str]:
        """What is there, and the new name of a corrupt file."""
        try:
            return self._ready().found(), ""
        except HistoryError as error:
            if not error.corrupt:
                raise
            aside = self.replace(error)
            return self._ready().found(), aside

    def be_blind(self) -> None:
        """The daemon goes on without knowing what is there: nobody takes that up any more."""
        self._blind = True

    def write(self, batch: Batch) -> tuple[str, ...]:
        """As `History.write`."""
        history = self._ready()
        refused = history.write(batch)
        self.commits = history.commits
        return refused

    def trim(self, retention: Retention) -> bool:
        """As `History.trim`."""
        return self._ready().trim(retention, self._clock.now())

    def replace(self, damage: HistoryError) -> str:
        """Begin a new file; the new name of the old one, empty if that has vanished."""
        self.close()
        if damage.corrupt and not self._aside:
            self._aside = set_aside(self._directory, self._clock.now())
        self._history = self._opened()
        self._blind = False
        aside, self._aside = self._aside, ""
        return aside

    def close(self) -> None:
        """Give the files back."""
        history, self._history = self._history, None
        if history is not None:
            history.close()

    def _ready(self) -> History:
        if self._history is None:
            self._history = self._opened()
        if self._blind:
            self._history.abandon(UNREAD, self._clock.now())
            self._blind = False
        return self._history
