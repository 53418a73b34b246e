"""Whether a cron runs, found out without touching its lock."""

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cronjob.host.cronlock import RunningCron, running_cron

CRON = """
import fcntl, os, sys
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o644)
getattr(fcntl, sys.argv[2])(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
os.write(descriptor, f"{os.getpid()}\\n".encode())
print("locked", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def cron(path: Path, lock: str) -> Iterator[int]:
    """A process that holds its pid file as a cron does; its pid."""
    with subprocess.Popen(
        [sys.executable, "-c", CRON, str(path), lock],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        yield process.pid


@pytest.mark.parametrize("lock", ["flock", "lockf"])
def test_a_cron_is_seen_while_it_holds_its_pid_file_by_either_kind_of_lock(
    lock: str, tmp_path: Path
) -> None:
    path = tmp_path / "crond.pid"
    assert running_cron([str(path)]) is None
    with cron(path, lock) as pid:
        assert running_cron(["/no/such/file", str(path)]) == RunningCron(str(path), pid)
    assert path.exists()
    assert running_cron([str(path)]) is None


def test_looking_takes_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "crond.pid"
    path.write_text("1\n")
    running_cron([str(path)])
    assert f":{path.stat().st_ino} " not in Path("/proc/locks").read_text()


def listed(folder: Path, line: str, pid: str = "4711") -> RunningCron | None:
    """What is found when /proc/locks has this line about a pid file that names that pid."""
    path = folder / "crond.pid"
    path.write_text(pid)
    status = path.stat()
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    (folder / "locks").write_text(line.format(device=device, inode=status.st_ino) + "\n")
    return running_cron([str(path)], str(folder / "locks"))


@pytest.mark.parametrize(
    ("line", "pid", "found"),
    [
        ("1: FLOCK  ADVISORY  WRITE 4711 {device}:{inode} 0 EOF", "4711", 4711),
        ("1: POSIX  ADVISORY  WRITE 4711 {device}:{inode} 0 EOF", "", 4711),
        ("1: POSIX  ADVISORY  WRITE 42 {device}:{inode} 0 0", "x", 42),
        ("1: FLOCK  ADVISORY  WRITE 4711 ff:ff:{inode} 0 EOF", "4711", 4711),
        ("1: FLOCK  ADVISORY  WRITE 42 ff:ff:{inode} 0 EOF", "4711", None),
        ("1: FLOCK  ADVISORY  WRITE 4711 {device}:1 0 EOF", "4711", None),
        ("1: -> FLOCK  ADVISORY  WRITE 4711 {device}:{inode} 0 EOF", "4711", None),
        ("1: POSIX  ADVISORY  WRITE 4711 <none>:0 0 EOF", "4711", None),
        ("", "4711", None),
    ],
)
def test_a_lock_counts_by_its_inode_and_its_device_or_else_its_pid(
    line: str, pid: str, found: int | None, tmp_path: Path
) -> None:
    cron = listed(tmp_path, line, pid)
    assert (cron and cron.pid) == found


def test_a_process_that_is_named_and_has_the_file_open_counts_without_a_listed_lock(
    tmp_path: Path,
) -> None:
    with open(tmp_path / "crond.pid", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert listed(tmp_path, "", str(os.getpid())) is not None
    assert listed(tmp_path, "", str(os.getpid())) is None


def test_a_machine_that_lists_no_locks_has_no_running_cron(tmp_path: Path) -> None:
    (tmp_path / "crond.pid").write_text("4711")
    assert running_cron([str(tmp_path / "crond.pid")], str(tmp_path / "none")) is None


def test_want_of_a_descriptor_does_not_pass_for_want_of_a_cron(
    tmp_path: Path, no_descriptors: Callable[[], AbstractContextManager[None]]
) -> None:
    path = tmp_path / "crond.pid"
    with cron(path, "flock"), no_descriptors(), pytest.raises(OSError, match="Too many open"):
        running_cron([str(path)])


def test_a_running_cron_is_said_with_its_pid_and_file() -> None:
    assert str(RunningCron("/run/crond.pid", 9)) == "cron is running (pid 9 holds /run/crond.pid)"
