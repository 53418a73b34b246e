"""Builds whose recipes wait until they are let go, so that their number at once can be counted."""

import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HANG = 30.0  #: seconds after which a wait is given up

_RECIPE = """\
#!/bin/sh
echo + 1<> {site}/log
read go < {site}/go
echo - 1<> {site}/log
"""


class Site:
    """A folder with a program `recipe`, and the count of those that run it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running = self.most = self.ended = 0
        for name in ("log", "go"):
            os.mkfifo(folder / name)
        # Open for both, so that they neither wait for a peer nor see an end of file.
        self._log = os.open(folder / "log", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._go = os.open(folder / "go", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.recipe = folder / "recipe"
        self.recipe.write_text(_RECIPE.format(site=folder))
        self.recipe.chmod(0o755)

    def __enter__(self) -> "Site":
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go(100)  # whoever waits after a test that failed
        os.close(self._log)
        os.close(self._go)

    def fileno(self) -> int:
        return self._log

    def look(self) -> None:
        """Count who began and who ended."""
        for sign in os.read(self._log, 1 << 16).split():
            self.running += 1 if sign == b"+" else -1
            self.ended += sign == b"-"
            self.most = max(self.most, self.running)

    def let_go(self, count: int = 1) -> None:
        """Let some of those that wait come to their end."""
        os.write(self._go, b"\n" * count)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for the look after which `condition` holds."""
        limit = time.monotonic() + HANG
        while not condition():
            left = limit - time.monotonic()
            assert left > 0, f"{self.running} run, {self.ended} have ended"
            if select.select([self], [], [], left)[0]:
                self.look()

    def build(self, total: int, at_once: int) -> None:
        """Let all recipes go, one after the other, each when so many run that no more may."""
        for done in range(self.ended, total):
            self.until_running(min(at_once, total - done))
            self.let_go()
            self.until_ended(done + 1)
        assert self.most == at_once

    def until_running(self, count: int) -> None:
        """Wait until so many run."""
        self.until(lambda: self.running == count)

    def until_ended(self, count: int) -> None:
        """Wait until so many have ended."""
        self.until(lambda: self.ended >= count)


def makefile(site: Site, recipes: int, name: str = "Makefile") -> Path:
    """A makefile whose first target needs so many recipes."""
    names = " ".join(f"part{number}" for number in range(recipes))
    path = site.folder / name
    path.write_text(f"all: {names}\n.PHONY: all {names}\n{names}:\n\t@{site.recipe}\n")
    return path


def ninja_file(site: Site, recipes: int) -> Path:
    """The same for ninja."""
    path = site.folder / "build.ninja"
    lines = [f"rule part\n  command = {site.recipe}\n"]
    lines += [f"build part{number}: part\n" for number in range(recipes)]
    path.write_text("".join(lines))
    return path


def cargo_workspace(site: Site, crates: int) -> Path:
    """The same for cargo: crates that need nothing of each other, behind a compiler that waits."""
    members = [f"part{number}" for number in range(crates)]
    manifest = site.folder / "Cargo.toml"
    manifest.write_text(f'[workspace]\nresolver = "2"\nmembers = {members}\n')
    for member in members:
        (site.folder / member / "src").mkdir(parents=True)
        (site.folder / member / "src/lib.rs").touch()
        (site.folder / member / "Cargo.toml").write_text(
            f'[package]\nname = "{member}"\nversion = "0.1.0"\nedition = "2021"\n'
        )
    wrapper = site.folder / "rustc"
    wrapper.write_text(
        f'#!/bin/sh\ncase "$*" in *"--crate-name part"*) {site.recipe} ;; esac\nexec "$@"\n'
    )
    wrapper.chmod(0o755)
    return wrapper


def own_program(name: str) -> str:
    """A program that a package of the `dev` group brings."""
    return str(Path(sys.executable).with_name(name))


def _version(program: str) -> str:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.splitlines()[0].rpartition(" ")[2]


def programs(*paths: str) -> list[Any]:
    """Parameters of a test that runs each of these, named by their versions."""
    return [
        pytest.param(
            path,
            id=f"{Path(path).name} {_version(path) or 'missing'}",
            marks=pytest.mark.skipif(not _version(path), reason=f"{path} does not run here"),
        )
        for path in paths
    ]


MAKES = programs("/usr/bin/make", own_program("make"))
NINJAS = programs(own_program("ninja"))
CARGOS = programs(shutil.which("cargo") or "/usr/bin/cargo")
