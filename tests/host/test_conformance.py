"""One suite for both ways from fork to exec: Python's (host/child.py) and the native child's."""

import asyncio
import json
import os
import re
import resource
import signal
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import cronjob
from cronjob.core.attempt import Ending
from cronjob.host import guardian_process
from cronjob.host.nativefile import Native, open_native
from cronjob.ports import TOKEN_DESCRIPTORS, Command
from tests.host.processes import (
    ENVIRONMENT,
    PYTHON,
    Machine,
    all_dead,
    command,
    needs_python,
    needs_root,
    shell,
    with_machine,
)

NOBODY = 65534
CAP_SYS_RESOURCE = 24
GLIBC_OWN = 0b11 << 31  #: signals 32 and 33, which posix_spawn, so the guardian, ignores
ARGUMENT = 128 * 1024  #: no single word may be as long (execve(2), MAX_ARG_STRLEN)

#: A guardian that cannot fork in Python, so that what works was done by the native child.
ONLY_NATIVE = """
import sys
sys.path.append({package!r})
from cronjob.host import child, guardian_main
def refuse(*_):
    raise OSError(38, "the native child did not take it")
child.Becoming.start = refuse
sys.exit(guardian_main.main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
"""

LOOK = """
import ctypes, json, os, resource, sys
number = ctypes.c_int()
ctypes.CDLL(None).prctl(2, ctypes.byref(number))
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
listing = set(map(int, os.listdir("/proc/self/fd")))
print(json.dumps({
    "ids": [os.getresuid(), os.getresgid()],
    "groups": sorted(os.getgroups()),
    "umask": os.umask(0),
    "leads": os.getpid() == os.getsid(0) == os.getpgid(0),
    "death": number.value,
    "blocked": int(status["SigBlk"], 16),
    "descriptors": sorted(fd for fd in listing if os.path.exists(f"/proc/self/fd/{fd}")),
    "cwd": os.getcwd(),
    "nice": os.getpriority(os.PRIO_PROCESS, 0),
    "files": resource.getrlimit(resource.RLIMIT_NOFILE),
    "data": resource.getrlimit(resource.RLIMIT_DATA),
    "argv": [os.fsencode(word).hex() for word in sys.argv[1:]],
    "environ": {os.fsencode(k).hex(): os.fsencode(v).hex() for k, v in os.environ.items()},
    "stdin": sys.stdin.read(),
}))
"""


@dataclass(frozen=True)
class Way:
    """One of the two, and the launcher that goes it."""

    native: Native | None

    def through(self, scenario: Callable[[Machine], Coroutine[Any, Any, None]]) -> None:
        with_machine(scenario, self.native.descriptor if self.native else -1)

    def run(self, job: Command) -> tuple[Ending, str, str]:
        """The ending of `job`, what it wrote, and the note of its start."""
        seen: list[tuple[Ending, str, str]] = []

        async def scenario(machine: Machine) -> None:
            ending, output = await machine.run(job)
            seen.append((ending, output, machine.started.get("job", (0, ""))[1]))

        self.through(scenario)
        return seen[0]

    def look(self, *words: str, **changes: Any) -> dict[str, Any]:
        """What a command finds around itself."""
        ending, output, _ = self.run(command(PYTHON, "-ISc", LOOK, *words, **changes))
        assert (ending.status, ending.error) == (0, ""), output
        found: dict[str, Any] = json.loads(output)
        return found


@pytest.fixture(params=["python", "native"])
def either(request: pytest.FixtureRequest) -> Iterator[Way]:
    """Each of the two, as the daemon has it: the native one may leave a launch to Python."""
    if request.param == "python":
        yield Way(None)
        return
    native = open_native()
    if native.why:
        pytest.skip(native.why)
    yield Way(native)
    native.close()


