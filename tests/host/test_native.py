"""What the native child is told, and what it is not asked."""

import os
from typing import Any

import pytest

from cronjob.host import native
from cronjob.host.child import Becoming
from cronjob.ports import TOKEN_DESCRIPTORS

JOB: dict[str, Any] = {
    "argv": ["/bin/sh", "-c", "true"],
    "env": {"PATH": "/bin"},
    "cwd": "/home/\udcff",
    "uid": 5,
    "gid": 6,
    "groups": [7, 8],
    "umask": 0o22,
}


def becoming(*descriptors: int, **changes: Any) -> Becoming:
    return Becoming({**JOB, **changes}, descriptors or (10,))


def test_steps_are_words_in_their_order() -> None:
    job = becoming(nice=3, rlimits=[[7, 50, -1]], direct=["a", "b"])
    words = [word for word, _ in native.steps(job)]
    assert words == [b"s", b"n3", b"u5,6,7,8", b"m18", b"l7,50,-1", b"d/home/\xff", b"p", b"x2"]


def test_limits_of_a_system_table_come_before_the_user() -> None:
    words = [word for word, _ in native.steps(becoming(rlimits=[[7, 5, 5]], limits_first=True))]
    assert words[:3] == [b"s", b"l7,5,5", b"u5,6,7,8"]


ELSEWHERE = {  # what posix_spawn does, or the last word
    *("set standard input and output", "set the signals", "execute directly"),
}


@pytest.mark.parametrize("first", [True, False])
def test_the_steps_are_those_of_python_in_the_same_order(first: bool) -> None:
    changes = {"nice": 3, "rlimits": [[7, 5, 5]], "limits_first": first, "direct": ["a"]}
    job = Becoming({**JOB, **changes}, (10,), cgroup="/group/cgroup.procs")
    ours = [step[0] for step in job.steps if step[0] not in ELSEWHERE]
    assert _once(ours) == _once([name for _, name in native.steps(job)])


def _once(names: list[str]) -> list[str]:
    """Without what follows upon the same: a step may take several calls."""
    return [name for name, before in zip(names, ["", *names], strict=False) if name != before]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", b""),
        (b"e0:1\0", b"Ecannot start a session: Operation not permitted\0"),
        (b"e1:0\0", b"Ecannot become user 5 and group 6: the launcher does not run as root\0"),
        (b"n3:2\0e5:8\0", None),
        (b"Ecannot x: y\0", b"Ecannot x: y\0"),
    ],
)
def test_numbers_become_the_words_of_python(said: bytes, words: bytes | None) -> None:
    expected = (
        b"Ncannot enter /home/?: No such file or directory; started in /\0"
        b"Ecannot execute /bin/sh: Exec format error\0"
    )
    assert native.in_words(said, becoming()) == (expected if words is None else words)


@pytest.mark.parametrize(
    ("job", "report", "known"),
    [
        (becoming(), 11, True),
        (becoming(groups=list(range(1001))), 11, False),
        (becoming(direct=["a"]), 11, True),
        (becoming(direct=["a"], env={"PWD": "/"}), 11, False),
        (becoming(10, 20, 21, tokens=TOKEN_DESCRIPTORS), 11, True),
        (becoming(10, 98, 21, tokens=TOKEN_DESCRIPTORS), 11, False),
        (becoming(10, 20, 98, tokens=TOKEN_DESCRIPTORS), 11, False),
        (becoming(10, 20, 21, tokens=TOKEN_DESCRIPTORS), 99, False),
    ],
)
def test_what_it_has_no_room_for_is_left_to_python(job: Becoming, report: int, known: bool) -> None:
    assert native.known(job, report) is known


def test_without_a_program_there_is_no_process() -> None:
    assert native.try_spawn(-1, becoming(), 11) is None


def test_program_that_went_bad_is_left_to_python() -> None:
    with open(os.devnull, "rb") as program:
        assert native.try_spawn(program.fileno(), becoming(1), 1) is None
