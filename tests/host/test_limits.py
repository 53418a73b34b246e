"""The limits of a command, its direct words and its jobserver, as the command itself sees them."""

import asyncio
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cronjob.host.limits import Limits
from cronjob.ports import TOKEN_DESCRIPTORS
from tests.host.processes import (
    ENVIRONMENT,
    PYTHON,
    Machine,
    command,
    needs_python,
    needs_root,
    run,
    shell,
    with_machine,
)

NOBODY: dict[str, Any] = {"uid": 65534, "gid": 65534, "groups": ()}
MEBIBYTE = 1 << 20


def may_raise_limits() -> bool:
    """Whether this process has CAP_SYS_RESOURCE (bit 24), which a container may take from root."""
    lines = Path("/proc/self/status").read_text().splitlines()
    capabilities = next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff"))
    return bool(capabilities >> 24 & 1)


needs_more = pytest.mark.skipif(not may_raise_limits(), reason="nobody here may raise a limit")


@pytest.fixture(autouse=True)
def own_limit_on_open_files() -> Iterator[tuple[int, int]]:
    """The launcher raises that of its process for good."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(
    ("script", "changes", "shown"),
    [
        ("nice", {"nice": 7}, "7"),
        ("umask", {"umask": 0o027}, "0027"),
        ("ulimit -Sn; ulimit -Hn", {"open_files": 77}, "77\n77"),
        ("ulimit -d", {"memory": 64 * MEBIBYTE}, str(64 * 1024)),
        ("ulimit -v", {"memory": 64 * MEBIBYTE}, "unlimited"),
    ],
)
def test_limit_is_what_the_command_sees(script: str, changes: dict[str, Any], shown: str) -> None:
    assert run(shell(script, **changes))[1].strip() == shown


@needs_root
def test_limits_are_those_of_the_command_and_not_of_the_next() -> None:
    async def scenario(machine: Machine) -> None:
        limited = shell("nice; ulimit -n", nice=5, open_files=50, **NOBODY)
        assert (await machine.run(limited, "a"))[1] == "5\n50\n"
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        _, output = await machine.run(shell("nice; ulimit -d", **NOBODY), "b")
        assert output == "0\nunlimited\n"
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == before

    with_machine(scenario)


def test_command_gets_the_limit_on_open_files_that_the_daemon_was_started_with() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = min(300, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    _, output = run(shell("ulimit -Sn; ulimit -Hn"))
    assert output.split() == [str(soft), "unlimited" if hard < 0 else str(hard)]


def test_launcher_itself_may_open_as_much_as_is_allowed() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(300, hard), hard))

    async def scenario(machine: Machine) -> None:
        assert machine.launcher.guardian_pid is not None
        for pid in (0, machine.launcher.guardian_pid):
            assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (hard, hard)

    with_machine(scenario)


@needs_python
def test_memory_beyond_the_limit_is_refused_to_each_process() -> None:
    hungry = command(PYTHON, "-c", "bytearray(200 << 20)", memory=100 * MEBIBYTE)
    ending, output = run(hungry)
    assert ending.status == 1 << 8
    assert output.endswith("MemoryError\n")


@needs_root
@pytest.mark.parametrize(
    ("first", "error"),
    [
        pytest.param(True, "", marks=needs_more),
        (False, "cannot set its limits: not allowed to raise maximum limit"),
    ],
)
def test_only_an_administrator_raises_a_limit(first: bool, error: str) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ending, _ = run(shell("true", **NOBODY, open_files=hard + 1, limits_first=first))
    assert (ending.error, ending.status) == (error, None if error else 0)


@needs_root
def test_priority_above_the_usual_one_is_set_before_the_change_of_user() -> None:
    assert run(shell("nice", nice=-5, **NOBODY))[1] == "-5\n"


def test_share_of_a_cpu_that_nobody_can_enforce_is_said_once() -> None:
    async def scenario(machine: Machine) -> None:
        for name in ("a", "b"):
            await machine.run(shell("true", cpu=50), name)
        text = "cpu=50% has no effect: no cgroup with a cpu controller is delegated"
        assert [note for _, note in machine.started.values()] == [text, ""]

    with_machine(scenario)


@pytest.mark.parametrize(
    ("group", "controllers", "words"),
    [
        (
            None,
            (),
            "rlimits, because no cgroup is delegated; memory= holds for each process by itself, "
            "cpu= has no effect",
        ),
        (
            "/g",
            ("memory",),
            "a cgroup for each attempt with memory; cpu= has no effect",
        ),
        ("/g", ("memory", "cpu"), "a cgroup for each attempt with cpu and memory"),
        (
            "/g",
            (),
            "a cgroup for each attempt, which has no controllers; memory= holds for each process "
            "by itself, cpu= has no effect",
        ),
    ],
)
def test_means_that_are_in_force_are_told_in_words(
    group: str | None, controllers: tuple[str, ...], words: str
) -> None:
    assert str(Limits(group, frozenset(controllers))) == words


def test_launcher_tells_by_what_it_limits() -> None:
    async def scenario(machine: Machine) -> None:
        assert machine.launcher.limits_by.startswith(("rlimits, ", "a cgroup for each attempt"))

    with_machine(scenario)


def test_direct_words_run_without_a_shell_and_know_their_directory(tmp_path: Path) -> None:
    job = shell("echo from the shell", direct=("env",), cwd=str(tmp_path))
    variables = dict(line.split("=", 1) for line in run(job)[1].splitlines())
    assert variables == {**ENVIRONMENT, "PWD": str(tmp_path)}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/usr/bin:/bin", ("no-such-program",)),
        ("/usr/bin:/bin", ("/etc/passwd",)),
        ("/usr/bin:/bin", ("/no/such/program",)),
        (":/usr/bin:/bin", ("env",)),
        ("", ("env",)),
    ],
)
def test_shell_decides_about_words_that_cannot_be_executed(
    path: str, words: tuple[str, ...]
) -> None:
    job = shell("echo from the shell", direct=words, environment={"PATH": path})
    assert run(job)[1] == "from the shell\n"


@needs_root
def test_path_is_searched_as_the_user(everybodys: Path) -> None:
    secret = everybodys / "secret"
    secret.mkdir(0o700)
    (secret / "env").symlink_to("/bin/false")
    environment = {"PATH": f"{secret}:/usr/bin:/bin"}
    job = shell("echo from the shell", direct=("env",), environment=environment)
    assert run(job)[0].status == 1 << 8, "root may search it"
    job = shell("echo from the shell", direct=("env",), environment=environment, **NOBODY)
    assert run(job)[1] == "from the shell\n", "the user may not; what then, a shell knows"


def test_jobserver_stands_at_its_numbers_and_nothing_else_is_open() -> None:
    async def scenario(machine: Machine) -> None:
        reading, writing = os.pipe()
        os.write(writing, b"+")
        read, write = TOKEN_DESCRIPTORS
        script = f"echo /proc/$$/fd/*; head -c 1 <&{read}; printf back >&{write}"
        job = command("/bin/bash", "-c", script, tokens=(reading, writing), stdin="text")
        _, output = await machine.run(job)
        os.close(writing)
        names = [path.rpartition("/")[2] for path in output.split()]
        assert names == ["0", "1", "2", "3", str(read), str(write), "+"]  # 3 reads the directory
        assert os.read(reading, 10) == b"back"
        os.close(reading)

    with_machine(scenario)


def test_jobserver_keeps_its_numbers_while_the_launcher_has_these_open_itself() -> None:
    """Sixty pipes and more, so that reports of starts and tokens have numbers around 98."""

    async def scenario(machine: Machine) -> None:
        reading, writing = os.pipe()
        output = os.open(os.devnull, os.O_WRONLY)
        read, write = TOKEN_DESCRIPTORS
        script = f"test -p /dev/fd/{read} && test -p /dev/fd/{write}"
        for number in range(60):
            machine.launcher.launch(
                str(number), shell(script, tokens=(reading, writing), nice=number % 3), output
            )
        os.close(output)
        async with asyncio.timeout(60):
            endings = [await machine.ending(str(number)) for number in range(60)]
        assert {(ending.status, ending.error) for ending in endings} == {(0, "")}
        os.close(reading)
        os.close(writing)

    with_machine(scenario)