@pytest.fixture
def way(either: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Way:
    """Each of the two and nothing else."""
    if either.native:
        script = tmp_path / "guardian_main.py"
        script.write_text(ONLY_NATIVE.format(package=str(Path(cronjob.__file__).parents[1])))
        monkeypatch.setattr(guardian_process, "SCRIPT", str(script))
    return either


@pytest.fixture
def folder(everybodys: Path) -> Path:
    """A directory that every user can reach."""
    return everybodys


def program(path: Path, text: str, mode: int = 0o755) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@needs_python
@needs_root
def test_user_and_groups_are_those_asked_for(way: Way) -> None:
    found = way.look(uid=NOBODY, gid=12, groups=(5, 6, 65533))
    assert found["ids"] == [[NOBODY] * 3, [12] * 3]
    assert found["groups"] == [5, 6, 65533]


@needs_python
@needs_root
def test_no_groups_means_none(way: Way) -> None:
    assert way.look(uid=NOBODY, gid=NOBODY, groups=())["groups"] == []


@needs_python
def test_it_leads_a_session_and_dies_with_the_launcher(way: Way) -> None:
    found = way.look()
    assert (found["leads"], found["death"]) == (True, signal.SIGKILL)


@needs_python
@needs_root
def test_death_signal_outlasts_the_change_of_user(way: Way) -> None:
    assert way.look(uid=NOBODY, gid=NOBODY, groups=())["death"] == signal.SIGKILL


def test_killed_launcher_takes_the_command_along(way: Way) -> None:
    async def scenario(machine: Machine) -> None:
        async with machine.running("a", shell("echo $$; exec sleep 300")) as talk:
            pids = await talk.numbers(1)
            assert machine.launcher.guardian_pid is not None
            os.kill(machine.launcher.guardian_pid, signal.SIGKILL)
            await all_dead(pids)

    way.through(scenario)


def test_no_signal_is_blocked_or_ignored(way: Way) -> None:
    _, output, _ = way.run(command("/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"))
    blocked, ignored = (int(line.split()[1], 16) for line in output.splitlines())
    assert (blocked, ignored & ~(0 if way.native else GLIBC_OWN)) == (0, 0)


@needs_python
def test_there_are_three_descriptors(way: Way) -> None:
    assert way.look(stdin="text\n")["descriptors"] == [0, 1, 2]


@needs_python
def test_tokens_are_at_their_numbers(way: Way) -> None:
    ends = os.pipe()
    try:
        found = way.look(tokens=ends)
    finally:
        os.close(ends[0])
        os.close(ends[1])
    assert found["descriptors"] == [0, 1, 2, *TOKEN_DESCRIPTORS]


@needs_python
@pytest.mark.parametrize("text", ["", "two\nlines\n"])
def test_standard_input_is_its_text_or_empty(way: Way, text: str) -> None:
    assert way.look(stdin=text)["stdin"] == text


@needs_python
@pytest.mark.parametrize("umask", [0o022, 0o077, 0])
def test_umask_is_the_one_asked_for(way: Way, umask: int) -> None:
    assert way.look(umask=umask)["umask"] == umask


@needs_python
@pytest.mark.parametrize("limits_first", [True, False])
def test_limits_are_those_asked_for(way: Way, limits_first: bool) -> None:
    found = way.look(nice=5, open_files=50, memory=1 << 31, limits_first=limits_first)
    assert (found["nice"], found["files"]) == (5, [50, 50])
    assert found["data"] in ([1 << 31] * 2, [resource.RLIM_INFINITY] * 2)  # or by its cgroup


@needs_root
@pytest.mark.parametrize(
    ("limits_first", "error"),
    [(True, ""), (False, "cannot set its limits: not allowed to raise maximum limit")],
)
def test_only_what_is_set_before_the_change_of_user_may_be_raised(
    way: Way, limits_first: bool, error: str
) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1] + 1
    capabilities = re.search(r"CapEff:\s*(\w+)", Path("/proc/self/status").read_text())
    assert capabilities
    if not int(capabilities[1], 16) >> CAP_SYS_RESOURCE & 1:
        error = "cannot set its limits: not allowed to raise maximum limit"
    if most > int(Path("/proc/sys/fs/nr_open").read_text()):
        pytest.skip("nobody may have more open files")
    job = shell("ulimit -n", uid=NOBODY, gid=NOBODY, groups=(), limits_first=limits_first)
    ending, output, _ = way.run(replace(job, open_files=most))
    assert output == ("" if error else f"{most}\n")
    assert ending.error == error


