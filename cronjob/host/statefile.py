"""The small file in the state directory that tells the next daemon where to go on."""

import json
import os
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cronjob.core.events import Waiting

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What one daemon leaves for the next."""

    boot: str  #: the boot it ran in
    planned: datetime | None = None  #: all fire times up to here are dealt with
    stopped: datetime | None = None  #: when it finished stopping; None while it runs
    waiting: tuple[Waiting, ...] = ()  #: runs that its stop left unstarted
    interrupted: tuple[str, ...] = ()  #: labels of `@reboot` entries that its stop ended


def boot_identity() -> str:
    """What differs from boot to boot, also for a container that keeps its host's boot id.

    Boot id and the start time of PID 1 in clock ticks (proc(5), field 22 of stat).
    """
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    status = Path("/proc/1/stat").read_text(encoding="utf-8", errors="replace")
    return f"{boot_id}:{status.rpartition(')')[2].split()[19]}"


class StateFile:
    """Replaced as a whole, so that a reader sees the old or the new one and nothing between."""

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, "state.json")
        self._last: Saved | None = None

    @property
    def planned(self) -> datetime | None:
        """What was remembered last."""
        return self._last.planned if self._last else None

    def read(self) -> tuple[Saved | None, str]:
        """What was saved last, and a word when there is something that cannot be read."""
        try:
            with open(self.path, encoding="utf-8", errors="surrogateescape") as file:
                return _decoded(json.load(file)), ""
        except FileNotFoundError:
            return None, ""
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            return None, f"{self.path} cannot be used ({error}); starting as if it were not there"

    def write(self, saved: Saved) -> None:
        """Replace the file.  Raises `OSError`; then the old one is still there."""
        temporary = f"{self.path}.new"
        data = json.dumps(_encoded(saved), indent=1) + "\n"
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, self.path)
        self._last = saved

    def remember(self, boot: str, planned: datetime) -> None:
        """Note, while running, that all fire times up to `planned` are dealt with."""
        self.write(replace(self._last or Saved(boot=boot), planned=planned, stopped=None))


def _encoded(saved: Saved) -> dict[str, object]:
    return {
        "version": VERSION,
        "boot": saved.boot,
        "planned": saved.planned.isoformat() if saved.planned else None,
        "stopped": saved.stopped.isoformat() if saved.stopped else None,
        "waiting": [
            [run.label, run.at.isoformat(), run.nominal.isoformat()] for run in saved.waiting
        ],
        "interrupted": list(saved.interrupted),
    }


def _decoded(data: dict[str, object]) -> Saved:
    if data["version"] != VERSION:
        raise ValueError(f"its version is {data['version']}, not {VERSION}")
    waiting = data["waiting"]
    interrupted = data["interrupted"]
    if not isinstance(waiting, list) or not isinstance(interrupted, list):
        raise ValueError("waiting and interrupted must be lists")
    return Saved(
        boot=str(data["boot"]),
        planned=_instant(data["planned"]),
        stopped=_instant(data["stopped"]),
        waiting=tuple(
            Waiting(label, datetime.fromisoformat(at), datetime.fromisoformat(nominal))
            for label, at, nominal in waiting
        ),
        interrupted=tuple(map(str, interrupted)),
    )


def _instant(text: object) -> datetime | None:
    if text is None:
        return None
    instant = datetime.fromisoformat(str(text))
    if instant.tzinfo is None:
        raise ValueError(f"{text} names no instant")
    return instant
