"""The package's own build: a wheel with the native child, or without where there is no compiler."""

import os
import shutil
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = "cronjob/native/child"
PARTS = ("cronjob", "hatch_build.py", "pyproject.toml", "README.md", "LICENSE", ".gitignore")
HANG = 120.0


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of the package, in a folder where a build may write."""
    tree = tmp_path_factory.mktemp("tree")
    for part in PARTS:
        if (ROOT / part).is_dir():
            unwanted = shutil.ignore_patterns("__pycache__", "child")
            shutil.copytree(ROOT / part, tree / part, ignore=unwanted)
        else:
            shutil.copy(ROOT / part, tree / part)
    return tree


def build(tree: Path, target: str, compiler: str) -> tuple[Path, str]:
    """What the build made with this compiler, and what it said.  No network is asked."""
    made = tree / "dist"
    shutil.rmtree(made, ignore_errors=True)
    ended = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", str(made), "--target", target],
        cwd=tree,
        env={**os.environ, "CC": compiler},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    (archive,) = made.iterdir()
    return archive, ended.stdout


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_a_wheel_built_with_a_compiler_has_a_program_that_runs_and_belongs_to_its_processor(
    tree: Path, tmp_path: Path
) -> None:
    wheel, _ = build(tree, "wheel", "cc")
    assert "-py3-none-linux_" in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        mode = archive.getinfo(PROGRAM).external_attr >> 16
        program = Path(archive.extract(PROGRAM, tmp_path))
    assert stat.S_IMODE(mode) == 0o755
    program.chmod(mode)
    assert subprocess.run([program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("compiler", "said"),
    [
        ("no-such-compiler -O2", "no native child: there is no C compiler no-such-compiler"),
        ("false", "no native child: false -std=c11"),
    ],
)
def test_a_wheel_built_without_a_working_compiler_says_so_and_fits_every_processor(
    tree: Path, compiler: str, said: str
) -> None:
    (tree / PROGRAM).write_bytes(b"of a build before")
    wheel, told = build(tree, "wheel", compiler)
    assert said in told
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {"cronjob/native/child.c", "cronjob/host/history/schema.sql"} <= {*names}
    assert not [name for name in names if name.startswith(PROGRAM) and name != f"{PROGRAM}.c"]


def test_a_source_archive_has_what_a_build_needs_and_nothing_that_was_built(tree: Path) -> None:
    (tree / PROGRAM).write_bytes(b"of a build before")
    source, _ = build(tree, "sdist", "cc")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "hatch_build.py", "README.md", f"{PROGRAM}.c"} <= names
    assert PROGRAM not in names
    assert (tree / PROGRAM).read_bytes() == b"of a build before"