@needs_python
def test_bytes_that_are_no_text_pass(way: Way) -> None:
    odd = b"\xff\xfe=\x80 \n\t".decode("utf-8", "surrogateescape")
    found = way.look(odd, environment={"LC_ALL": "C.UTF-8", "ODD": odd})
    assert found["argv"] == [b"\xff\xfe=\x80 \n\t".hex()]
    assert found["environ"][b"ODD".hex()] == b"\xff\xfe=\x80 \n\t".hex()
    assert set(found["environ"]) == {b"ODD".hex(), b"LC_ALL".hex()}


def test_directory_that_cannot_be_entered_is_said(way: Way, tmp_path: Path) -> None:
    ending, output, note = way.run(command("/bin/pwd", cwd=f"{tmp_path}/none"))
    assert (ending.status, output) == (0, "/\n")
    assert note == f"cannot enter {tmp_path}/none: No such file or directory; started in /"


@needs_root
def test_directory_is_entered_as_the_user(way: Way, folder: Path) -> None:
    (folder / "home").mkdir(mode=0o700)
    job = command("/bin/pwd", cwd=f"{folder}/home", uid=NOBODY, gid=NOBODY, groups=())
    assert way.run(job)[2] == f"cannot enter {folder}/home: Permission denied; started in /"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("{}/none", "No such file or directory"),
        ("{}", "Permission denied"),
        ("{}/plain", "Permission denied"),
        ("{}/plain/x", "Not a directory"),
        ("{}/loop", "Too many levels of symbolic links"),
        ("{}/no-magic", "Exec format error"),
        ("{}/no-interpreter", "No such file or directory"),
    ],
)
def test_program_that_cannot_be_executed_is_said(
    way: Way, path: str, why: str, tmp_path: Path
) -> None:
    program(tmp_path / "plain", "", 0o644)
    program(tmp_path / "no-magic", "echo\n")
    program(tmp_path / "no-interpreter", "#!/nonexistent\n")
    (tmp_path / "loop").symlink_to("loop")
    path = path.format(tmp_path)
    ending, output, _ = way.run(command(path))
    assert (ending.error, output) == (f"cannot execute {path}: {why}", "")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"environment": {"A": "x" * ARGUMENT}}, "Argument list too long"),
        ({"environment": {"A": "x\0y"}}, "embedded null byte"),
        ({"argv": ("/bin/true", "x" * ARGUMENT)}, "Argument list too long"),
    ],
)
def test_what_the_kernel_does_not_take_is_said(
    either: Way, changes: dict[str, Any], why: str
) -> None:
    job = replace(command("/bin/true"), **changes)
    assert either.run(job)[0].error == f"cannot execute /bin/true: {why}"


@needs_root
@pytest.mark.parametrize("number", [2**32, 2**32 - 1, 2**64, 2**64 + 5, -1])
@pytest.mark.parametrize("field", ["uid", "gid", "groups"])
def test_numbers_that_no_user_has_make_nobody_root(way: Way, field: str, number: int) -> None:
    job = command("/usr/bin/id", uid=NOBODY, gid=NOBODY, groups=(NOBODY,))
    values: dict[str, Any] = {field: (number,) if field == "groups" else number}
    job = replace(job, **values)
    ending, output, _ = way.run(job)
    assert (ending.error.split(":")[0], output) == (
        f"cannot become user {job.uid} and group {job.gid}",
        "",
    )


