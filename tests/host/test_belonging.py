"""Which processes belong to an attempt."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from cronjob.host import belonging
from cronjob.host.belonging import Attempt, Orphans
from cronjob.host.processes import Process, boot_ticks, read_process
from tests.host.processes import with_badge


@contextlib.contextmanager
def echoing(environment: dict[str, str]) -> Iterator[Process]:
    """A process with a session of its own, which is past its exec."""
    with subprocess.Popen(
        ["/bin/cat"],
        env=environment,
        start_new_session=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(b"ready\n")
            process.stdin.flush()
            process.stdout.readline()
            found = read_process(process.pid)
            assert found is not None
            yield found
        finally:
            process.kill()


@pytest.fixture
def echo() -> Iterator[Process]:
    with echoing(with_badge("x")) as process:
        yield process


def test_a_process_without_an_environment_is_told_from_one_in_the_middle_of_an_exec() -> None:
    with echoing({}) as process:
        assert process.environment() == set()


WIPED = """
import ctypes
begin, end = map(int, open("/proc/self/stat").read().rpartition(")")[2].split()[47:49])
ctypes.memset(begin, 0, end - begin)
print("ready", flush=True)
input()
"""


def test_a_process_that_has_wiped_its_environment_is_not_in_the_middle_of_an_exec() -> None:
    """As those do that set a title of their own."""
    with subprocess.Popen(
        [sys.executable, "-c", WIPED], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        found = read_process(process.pid)
        assert found is not None
        assert found.environment() == set()
        process.kill()


@pytest.mark.parametrize(("after", "owned"), [(0, True), (-1, False)])
def test_a_session_is_of_an_attempt_unless_it_is_younger_than_its_end(
    echo: Process, after: int, owned: bool
) -> None:
    attempt = Attempt("a", {})
    attempt.pid = echo.pid
    attempt.end(0, {})
    attempt.ended = echo.start + after
    assert attempt.knows(echo) is owned


def test_an_end_is_noted_on_the_clock_of_the_processes(echo: Process) -> None:
    attempt = Attempt("a", {})
    attempt.end(0, {})
    assert echo.start <= attempt.ended <= boot_ticks()


@pytest.mark.parametrize("name", ["x", "y"])
def test_an_orphan_is_of_the_attempt_whose_badge_it_has(echo: Process, name: str) -> None:
    attempt, orphans = Attempt("a", with_badge(name)), Orphans()
    orphans.look([echo.pid], [attempt])
    assert orphans.may_be_of(attempt) is (name == "x")
    assert orphans.of_others(attempt) == (set() if name == "x" else {echo.pid})


@pytest.mark.parametrize(("name", "others"), [("x", 0), ("y", 1)])
def test_an_orphan_in_the_middle_of_an_exec_is_looked_at_again(
    echo: Process, name: str, others: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(belonging, "DOUBT_SECONDS", 60.0)
    attempt, orphans = Attempt("a", with_badge(name)), Orphans()
    with monkeypatch.context() as patch:
        patch.setattr(Process, "environment", lambda _: None)
        for _ in range(3):
            orphans.look([echo.pid], [attempt])
    assert orphans.may_be_of(attempt)
    assert orphans.of_others(attempt) == set()
    orphans.look([echo.pid], [attempt])
    assert orphans.may_be_of(attempt) is not bool(others)
    assert len(orphans.of_others(attempt)) == others


def test_an_orphan_that_never_shows_its_environment_is_a_stranger_after_a_while(
    echo: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(belonging, "DOUBT_SECONDS", 0.0)
    monkeypatch.setattr(Process, "environment", lambda _: None)
    attempt, orphans = Attempt("a", with_badge("x")), Orphans()
    orphans.look([echo.pid], [attempt])
    assert orphans.of_others(attempt) == {echo.pid}


def test_an_orphan_is_looked_at_once_until_it_is_reaped(echo: Process) -> None:
    orphans = Orphans()
    orphans.look([echo.pid], [])
    late = Attempt("a", with_badge("x"))
    orphans.look([echo.pid], [late])
    assert orphans.of_others(late) == {echo.pid}
    orphans.reaped(echo.pid)
    orphans.look([echo.pid], [late])
    assert orphans.may_be_of(late)


def test_the_processes_of_an_attempt_are_found_without_those_of_others(echo: Process) -> None:
    attempt = Attempt("a", with_badge("x"))
    assert [process.pid for process in attempt.tree(())] == [echo.pid]
    assert attempt.tree({echo.pid}) == []
    assert Attempt("b", with_badge("y")).tree({os.getpid()}) == []
