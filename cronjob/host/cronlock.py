"""Whether a cron is running: it holds a lock on its pid file for as long as it lives.

The lock is never taken to find out, since a cron that starts at that moment would give up.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cronjob.host.shortage import raise_if_passing


@dataclass(frozen=True, slots=True)
class RunningCron:
    """A cron that holds its pid file."""

    pid_file: str
    pid: int  #: of the holder; not above 0 when it is not in sight

    def __str__(self) -> str:
        who = f"pid {self.pid}" if self.pid > 0 else "a process out of sight"
        return f"cron is running ({who} holds {self.pid_file})"


def running_cron(pid_files: Iterable[str], locks: str = "/proc/locks") -> RunningCron | None:
    """The cron that holds one of the pid files, by flock(2) (Debian's, cronie's) or fcntl(2).

    Raises `OSError` when it cannot be told just now.
    """
    for path in pid_files:
        try:
            status = os.stat(path)
            named = _pid_in(path)
        except OSError as error:
            raise_if_passing(error)
            continue
        for pid, device, inode in held_locks(locks):
            # File systems such as btrfs and overlayfs show another device here than stat(2) does.
            if inode == status.st_ino and (device == status.st_dev or pid == named):
                return RunningCron(path, pid)
        # A cron that locked before it went to the background is not listed in a pid namespace.
        if named and _has_open(named, status):
            return RunningCron(path, named)
    return None


def held_locks(path: str = "/proc/locks") -> Iterator[tuple[int, int, int]]:
    """Pid, device and inode of every lock that is held (proc_locks(5))."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            lines = [line.split() for line in file]
    except OSError as error:
        raise_if_passing(error)
        return  # some sandboxes have no such file
    for words in lines:
        # 1: FLOCK  ADVISORY  WRITE 4711 fd:01:1234 0 EOF; with "->" it is one that waits,
        # and with "<none>:0" one of a file that is gone.
        if len(words) == 8 and words[1] != "->" and words[5].count(":") == 2:
            major, minor, inode = words[5].split(":")
            yield int(words[4]), os.makedev(int(major, 16), int(minor, 16)), int(inode)


def _pid_in(path: str) -> int:
    with open(path, "rb") as file:
        text = file.read(20).strip()
    return int(text) if text.isdigit() else 0


def _has_open(pid: int, wanted: os.stat_result) -> bool:
    """Whether the process has the file open; a cron has its pid file open for the lock only."""
    directory = f"/proc/{pid}/fd"
    try:
        for name in os.listdir(directory):
            if os.path.samestat(os.stat(f"{directory}/{name}"), wanted):
                return True
    except OSError as error:
        raise_if_passing(error)  # else it has ended, or is another user's
    return False