def test_many_groups_are_left_to_python(either: Way) -> None:
    if os.geteuid():
        pytest.skip("only root sets groups")
    groups = tuple(range(2000, 3500))
    _, output, _ = either.run(command("/usr/bin/id", "-G", groups=groups))
    assert set(map(int, output.split())) >= set(groups)


def direct(*words: str, **changes: Any) -> Command:
    script = " ".join(words)
    return command("/bin/sh", "-c", f"echo by a shell; {script}", direct=words, **changes)


def test_direct_words_take_no_shell(way: Way) -> None:
    assert way.run(direct("basename", "/a/b"))[1] == "b\n"


def test_pwd_is_where_it_starts(way: Way, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    job = direct("/usr/bin/env", cwd=f"{tmp_path}/link")
    assert way.run(job)[1].splitlines() == [f"PATH={ENVIRONMENT['PATH']}", f"PWD={tmp_path}"]


def test_shell_gets_no_pwd_from_us(way: Way) -> None:
    job = command("/usr/bin/env", "-u", "PATH", direct=("none-of-this-name",))
    assert way.run(job)[1] == ""


@pytest.mark.parametrize("name", ["none", "plain", "folder", "no-magic", "no-interpreter", "loop"])
def test_shell_decides_about_what_cannot_be_executed(way: Way, name: str, tmp_path: Path) -> None:
    program(tmp_path / "plain", "", 0o644)
    program(tmp_path / "no-magic", "echo $0\n")
    program(tmp_path / "no-interpreter", "#!/nonexistent\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for word in (f"{tmp_path}/{name}", name):
        environment = {"PATH": f"{tmp_path}:/usr/bin"}
        _, output, _ = way.run(direct(word, environment=environment))
        assert output.startswith("by a shell\n"), word


@pytest.mark.parametrize("path", ["", "::", ":{0}", "{0}::", "{1}:{0}", "{2}/x:{0}"])
def test_odd_path_takes_a_shell_unless_the_program_comes_first(
    way: Way, path: str, tmp_path: Path
) -> None:
    program(tmp_path / "tool", "#!/bin/sh\necho directly\n")
    (tmp_path / "second").mkdir()
    program(tmp_path / "second" / "tool", "", 0o644)
    plain = program(tmp_path / "plain", "")
    path = path.format(tmp_path, tmp_path / "second", plain)
    _, output, _ = way.run(direct("tool", environment={"PATH": path}))
    goes = path in (f"{tmp_path}::", f"{plain}/x:{tmp_path}")
    assert output.startswith("directly\n" if goes else "by a shell\n")


@needs_root
def test_path_is_searched_as_the_user(way: Way, folder: Path) -> None:
    (folder / "closed").mkdir(mode=0o700)
    (folder / "open").mkdir(mode=0o755)
    for name in ("closed", "open"):
        program(folder / name / "tool", f"#!/bin/sh\necho {name}\n")
    job = direct(
        "tool",
        environment={"PATH": f"{folder}/closed:{folder}/open"},
        uid=NOBODY,
        gid=NOBODY,
        groups=(),
    )
    assert way.run(job)[1].splitlines()[-1] == "open"


def test_longest_path_takes_a_shell(way: Way) -> None:
    path = ":".join(["/" + "x" * 5000, "/bin"])
    assert way.run(direct("ls", "/dev/null", environment={"PATH": path}))[1].startswith("by a")


def test_many_at_once_all_start(way: Way) -> None:
    async def scenario(machine: Machine) -> None:
        output = os.open(os.devnull, os.O_WRONLY)
        for number in range(200):
            machine.launcher.launch(str(number), direct("basename", "a"), output)
        os.close(output)
        endings = await asyncio.gather(*(machine.ending(str(number)) for number in range(200)))
        assert {ending.status for ending in endings} == {0}

    way.through(scenario)
