"""The native child: which file is used, and what its program does on other processors too."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import cronjob
from cronjob.host.nativefile import NOT_BUILT, PROGRAM, fault_of, open_native
from cronjob.ports import TOKEN_DESCRIPTORS
from tests.host.processes import needs_root

SOURCE = Path(cronjob.__file__).with_name("native") / "child.c"
BUILD = SOURCE.parents[2] / "hatch_build.py"
QEMU = "qemu-aarch64-static"
CROSS = "aarch64-linux-gnu-gcc"
NOBODY = 65534

needs_program = pytest.mark.skipif(not PROGRAM.exists(), reason=NOT_BUILT)


def flags() -> list[str]:
    """What the package's own build gives to the compiler."""
    text = BUILD.read_text(encoding="utf-8").split('FLAGS = """')[1].split('"""')[0]
    return text.split()


@pytest.fixture
def copy(everybodys: Path) -> Path:
    """The program, in a directory that is trusted as far as this user can make it so."""
    shutil.copy(PROGRAM, everybodys / "child")
    (everybodys / "child").chmod(0o755)
    return everybodys / "child"


@needs_program
def test_built_program_is_used(copy: Path) -> None:
    native = open_native(copy)
    try:
        assert (native.why, str(native)) == ("", "the native child")
        assert native.descriptor > max(TOKEN_DESCRIPTORS)
        with pytest.raises(PermissionError):
            os.pwrite(native.descriptor, b"x", 0)
    finally:
        native.close()


def test_package_without_it_says_so(tmp_path: Path) -> None:
    assert str(open_native(tmp_path / "child")) == f"Python, because {NOT_BUILT}"


@needs_program
@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_program_that_others_can_write_is_refused(copy: Path, mode: int) -> None:
    copy.chmod(mode)
    native = open_native(copy)
    assert native.descriptor == -1
    assert native.why.endswith(f"has mode {mode:o}; group and others must not write to it")


@needs_program
def test_program_below_a_directory_that_others_can_write_is_refused(copy: Path) -> None:
    copy.parent.chmod(0o777)
    assert "group and others must not write to it" in open_native(copy).why


@needs_program
@needs_root
def test_program_of_another_user_is_refused(copy: Path) -> None:
    os.chown(copy, NOBODY, NOBODY)
    assert open_native(copy).why.endswith("belongs to user id 65534; it must belong to root")


@pytest.mark.parametrize(
    ("image", "fault"),
    [
        (b"", "no program"),
        (b"#!/bin/sh\n" + b" " * 64, "no program"),
        (b"\x7fELF", "no program"),
        (Path(sys.executable).read_bytes(), "no static program"),
    ],
)
def test_program_must_be_a_whole_by_itself(image: bytes, fault: str) -> None:
    assert fault_of(image) == fault


@needs_program
def test_program_that_does_not_run_here_is_refused(copy: Path) -> None:
    image = bytearray(copy.read_bytes())
    image[18:20] = b"\xff\xff"  # the processor
    copy.write_bytes(image)
    assert open_native(copy).why == "the native child cannot be executed: Exec format error"


@pytest.fixture(scope="module", params=["here", "aarch64"])
def program(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """The program as built for this processor and, under qemu, for another; how to run it."""
    compiler, way = ("cc", "") if request.param == "here" else (CROSS, shutil.which(QEMU) or QEMU)
    for tool in filter(None, (compiler, way)):
        if not shutil.which(tool):
            pytest.skip(f"there is no {tool}")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = f"{folder}/child"
        subprocess.run([compiler, *flags(), "-Werror", "-o", path, SOURCE], check=True)
        yield [*filter(None, [way]), path]


def run(program: list[str], *words: str, **environment: str) -> tuple[int, bytes, bytes]:
    """Its status, what its command wrote and what it reported; `words` without the parent's pid."""
    reading, writing = os.pipe()
    output = os.memfd_create("output")
    pid = os.posix_spawn(
        program[0],
        [*program, str(os.getpid()), *words],
        environment,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, output, 2),
            (os.POSIX_SPAWN_DUP2, writing, 3),
        ],
        setsigmask=[signal.SIGTERM],
    )
    os.close(writing)
    with open(reading, "rb") as file:
        report = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    said = os.pread(output, 1 << 16, 0)
    os.close(output)
    return status, said, report


