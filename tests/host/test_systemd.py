import asyncio
import importlib.util
import os
import socket
import sys
from pathlib import Path

import pytest

from cronjob.host import systemd

with_systemd_python = pytest.mark.skipif(
    importlib.util.find_spec("systemd") is None
    or importlib.util.find_spec("systemd.daemon") is None,
    reason="systemd-python is not installed",
)


def test_without_a_service_manager_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert systemd.notify("READY=1") is False
    assert systemd.missing() == ""


@with_systemd_python
def test_the_service_manager_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert systemd.notify("READY=1", "STATUS=3 entries") is True
        assert manager.recv(1000) == b"READY=1\nSTATUS=3 entries"
    assert systemd.notify("STOPPING=1") is False, "a manager that is gone is no reason to die"


def test_a_notice_that_cannot_be_given_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    monkeypatch.setitem(sys.modules, "systemd.daemon", None)
    assert systemd.missing().startswith("systemd-python is not installed")
    assert systemd.notify("READY=1") is False


@pytest.mark.parametrize(
    ("microseconds", "pid", "expected"),
    [
        ("", "", None),
        ("0", "", None),
        ("nonsense", "", None),
        ("30000000", str(os.getpid()), 15.0),
        ("30000000", "1", None),
    ],
)
def test_signs_of_life_come_twice_as_often_as_asked(
    microseconds: str, pid: str, expected: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    if pid:
        monkeypatch.setenv("WATCHDOG_PID", pid)
    else:
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
    assert systemd.watchdog_interval() == expected


@with_systemd_python
def test_the_status_line_is_told_when_it_is_another_one_and_once_for_many_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "STATUS_EVERY", 0.01)
    path = tmp_path / "notify"
    texts = iter(["2 running", "2 running", "3 running", "3 running"])

    async def scene() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(path))
            manager.setblocking(False)
            monkeypatch.setenv("NOTIFY_SOCKET", str(path))
            told = asyncio.get_running_loop().sock_recv
            line = systemd.StatusLine(lambda: next(texts))
            line.now("READY=1")
            assert await told(manager, 100) == b"READY=1\nSTATUS=2 running"
            line.may_have_changed()  # to the same text, which is not told again
            line.may_have_changed()
            while line._later is not None:
                await asyncio.sleep(0)
            line.may_have_changed()
            assert await told(manager, 100) == b"STATUS=3 running"

    asyncio.run(scene())


def test_without_a_service_manager_nothing_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    line = systemd.StatusLine(lambda: "2 running")
    line.may_have_changed()  # it would need a loop
    assert line._later is None
