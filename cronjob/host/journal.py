"""The journal: journald through systemd-python, or lines on standard error."""

import asyncio
import atexit
import contextlib
import importlib
import os
import select
import socket
import sys
from collections import deque
from typing import Literal, Protocol

from cronjob.core.report import Priority, Report
from cronjob.errors import printable
from cronjob.ports import Clock

SOCKET = "/run/systemd/journal/socket"
MOST_WAITING = 4 * 1024 * 1024  #: bytes that wait for a reader who is slow
LAST_WORDS_SECONDS = 2.0  #: so long the end waits for that reader each time it takes nothing
Where = Literal["auto", "journal", "stderr"]
Fields = tuple[str | bytes, ...]  #: `NAME=text`, as sd_journal_sendv(3) takes them


class Journal(Protocol):
    """Where reports go.  Telling never fails and never ends the daemon."""

    def tell(self, report: Report) -> None:
        """Write one line."""


class StderrJournal:
    """One line a report, with the time; the fields stay out of sight.

    What one turn of the event loop tells is written at its end, in one piece.  A reader that is
    slow, or stands still, does not hold the daemon: lines wait for it, and beyond `MOST_WAITING`
    bytes they are counted and left out.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines: list[str] = []  #: of this turn
        self._waiting = bytearray()  #: what the reader has not taken
        self._left_out = 0
        atexit.register(self.close)

    def tell(self, report: Report) -> None:
        """Write one line; a reader that went away is nobody's fault."""
        if len(self._waiting) > MOST_WAITING:
            self._left_out += 1
            return
        if self._waiting:
            self._waiting += _encoded(self._line(report))
            return
        self._lines.append(self._line(report))
        if len(self._lines) > 1:
            return
        try:
            asyncio.get_running_loop().call_soon(self.flush)
        except RuntimeError:
            self.flush()  # nothing runs yet, or any more

    def flush(self, patience: float = 0.0) -> None:
        """Write what is told and not written yet, as far as it is taken in `patience` seconds."""
        text = "".join(self._lines)
        self._lines.clear()
        try:
            descriptor = sys.stderr.fileno()
        except (OSError, ValueError):  # it is no file
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(text)
            return
        self._waiting += _encoded(text)
        try:
            self._write(descriptor, patience)
        except BlockingIOError:  # somebody who shares it has made it so
            self._wait_for_reader(descriptor)
        except OSError:  # nobody reads any more, or the disk is full
            self._waiting.clear()

    def close(self) -> None:
        """The last words."""
        self.flush(LAST_WORDS_SECONDS)

    def _write(self, descriptor: int, patience: float) -> None:
        """In pieces that a pipe takes at once when it takes anything (POSIX write, PIPE_BUF)."""
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        while self._waiting:
            if not poll.poll(patience * 1000):
                self._wait_for_reader(descriptor)
                return
            del self._waiting[: os.write(descriptor, self._waiting[: select.PIPE_BUF])]
            if not self._waiting and self._left_out:
                line = self._line(_left_out(self._left_out, "the reader of standard error"))
                self._left_out = 0
                self._waiting += _encoded(line)

    def _wait_for_reader(self, descriptor: int) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # these were the last words

        def writable() -> None:
            loop.remove_writer(descriptor)
            self.flush()

        loop.add_writer(descriptor, writable)

    def _line(self, report: Report) -> str:
        mark = "" if report.priority > Priority.WARNING else f"{report.priority.name.lower()}: "
        time = self._clock.now().isoformat(timespec="milliseconds")[:-6]  # it is UTC
        return f"{time}Z {mark}{printable(report.text)}\n"


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


class SystemdJournal:
    """journald, with the fields of each report.

    libsystemd waits for a journald that stands still.  A socket of ours, over which nothing is
    sent, tells whether journald takes more; while it does not, reports wait as lines do above.
    """

    def __init__(self) -> None:
        # Not its `send`, which looks up the line of our source for every entry: 13 us for 2.
        self._send = importlib.import_module("systemd.journal").sendv
        self._waiting: deque[Fields] = deque()
        self._size = 0  #: bytes of them, about
        self._left_out = 0
        self._probe = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._probe, select.POLLOUT)
        with contextlib.suppress(OSError):  # nobody is there, and what is sent is lost at once
            self._probe.connect(SOCKET)
        atexit.register(self.flush, LAST_WORDS_SECONDS)

    def tell(self, report: Report) -> None:
        """Send one entry; names of fields are upper case, or journald drops them."""
        if self._size > MOST_WAITING:
            self._left_out += 1
            return
        fields = _fields(report)
        self._waiting.append(fields)
        self._size += sum(map(len, fields))
        if len(self._waiting) == 1:
            self.flush()

    def flush(self, patience: float = 0.0) -> None:
        """Send what waits, as far as it is taken in `patience` seconds."""
        while self._waiting:
            if not self._poll.poll(patience * 1000):
                self._wait_for_reader()
                return
            with contextlib.suppress(OSError):
                self._send(*self._waiting.popleft())
            if not self._waiting:
                self._size = 0
                if self._left_out:
                    self._waiting.append(_fields(_left_out(self._left_out, "journald")))
                    self._left_out = 0

    def _wait_for_reader(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # these were the last words

        def writable() -> None:
            loop.remove_writer(self._probe)
            self.flush()

        loop.add_writer(self._probe, writable)


def _fields(report: Report) -> Fields:
    return (
        "MESSAGE=" + printable(report.text),
        f"PRIORITY={report.priority.value}",
        "SYSLOG_IDENTIFIER=cronjob",
        "CRONJOB_EVENT=" + report.event,
        *[f"{name}={text}".encode("utf-8", "surrogateescape") for name, text in report.fields],
    )


def _left_out(lines: int, reader: str) -> Report:
    text = f"{lines} lines left out: {reader} did not take them in time"
    return Report("output-dropped", Priority.WARNING, text)


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
