"""A note that a daemon has run in this boot, for a start that finds no history.

Without it every `@reboot` entry would start again when the history cannot be read, was set aside
or is gone; cron has `/run/crond.reboot` for that (cronie, misc.c).
"""

import json
import os
from collections.abc import Callable

from cronjob.core.report import Priority, Report
from cronjob.errors import printable


class BootNote:
    """The note at `path`, in the runtime directory; `boot` is the identity of this boot."""

    def __init__(self, path: str, boot: str, tell: Callable[[Report], None]) -> None:
        self._path, self._boot, self._tell = path, boot, tell

    def read(self) -> tuple[str, ...] | None:
        """The labels of `@reboot` entries that the latest stop ended.

        None if nobody has noted that a daemon ran in this boot.
        """
        try:
            with open(self._path, encoding="ascii") as file:
                noted = json.load(file)
            boot, interrupted = noted["boot"], tuple(map(str, noted["interrupted"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._complain(f"cannot be used: {error}")
            return None
        return interrupted if boot == self._boot else None

    def write(self, interrupted: tuple[str, ...]) -> None:
        """Note that a daemon has run in this boot, and what its stop ended.

        A note that cannot be written is taken away, since that of before may be wrong by now.
        """
        new = f"{self._path}.new"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            with open(os.open(new, flags, 0o600), "w", encoding="ascii") as file:
                json.dump({"boot": self._boot, "interrupted": interrupted}, file)
                file.write("\n")
            os.rename(new, self._path)
        except OSError as error:
            self._complain(f"cannot be written: {error.strerror}")
            for path in (new, self._path):
                self._remove(path)

    def _remove(self, path: str) -> None:
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            self._complain(f"cannot be removed: {error.strerror}")

    def _complain(self, why: str) -> None:
        self._tell(Report("boot-note", Priority.WARNING, f"{printable(self._path)} {why}"))
