"""The journal: journald through systemd-python, or lines on standard error."""

import importlib
import os
import sys
from typing import Literal, Protocol

from cronjob.core.report import Priority, Report
from cronjob.errors import printable
from cronjob.ports import Clock

SOCKET = "/run/systemd/journal/socket"
Where = Literal["auto", "journal", "stderr"]


class Journal(Protocol):
    """Where reports go.  Telling never fails and never ends the daemon."""

    def tell(self, report: Report) -> None:
        """Write one line."""


class StderrJournal:
    """One line a report, with the time; the fields stay out of sight."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def tell(self, report: Report) -> None:
        """Write one line; a reader that went away is nobody's fault."""
        mark = "" if report.priority > Priority.WARNING else f"{report.priority.name.lower()}: "
        line = (
            f"{self._clock.now():%Y-%m-%dT%H:%M:%S.%f}"[:-3] + f"Z {mark}{printable(report.text)}\n"
        )
        try:
            sys.stderr.write(line)
            sys.stderr.flush()
        except (OSError, ValueError):
            return


class SystemdJournal:
    """journald, with the fields of each report."""

    def __init__(self) -> None:
        self._send = importlib.import_module("systemd.journal").send

    def tell(self, report: Report) -> None:
        """Send one entry; names of fields are upper case, or journald drops them."""
        fields = {name: value.encode("utf-8", "surrogateescape") for name, value in report.fields}
        try:
            self._send(
                printable(report.text),
                PRIORITY=str(int(report.priority)),
                SYSLOG_IDENTIFIER="cronjob",
                CRONJOB_EVENT=report.event,
                **fields,
            )
        except OSError:
            return


class NewsJournal:
    """Tells a journal what the round before did not tell: a lasting problem is said once."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._before: set[str] = set()
        self._now: set[str] = set()

    def begin(self, *, anew: bool = False) -> None:
        """Another round; with `anew` everything is news."""
        self._before, self._now = set() if anew else self._now, set()

    def tell(self, report: Report) -> None:
        """Write one line, if it is news."""
        if report.text not in self._before and report.text not in self._now:
            self._journal.tell(report)
        self._now.add(report.text)


def open_journal(where: Where, clock: Clock) -> tuple[Journal, str]:
    """The journal to tell, and a word when it is not the one that was wanted (else empty).

    systemd-python loses messages without a word when the socket is away, so look first.
    """
    if where == "stderr" or (where == "auto" and not os.path.exists(SOCKET)):
        return StderrJournal(clock), ""
    try:
        return SystemdJournal(), ""
    except ImportError:
        return StderrJournal(clock), (
            "systemd-python is not installed, so the journal is standard error; "
            "to install it: apt-get install libsystemd-dev pkg-config gcc python3-dev, "
            "then pip install systemd-python"
        )
