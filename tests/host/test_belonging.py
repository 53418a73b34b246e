"""Which processes belong to an attempt."""

import contextlib
import os
import subprocess
from collections.abc import Iterator

import pytest

from cronjob.host.belonging import Attempt, Orphans
from cronjob.host.processes import Process, boot_ticks, read_process
from tests.host.processes import marked


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
    with echoing(marked("x")) as process:
        yield process


def test_a_process_without_an_environment_is_told_from_one_in_the_middle_of_an_exec() -> None:
    with echoing({}) as process:
        assert process.environment() == set()


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
def test_an_orphan_is_of_the_attempt_whose_marks_it_has(echo: Process, name: str) -> None:
    attempt, orphans = Attempt("a", marked(name)), Orphans()
    orphans.look([echo.pid], [attempt])
    assert orphans.may_be_of(attempt) is (name == "x")
    assert orphans.of_others(attempt) == (set() if name == "x" else {echo.pid})


def test_an_orphan_is_looked_at_once_until_it_is_reaped(echo: Process) -> None:
    orphans = Orphans()
    orphans.look([echo.pid], [])
    late = Attempt("a", marked("x"))
    orphans.look([echo.pid], [late])
    assert orphans.of_others(late) == {echo.pid}
    orphans.reaped(echo.pid)
    orphans.look([echo.pid], [late])
    assert orphans.may_be_of(late)


def test_the_processes_of_an_attempt_are_found_without_those_of_others(echo: Process) -> None:
    attempt = Attempt("a", marked("x"))
    assert [process.pid for process in attempt.tree(())] == [echo.pid]
    assert attempt.tree({echo.pid}) == []
    assert Attempt("b", marked("y")).tree({os.getpid()}) == []
