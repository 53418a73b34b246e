import importlib.util
import os
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
        StderrJournal(NewYear()).tell(REPORT)
        monkeypatch.undo()
        with pytest.raises(OSError, match="No space left"):
            full.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


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


@pytest.mark.skipif(
    importlib.util.find_spec("systemd") is None
    or importlib.util.find_spec("systemd.journal") is None,
    reason="systemd-python is not installed",
)
def test_journald_gets_the_fields_of_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, dict[str, object]]] = []
    journal = SystemdJournal()
    monkeypatch.setattr(journal, "_send", lambda text, **fields: sent.append((text, fields)))
    journal.tell(REPORT)
    ((text, fields),) = sent
    assert text == "job: done"
    assert fields == {
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "cronjob",
        "CRONJOB_EVENT": "attempt-ended",
        "CRONJOB_NAME": b"job",
    }


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
