"""Wraps the program that takes a child's steps in place of Python: native/child.c.

The guardian imports this: it says in the program's words what `child.Becoming` is about to do, and
in ours what the program reports.
"""

from __future__ import annotations

import errno
import os

from cronjob.host.channel import encoded

TYPE_CHECKING = False  # typing itself is not worth its memory in the guardian
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cronjob.host.child import Becoming

REPORT = 3  #: where the program expects the pipe for its report
MOST_GROUPS = 1000  #: as many has it room for

#: By the letter of a step and the errno: what Python says where the errno does not say it.
_REASONS = {
    (b"u", 0): "the launcher does not run as root",
    (b"l", errno.EPERM): "not allowed to raise maximum limit",
}

#: What a fork would fail with just as well; everything else may be the program's fault.
_SHORTAGE = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})


def try_spawn(program: int, becoming: Becoming, report: int) -> int | None:
    """The pid of a new process on its way, by the program that the descriptor `program` holds.

    None when it has to be done without: there is no program, or it does not know such a request.
    `report` is the write end of its report.  Raises `OSError` when the machine is short of what
    every process takes.
    """
    if program < 0 or not known(becoming, report):
        return None
    words = [b"child", b"%d" % becoming.parent]
    words += [word for word, _ in steps(becoming)]
    environment = becoming.environment
    if becoming.direct:
        words += becoming.direct
        words.append(b"")
        environment = {**environment, b"PWD": b""}
    words += becoming.argv
    try:
        return os.posix_spawn(
            f"/proc/self/fd/{program}",
            words,
            environment,
            file_actions=list(placements(becoming, report)),
        )
    except OSError as error:
        if error.errno in _SHORTAGE:
            raise
    except ValueError:  # a NUL byte, which no program's words can have
        pass
    return None


def known(becoming: Becoming, report: int) -> bool:
    """Whether the program can do this; what it cannot is rare and left to Python."""
    if len(becoming.user[2]) > MOST_GROUPS or (becoming.direct and b"PWD" in becoming.environment):
        return False
    # A number is free for its new owner once its old one has been put elsewhere.
    tokens = becoming.tokens or ()
    return report not in becoming.token_numbers and all(
        token not in becoming.token_numbers for token in tokens
    )


def placements(becoming: Becoming, report: int) -> Iterator[tuple[int, int, int]]:
    """Which descriptor goes where: standard streams, tokens and, last, the report."""
    if becoming.stdin >= 0:
        yield os.POSIX_SPAWN_DUP2, becoming.stdin, 0
    yield os.POSIX_SPAWN_DUP2, becoming.output, 1
    yield os.POSIX_SPAWN_DUP2, becoming.output, 2
    for token, number in zip(becoming.tokens or (), becoming.token_numbers, strict=False):
        yield os.POSIX_SPAWN_DUP2, token, number
    yield os.POSIX_SPAWN_DUP2, report, REPORT


def steps(becoming: Becoming) -> Iterator[tuple[bytes, str]]:
    """The program's words, each with what child.py calls the same step."""
    uid, gid, groups = becoming.user
    yield b"s", "start a session"
    if becoming.cgroup:
        yield b"c" + encoded(becoming.cgroup), "enter its cgroup"
    for limit in becoming.limits:
        yield b"l%d,%d,%d" % limit, "set its limits"
    if becoming.nice is not None:
        yield b"n%d" % becoming.nice, "set its limits"
    numbers = ",".join(map(str, (uid, gid, *groups)))
    yield b"u" + numbers.encode(), f"become user {uid} and group {gid}"
    yield b"m%d" % becoming.umask, "set the umask"
    for limit in becoming.own_limits:
        yield b"l%d,%d,%d" % limit, "set its limits"
    yield b"d" + encoded(becoming.cwd), "enter a directory"
    yield b"p", "ask for the death signal"
    program = becoming.argv[0].decode("utf-8", "surrogateescape")
    yield b"x%d" % len(becoming.direct), f"execute {program}"


def in_words(said: bytes, becoming: Becoming) -> bytes:
    """The records of `child.Becoming.tell` for those of the program; others stay."""
    return b"".join(_in_words(record, becoming) + b"\0" for record in said.split(b"\0") if record)


def _in_words(record: bytes, becoming: Becoming) -> bytes:
    kind = record[:1]
    if kind not in b"en":
        return record
    at, number = map(int, record[1:].split(b":"))
    word, name = list(steps(becoming))[at]
    why = _REASONS.get((word[:1], number)) or os.strerror(number)
    if kind == b"n":
        text = f"cannot enter {becoming.cwd}: {why}; started in /"
    else:
        text = f"cannot {name}: {why}"
    return kind.upper() + text.encode("utf-8", "replace")[:8192]