SH = ("/bin/sh", "-c")
IDS = f"{os.getuid()},{os.getgid()}," + ",".join(map(str, os.getgroups()))


@pytest.mark.parametrize(
    ("words", "environment", "result"),
    [
        (("s", "x0", *SH, "echo $A"), {"A": "b"}, (0, b"b\n", b"")),
        (("m63", "x0", *SH, "umask"), {}, (0, b"0077\n", b"")),
        (("l7,40,50", "x0", *SH, "ulimit -n; ulimit -Hn"), {}, (0, b"40\n50\n", b"")),
        (("n7", "x0", *SH, "nice"), {"PATH": "/bin"}, (0, b"7\n", b"")),
        (("d/usr", "x0", *SH, "pwd"), {}, (0, b"/usr\n", b"")),
        (("s", "d/none", "x0", *SH, "pwd"), {}, (0, b"/\n", b"n1:2\0")),
        ((f"u{IDS}", "m18", "p", "x0", *SH, "umask"), {}, (0, b"0022\n", b"")),
        (("s", "s", "x0", *SH, "pwd"), {}, (127, b"", b"e1:1\0")),
        (("s", "?", "x0", *SH, "pwd"), {}, (127, b"", b"e1:22\0")),
        (("s", "x0", "/none", "-c", "pwd"), {}, (127, b"", b"e1:2\0")),
        (("c/none", "x0", *SH, "pwd"), {}, (127, b"", b"e0:2\0")),
        (("x0", *SH, "kill -TERM $$; echo $?"), {}, (-15, b"", b"")),
        (("d/", "x1", "pwd", "", *SH, "-"), {"PATH": "/none:/bin", "PWD": ""}, (0, b"/\n", b"")),
        (
            ("d/usr", "x2", "/usr/bin/printenv", "PWD", "", *SH, "-"),
            {"PATH": "/bin", "PWD": ""},
            (0, b"/usr\n", b""),
        ),
        (("x1", "true", "", *SH, "-"), {"PATH": "/bin"}, (127, b"", b"e0:22\0")),
        (("x1", "none", "", *SH, "echo shell"), {"PATH": "/bin", "PWD": ""}, (0, b"shell\n", b"")),
        (("x2", "/", "a", "", *SH, "echo shell"), {"PATH": "/", "PWD": ""}, (0, b"shell\n", b"")),
    ],
)
def test_words_become_system_calls(
    program: list[str],
    words: tuple[str, ...],
    environment: dict[str, str],
    result: tuple[int, bytes, bytes],
) -> None:
    assert run(program, *words, **environment) == result


@needs_root
def test_user_is_taken_for_good(program: list[str]) -> None:
    script = "id -u; id -g; id -G; grep -c '^CapEff:[[:space:]]*0*$' /proc/self/status"
    words = (f"u{NOBODY},12,5,6", "p", "x0", *SH, script)
    said = b"65534\n12\n12 5 6\n1\n"
    assert run(program, *words, PATH="/usr/bin:/bin") == (0, said, b"")


@needs_root
def test_foreign_user_takes_root(program: list[str]) -> None:
    inner = f"exec {' '.join(program)} $PPID u0,0 x0 /bin/sh -c pwd"
    words = (f"u{NOBODY},{NOBODY}", "x0", *SH, f"{inner} 3>&1")
    assert run(program, *words)[:2] == (127, b"e0:0\0")


def test_child_without_its_parent_executes_nothing(program: list[str]) -> None:
    finished = subprocess.run([*program, "1", "p", "x0", *SH, "echo never"], capture_output=True)
    assert (finished.returncode, finished.stdout) == (127, b"")


def test_without_words_it_does_nothing(program: list[str]) -> None:
    assert subprocess.run(program, check=False).returncode == 0
