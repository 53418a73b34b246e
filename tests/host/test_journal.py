import asyncio
import contextlib
import importlib.util
import io
import os
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cronjob.core.report import Priority, Report
from cronjob.host import journal as journal_module
from cronjob.host.journal import NewsJournal, StderrJournal, SystemdJournal, open_journal


class NewYear:
    """A clock that stands still."""

    def now(self) -> datetime:
        return datetime(2027, 1, 1, 0, 0, 0, 7000, UTC)

    def monotonic(self) -> float:
        return 0.0


needs_systemd = pytest.mark.skipif(
    importlib.util.find_spec("systemd") is None
    or importlib.util.find_spec("systemd.journal") is None,
    reason="systemd-python is not installed",
)
REPORT = Report("attempt-ended", Priority.INFO, "job: done", (("CRONJOB_NAME", "job"),))


@pytest.mark.parametrize(
    ("priority", "text", "line"),
    [
        (Priority.INFO, "done", "2027-01-01T00:00:00.007Z done\n"),
        (Priority.NOTICE, "retry", "2027-01-01T00:00:00.007Z retry\n"),
        (Priority.WARNING, "failed", "2027-01-01T00:00:00.007Z warning: failed\n"),
        (Priority.ERROR, "gave up", "2027-01-01T00:00:00.007Z error: gave up\n"),
        (Priority.INFO, "a\x1b[31mb\rc\nd", "2027-01-01T00:00:00.007Z a\\x1b[31mb\\rc\\nd\n"),
        (Priority.INFO, "byte \udcff", "2027-01-01T00:00:00.007Z byte \\xff\n"),
    ],
)
def test_a_report_is_one_line_that_no_command_can_break(
    priority: Priority, text: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    StderrJournal(NewYear()).tell(Report("event", priority, text))
    assert capsys.readouterr().err == line


def test_a_full_or_closed_standard_error_does_not_end_the_daemon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with open("/dev/full", "w", encoding="ascii") as full:
        monkeypatch.setattr(sys, "stderr", full)
        journal = StderrJournal(NewYear())
        for _ in range(2):
            journal.tell(REPORT)
        journal.close()
        monkeypatch.undo()


def test_without_the_journals_socket_events_go_to_standard_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SOCKET", str(tmp_path / "none"))
    journal, word = open_journal("auto", NewYear())
    assert isinstance(journal, StderrJournal)
    assert word == ""


def test_a_missing_systemd_python_is_said_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "socket").touch()
    monkeypatch.setattr(journal_module, "SOCKET", str(tmp_path / "socket"))
    monkeypatch.setitem(sys.modules, "systemd.journal", None)
    journal, word = open_journal("auto", NewYear())
    assert isinstance(journal, StderrJournal)
    assert "apt-get install libsystemd-dev" in word


@needs_systemd
def test_journald_gets_the_fields_of_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str | bytes, ...]] = []
    journal = SystemdJournal()
    monkeypatch.setattr(journal, "_send", lambda *fields: sent.append(fields))
    journal.tell(REPORT)
    (fields,) = sent
    assert set(fields) == {
        "MESSAGE=job: done",
        "PRIORITY=6",
        "SYSLOG_IDENTIFIER=cronjob",
        "CRONJOB_EVENT=attempt-ended",
        b"CRONJOB_NAME=job",
    }


def test_what_one_turn_of_the_loop_tells_is_written_in_one_piece_and_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[str] = []
    stream = io.StringIO()
    monkeypatch.setattr(stream, "write", written.append)
    monkeypatch.setattr(sys, "stderr", stream)
    journal = StderrJournal(NewYear())

    async def turn() -> None:
        for text in ("one", "two"):
            journal.tell(Report("event", Priority.INFO, text))
        assert written == []
        await asyncio.sleep(0)
        assert written == ["2027-01-01T00:00:00.007Z one\n2027-01-01T00:00:00.007Z two\n"]
        journal.tell(Report("event", Priority.INFO, "last"))

    asyncio.run(turn())
    journal.flush()
    assert "".join(written).endswith("Z last\n")


def test_a_reader_that_stands_still_holds_nobody_and_loses_only_what_is_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    monkeypatch.setattr(journal_module, "MOST_WAITING", 1 << 20)
    journal = StderrJournal(NewYear())
    lines: list[bytes] = []

    async def scenario() -> None:
        for number in range(4 * 1024):
            journal.tell(Report("event", Priority.INFO, f"{number} " + "x" * 1000))
            await asyncio.sleep(0)
        rest = b""
        while b"left out" not in rest:
            with contextlib.suppress(BlockingIOError):
                rest += os.read(reading, 1 << 16)
            await asyncio.sleep(0)
        lines.extend(rest.splitlines())

    with open(writing, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        asyncio.run(scenario())
        monkeypatch.undo()
    os.close(reading)
    *told, last = lines
    assert [int(line.split()[1]) for line in told] == list(range(len(told)))
    assert 1024 <= len(told) < 4 * 1024
    assert f"warning: {4 * 1024 - len(told)} lines left out".encode() in last


@needs_systemd
def test_a_journald_that_stands_still_holds_nobody_and_gets_all_in_order_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "socket")
    journald = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journald.bind(path)
    journald.settimeout(0)
    monkeypatch.setattr(journal_module, "SOCKET", path)
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)  # it would wait, as libsystemd does
    journal = SystemdJournal()

    def send(*fields: str | bytes) -> None:
        sender.sendto(str(fields[0]).encode(), path)

    monkeypatch.setattr(journal, "_send", send)
    heard: list[bytes] = []

    async def scenario() -> None:
        for number in range(3000):
            journal.tell(Report("event", Priority.INFO, str(number)))
        while len(heard) < 3000:
            await asyncio.sleep(0)
            with contextlib.suppress(BlockingIOError):
                heard.append(journald.recv(1 << 16))

    asyncio.run(scenario())
    journald.close()
    sender.close()
    assert heard == [b"MESSAGE=%d" % number for number in range(3000)]


class _Told:
    """A journal that keeps the texts it is told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def tell(self, report: Report) -> None:
        self.texts.append(report.text)


def test_what_the_round_before_told_is_no_news_until_a_round_was_silent_about_it() -> None:
    told = _Told()
    news = NewsJournal(told)
    for texts in ("a", "ab", "ba", "b", "aa"):
        news.begin()
        for text in texts:
            news.tell(Report("event", Priority.INFO, text))
    assert told.texts == ["a", "b", "a"]


def test_everything_is_news_when_it_is_wished() -> None:
    told = _Told()
    news = NewsJournal(told)
    for anew in (False, True):
        news.begin(anew=anew)
        news.tell(REPORT)
    assert told.texts == [REPORT.text, REPORT.text]
