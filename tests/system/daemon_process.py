"""A real daemon as a child process, for tests that look at it from outside."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

ROOTED = str(Path(__file__).with_name("rooted_daemon.py"))
CLOCKED = str(Path(__file__).with_name("clock_daemon.py"))
HANG = 60.0  #: seconds after which a test that waits for the daemon gives up


class DaemonProcess:
    """`cronjob daemon` on one table, its log read line by line."""

    def __init__(
        self,
        directory: Path,
        table: str | None,
        *options: str,
        environment: dict[str, str] | None = None,
        descriptors: tuple[int, ...] = (),
    ) -> None:
        self.directory = directory
        self.table = directory / "table.tab"
        if table is not None:
            self.write_table(table)
        self.log: list[str] = []
        self._partial = b""
        self._process = subprocess.Popen(
            self.command(*options),
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
            pass_fds=descriptors,
        )

    def command(self, *options: str) -> list[str]:
        """The command line of this daemon."""
        state, runtime = str(self.directory / "state"), str(self.directory / "run")
        return [
            *(sys.executable, "-m", "cronjob", "daemon", "--log", "stderr"),
            *("--state", state, "--runtime", runtime, "--table", str(self.table), *options),
        ]

    def write_table(self, text: str) -> None:
        """Replace the table."""
        self.table.write_text(text)
        self.table.chmod(0o644)

    @property
    def pid(self) -> int:
        """The daemon's own pid."""
        return self._process.pid

    @property
    def launcher_pid(self) -> int:
        """The launcher's pid: the daemon's only child."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        assert len(children) == 1, children
        return int(children[0])

    def wait_for(self, pattern: str, count: int = 1, *, hang: float = HANG) -> list[str]:
        """The log lines that match, as soon as there are `count` of them."""
        limit = time.monotonic() + hang
        while True:
            found = [line for line in self.log if re.search(pattern, line)]
            if len(found) >= count:
                return found
            if not self._read(limit - time.monotonic()):
                tail = "\n".join(self.log[-30:])
                raise AssertionError(f"{len(found)} of {count} lines match {pattern!r}:\n{tail}")

    def read_until(self, end: datetime) -> None:
        """Go on reading the log until the wall clock says `end`."""
        while (left := end.timestamp() - time.clock_gettime(time.CLOCK_REALTIME)) > 0:
            self._read(left)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the daemon."""
        self._process.send_signal(number)

    def wait(self, hang: float = HANG) -> int:
        """Read its log to the end; its exit status."""
        limit = time.monotonic() + hang
        while self._read(limit - time.monotonic()):
            pass
        return self._process.wait(max(limit - time.monotonic(), 1))

    def stop(self) -> int:
        """Ask it to stop; its exit status."""
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait()

    def _read(self, seconds: float) -> bool:
        assert self._process.stderr is not None
        descriptor = self._process.stderr.fileno()
        if seconds <= 0 or not select.select([descriptor], [], [], seconds)[0]:
            return False
        chunk = os.read(descriptor, 1 << 16)
        *lines, self._partial = (self._partial + chunk).split(b"\n")
        self.log += [line.decode("utf-8", "replace") for line in lines]
        return bool(chunk)

    def __enter__(self) -> Self:
        self.wait_for(r"started: \d+ entr")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self._process.kill()
            self._process.wait()
            if self._process.stderr is not None:
                self._process.stderr.close()


class RootedDaemon(DaemonProcess):
    """`cronjob daemon` on `etc/cronjob.tab` and all its other sources below a root of its own."""

    def __init__(self, root: Path, *options: str, **environment: str) -> None:
        self.root = root
        (root / "etc").mkdir(parents=True, exist_ok=True)
        config = root / "etc/cronjob.toml"
        given = ("--config", str(config)) if config.exists() else ()
        # The system's zone is that of the root.
        super().__init__(root, None, *given, *options, environment={"TZ": "", **environment})
        self.table = root / "etc/cronjob.tab"

    def command(self, *options: str) -> list[str]:
        """The command line of this daemon."""
        folders = ("--state", str(self.root / "state"), "--runtime", str(self.root / "runtime"))
        return [sys.executable, ROOTED, str(self.root), "--log", "stderr", *folders, *options]


class ClockDaemon(DaemonProcess):
    """A rooted daemon whose wall clock shows `start` when it begins, and can be set."""

    def __init__(self, root: Path, table: str, start: datetime, *options: str) -> None:
        self.root = root
        self._ahead = start.timestamp() - time.clock_gettime(time.CLOCK_REALTIME)
        self._monotonic_ahead = 0.0
        self._reading, self._writing = os.pipe()
        self._tell()
        (root / "etc").mkdir(parents=True, exist_ok=True)
        self.table = root / "etc/cronjob.tab"
        self.write_table(table)
        super().__init__(root, None, *options, environment={"TZ": ""}, descriptors=(self._reading,))
        self.table = root / "etc/cronjob.tab"
        os.close(self._reading)

    def command(self, *options: str) -> list[str]:
        """The command line of this daemon."""
        folders = ("--state", str(self.root / "state"), "--runtime", str(self.root / "run"))
        program = (sys.executable, CLOCKED, str(self.root), str(self._reading))
        return [*program, "--log", "stderr", *folders, *options]

    @property
    def now(self) -> datetime:
        """What its wall clock shows."""
        return self.machine_now + timedelta(seconds=self._ahead)

    @property
    def machine_now(self) -> datetime:
        """What that of the machine shows."""
        return datetime.fromtimestamp(time.clock_gettime(time.CLOCK_REALTIME), UTC)

    def set_clock(self, by: timedelta) -> None:
        """Set its wall clock forward, or back.  So it looks, too, when the machine has slept."""
        self._ahead += by.total_seconds()
        self._tell()

    def pass_time(self, by: timedelta) -> None:
        """Let this much time pass at once, as if it had been stopped meanwhile."""
        self._monotonic_ahead += by.total_seconds()
        self.set_clock(by)

    def pass_until(self, end: datetime) -> None:
        """Let time pass until its wall clock shows `end`."""
        self.pass_time(end - self.now)

    def starts(self) -> list[str]:
        """The keys of the runs whose first attempt it has said to have started, in order."""
        return re.findall(r"(\S+): attempt 1 started", "\n".join(self.log))

    def _tell(self) -> None:
        os.write(self._writing, f"{self._ahead!r} {self._monotonic_ahead!r}\n".encode())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            os.close(self._writing)


def processes_with(variable: str) -> set[int]:
    """The pids of live processes whose environment holds `variable` (`NAME=value` or a prefix)."""
    wanted = os.fsencode(variable)
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and is_alive(int(folder.name)):
            try:
                environment = (folder / "environ").read_bytes()
            except OSError:
                continue
            if any(item.startswith(wanted) for item in environment.split(b"\0")):
                found.add(int(folder.name))
    return found


def is_alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")
