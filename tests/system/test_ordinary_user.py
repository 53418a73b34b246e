"""A daemon that is not root."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.daemon_process import DaemonProcess

PACKAGES = ("cronjob", "croniter", "inotify_simple", "pendulum", "dateutil", "tzdata", "six")
NOBODY = 65534
PYTHON = "/usr/bin/python3"


def _same_python() -> bool:
    """Whether everybody's interpreter can use our packages."""
    script = "import sys; print(*sys.version_info[:2])"
    try:
        version = subprocess.run(
            [PYTHON, "-c", script], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return version.stdout.split() == [str(part) for part in sys.version_info[:2]]


@pytest.fixture(scope="module")
def packages() -> Iterator[Path]:
    """What the daemon imports, where everybody can read it."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        _copy_packages(Path(name))
        yield Path(name)


def _copy_packages(folder: Path) -> None:
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        origin = Path(spec.origin)
        if origin.name == "__init__.py":
            shutil.copytree(origin.parent, folder / name)
        else:
            shutil.copy(origin, folder)


class NobodysDaemon(DaemonProcess):
    """A daemon of the account `nobody`."""

    def __init__(self, folder: Path, table: str, packages: Path) -> None:
        for name in ("state", "run"):
            (folder / name).mkdir()
            os.chown(folder / name, NOBODY, NOBODY)
        super().__init__(folder, table, environment={"PYTHONPATH": str(packages)})

    def command(self, *options: str) -> list[str]:
        """The same, after giving up root."""
        ids = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        return ["setpriv", *ids, PYTHON, *super().command(*options)[1:]]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.skipif(not _same_python(), reason=f"{PYTHON} is not the Python of this environment")
def test_it_runs_its_own_entries_and_says_which_it_cannot(everybodys: Path, packages: Path) -> None:
    table = "@reboot name=mine nobody id -un\n@reboot name=theirs root id -un\n"
    with NobodysDaemon(everybodys, table, packages) as daemon:
        daemon.wait_for("mine: nobody")
        daemon.wait_for("mine@.* attempt 1 succeeded")
        (line,) = daemon.wait_for("theirs is not run")
        assert "table.tab:2: theirs is not run: it is for root" in line
        assert daemon.stop() == 0
    assert not [line for line in daemon.log if "theirs@" in line]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.skipif(not _same_python(), reason=f"{PYTHON} is not the Python of this environment")
@pytest.mark.parametrize(
    ("attack", "said"),
    [
        ("kill -9 $PPID", "attempt 1 lost"),
        ("for f in /proc/$PPID/fd/*; do (echo x > $f) & done; sleep 1", "attempt 1 (succ|lost)"),
    ],
)
def test_a_command_that_attacks_its_own_launcher_costs_at_most_the_runs_of_that_moment(
    attack: str, said: str, everybodys: Path, packages: Path
) -> None:
    table = (
        f"@reboot name=foe retry=1,1s retry-on=lost nobody test $CRONJOB_ATTEMPT = 2 || {attack}\n"
        "@reboot name=other retry=20,1s..1s retry-on=lost,failure nobody exit 1\n"
    )
    with NobodysDaemon(everybodys, table, packages) as daemon:
        daemon.wait_for(f"foe@.*: {said}")
        daemon.wait_for("other@.* started", len(daemon.wait_for("other@.* started")) + 2)
        assert daemon.stop() == 0
