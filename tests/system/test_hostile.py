"""No command ends the daemon, delays another entry, or stays when the daemon has stopped."""

import contextlib
import os
import pwd
import re
import resource
import signal
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.system.daemon_process import HANG, DaemonProcess, processes_with

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run commands as others")

STRANGER = "games"  #: an account that owns no process; one command kills all that it owns
DELAY = 0.3  #: seconds between two attempts of the entry that is to go on undisturbed
PULSE = (
    f"@reboot name=pulse slots=1 retry=1000,PT{DELAY}S..PT{DELAY}S retry-on=failure,lost root"
    " exit 1\n"
)
ALLOWED = 2.0  #: seconds that a start of it may come late, on a machine that does other things too
RUN = f"CRONJOB_RUN=hostile{os.getpid()}"

PLANNED = re.compile(r"^(\S+)Z \S*pulse@.*: retry (\d+) of 1000 in ([\d.]+)(ms|s), at")
STARTED = re.compile(r"^(\S+)Z pulse@.*: attempt (\d+) started")


def _entry(command: str, fields: str = "", user: str = "root") -> str:
    """A table with the pulse and a hostile command."""
    return f"{PULSE}@reboot name={RUN.partition('=')[2]} {fields} {user} {command}\n"


def _lateness(log: list[str]) -> list[float]:
    """How late each retry of the pulse started, in seconds."""
    due: dict[int, float] = {}
    late = []
    for line in log:
        if match := PLANNED.match(line):
            delay = float(match[3]) / (1000 if match[4] == "ms" else 1)
            due[int(match[2]) + 1] = datetime.fromisoformat(match[1]).timestamp() + delay
        elif (match := STARTED.match(line)) and int(match[2]) in due:
            late.append(datetime.fromisoformat(match[1]).timestamp() - due[int(match[2])])
    return late


def _goes_on(daemon: DaemonProcess) -> None:
    """Others still start at their time; then the daemon stops, and nothing is left."""
    beats = len(daemon.wait_for("pulse@.* started"))
    daemon.wait_for("pulse@.* started", beats + 3)
    assert max(_lateness(daemon.log)) <= ALLOWED
    assert not [line for line in daemon.log if "internal error" in line]
    assert daemon.stop() == 0
    assert not processes_with(RUN)


#: What it does, its fields, its user, what the daemon says of its first attempt.
COMMANDS = {
    "kills its process group": ("kill -9 0", "", "root", "signaled: signal 9"),
    "kills all that it may": ("kill -9 -1", "", STRANGER, "(signaled|succeeded)"),
    "closes every descriptor": (
        'for n in 0 1 2 3 4 5 6 7 8 9; do eval "exec $n>&-"; done; sleep 1',
        *("", STRANGER, "succeeded"),
    ),
    "uses up its descriptors": (
        'i=10; while exec 3>&1 && bash -c \'i=10; while eval "exec $i>/dev/null"; do i=$((i+1));'
        " done' 2>/dev/null; do break; done",
        *("", STRANGER, "(succeeded|failed)"),
    ),
    "opens the descriptors of its parent": (
        "for f in /proc/$PPID/fd/*; do (cat < $f > $f) & done; wait",
        *("timeout=3s grace=0s", STRANGER, "(succeeded|failed|timed-out)"),
    ),
    "never reads its input": ("sleep 1%" + "x" * 60_000, "", STRANGER, "succeeded"),
    "writes to its input": ("echo x >&0", "", STRANGER, "(succeeded|failed)"),
    "prints a GB without a newline": (
        "head -c 1000000000 /dev/zero",
        *("", STRANGER, "succeeded"),
    ),
    "prints lines of 10 MB": (
        "for n in 1 2 3; do head -c 10000000 /dev/zero | tr '\\\\0' x; echo; done",
        *("", STRANGER, "succeeded"),
    ),
    "prints for ever": ("yes", "timeout=2s grace=0s", STRANGER, "timed-out"),
    "prints empty lines for ever": (
        "yes ''",
        *("timeout=2s grace=0s log=failure", STRANGER, "timed-out"),
    ),
    "leaves a flood behind": ("yes & sleep 1", "", STRANGER, "succeeded"),
    "ignores TERM": (
        "trap '' TERM HUP INT; while :; do sleep 1; done",
        *("timeout=1s grace=1s", STRANGER, "timed-out: signal 9"),
    ),
    "stops itself": ("kill -STOP $$", "timeout=1s grace=1s", STRANGER, "timed-out"),
    "limits itself": (
        "ulimit -n 3; ulimit -f 0; ulimit -v 100000; ulimit -u 0; echo x > /dev/null; sleep 1",
        *("", STRANGER, "(succeeded|failed)"),
    ),
    "leaves a thousand processes": (
        "i=0; while [ $i -lt 1000 ]; do sleep 300 & i=$((i+1)); done",
        *("", STRANGER, "succeeded: exit status 0 after .*; left 1000 processes behind"),
    ),
    "leaves a thousand processes of which nobody knows whose they are": (
        "for i in $(seq 50); do for j in $(seq 20); do env -i setsid sleep 300 & done; sleep 0.03;"
        " done",
        *("", STRANGER, "succeeded: exit status 0"),
    ),
    "exits without a word and without a parent": (
        "(setsid sleep 300 &) ; kill -9 $$",
        *("", STRANGER, "signaled: signal 9"),
    ),
}


@pytest.mark.parametrize("what", COMMANDS)
def test_no_command_disturbs_the_daemon(what: str, tmp_path: Path) -> None:
    command, fields, user, said = COMMANDS[what]
    _needs_an_account_without_processes(user)
    with DaemonProcess(tmp_path, _entry(command, fields, user)) as daemon:
        daemon.wait_for(f"hostile.*: attempt 1 {said}")
        _goes_on(daemon)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("SHELL=/no/such/shell", "not-started: .*No such file or directory"),
        ("SHELL=/etc", "not-started: .*Permission denied"),
        ("SHELL=", "not-started: "),
        ("HOME=/no/such/home", "succeeded"),
        ("HOME=/etc/passwd", "succeeded"),
        ("HOME=/proc", "succeeded"),
        ("PATH=/no/such/path", "failed: exit status 127"),
    ],
)
def test_surroundings_that_are_not_there_cost_one_attempt_at_most(
    setting: str, said: str, tmp_path: Path
) -> None:
    pulse, entry = _entry("uname", user=STRANGER).splitlines()
    with DaemonProcess(tmp_path, f"{pulse}\n{setting}\n{entry}\n") as daemon:
        daemon.wait_for(f"hostile.*: attempt 1 {said}")
        _goes_on(daemon)


def _needs_an_account_without_processes(user: str) -> None:
    if user != "root":
        try:
            uid = pwd.getpwnam(user).pw_uid
        except KeyError:
            pytest.skip(f"there is no account {user}")
        owners = {path.stat().st_uid for path in _stat_paths()}
        assert uid not in owners, f"{user} has processes"


def _stat_paths() -> Iterator[Path]:
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            path.stat()
            yield path


def test_a_launcher_that_is_killed_is_replaced_at_once(tmp_path: Path) -> None:
    lost = "retry=1,1s retry-on=lost"
    with DaemonProcess(
        tmp_path, _entry("test $CRONJOB_ATTEMPT = 2 || kill -9 $PPID", lost)
    ) as daemon:
        (died,) = daemon.wait_for("the launcher died")
        daemon.wait_for("hostile.*: attempt 1 lost")
        after = _time(died)
        (started, *_) = [line for line in _beats(daemon, 3, after=died) if _time(line) >= after]
        took = _time(started) - after
        print(f"\nthe next start {took * 1000:.0f} ms after the launcher was killed")
        assert took <= 5.0
        daemon.wait_for("hostile.*: attempt 2 succeeded")
        _goes_on(daemon)


@pytest.mark.parametrize("who", ["daemon", "launcher"])
def test_without_descriptors_nothing_starts_until_there_are_some(who: str, tmp_path: Path) -> None:
    with DaemonProcess(tmp_path, PULSE) as daemon:
        _beats(daemon, 1)
        pid = daemon.pid if who == "daemon" else daemon.launcher_pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))  # it keeps what it has
        daemon.wait_for("pulse@.* not-started: .*Too many open files", 2)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        _goes_on(daemon)


@pytest.mark.parametrize("who", ["daemon", "launcher"])
def test_neither_daemon_nor_launcher_dies_for_want_of_memory(who: str, tmp_path: Path) -> None:
    talk = _entry("seq 20000; exit 1", "retry=100,1s..1s")
    with DaemonProcess(tmp_path, talk) as daemon:
        _beats(daemon, 1)
        pid = daemon.pid if who == "daemon" else daemon.launcher_pid
        before = resource.prlimit(pid, resource.RLIMIT_AS)
        resource.prlimit(pid, resource.RLIMIT_AS, (1 << 20, before[1]))  # less than it has
        ended = "pulse@.*: attempt .* (failed|signaled|not-started|lost)"
        daemon.wait_for(ended, len(daemon.wait_for(ended)) + 6)
        resource.prlimit(pid, resource.RLIMIT_AS, before)
        _beats(daemon, 3, after=daemon.log[-1])
        assert "the launcher died" not in "\n".join(daemon.log)
        assert daemon.stop() == 0
        assert not processes_with(RUN)


def test_without_processes_nothing_starts_until_there_are_some(
    tmp_path: Path, pids_group: Path
) -> None:
    with DaemonProcess(tmp_path, PULSE) as daemon:
        for pid in (daemon.pid, daemon.launcher_pid):
            (pids_group / "cgroup.procs").write_text(str(pid))
        (pids_group / "pids.max").write_text("1")
        daemon.wait_for("pulse@.* not-started: .*Resource temporarily unavailable", 2)
        (pids_group / "pids.max").write_text("max")
        _goes_on(daemon)


def test_a_fork_bomb_is_ended_with_its_timeout(tmp_path: Path, pids_group: Path) -> None:
    (pids_group / "pids.max").write_text("64")
    bomb = f"echo $$ > {pids_group}/cgroup.procs; b() {{ b | b & }}; b; sleep 60"
    with DaemonProcess(tmp_path, _entry(bomb, "timeout=1s grace=0s")) as daemon:
        (line,) = daemon.wait_for("hostile.*: attempt 1 timed-out")
        assert "could not end" not in line
        _goes_on(daemon)


def test_a_flood_of_eight_delays_no_start(tmp_path: Path) -> None:
    floods = "".join(
        f"@reboot name={RUN.partition('=')[2]}-{number} timeout=4s grace=0s {STRANGER} {command}\n"
        for number, command in enumerate(("yes", "yes ''", "cat /dev/zero", "cat /dev/urandom") * 2)
    )
    _needs_an_account_without_processes(STRANGER)
    with DaemonProcess(tmp_path, PULSE + floods) as daemon:
        memory = _resident(daemon.pid)
        daemon.wait_for("hostile.*: attempt 1 timed-out", 8)
        assert _resident(daemon.pid) - memory <= 16 << 20
        print(f"\nlatest start beside 8 floods: {max(_lateness(daemon.log)) * 1000:.0f} ms")
        assert len(daemon.wait_for("left out: the log takes")) >= 8
        _goes_on(daemon)


HANGING_HOME = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
home, *daemon = sys.argv[1:]
device = os.open("/dev/fuse", os.O_RDWR)  # never read: whoever looks there waits for ever
os.set_inheritable(device, True)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
if libc.mount(b"none", os.fsencode(home), b"fuse", 0, options):
    sys.exit(os.strerror(ctypes.get_errno()))
os.execv(daemon[0], daemon)
"""


class HangingHome(DaemonProcess):
    """A daemon that sees, at one place, a file system which never answers."""

    def command(self, *options: str) -> list[str]:
        """The same, in a mount namespace of its own."""
        home = self.directory / "home"
        home.mkdir()
        mount = ["unshare", "--mount", sys.executable, "-c", HANGING_HOME, str(home)]
        return [*mount, *super().command(*options)]


@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no /dev/fuse")
def test_a_home_that_hangs_costs_its_own_entry_only(tmp_path: Path) -> None:
    pulse, entry = _entry("true", "timeout=1s grace=0s").splitlines()
    with HangingHome(tmp_path, f"{pulse}\nHOME={tmp_path}/home/ann\n{entry}\n") as daemon:
        daemon.wait_for("hostile.*: attempt 1 timed-out")
        _goes_on(daemon)


class ExpiredAccounts(DaemonProcess):
    """A daemon that sees a shadow file of its own."""

    def command(self, *options: str) -> list[str]:
        """The same, in a mount namespace of its own."""
        shadow = self.directory / "shadow"
        shadow.write_text(f"{STRANGER}:*:19000:0:99999:7::19500:\n")
        script = f'mount --bind "{shadow}" /etc/shadow && exec "$0" "$@"'
        return ["unshare", "--mount", "sh", "-c", script, *super().command(*options)]


def test_nothing_is_started_for_an_account_that_has_expired(tmp_path: Path) -> None:
    with ExpiredAccounts(tmp_path, _entry("true", user=STRANGER)) as daemon:
        (line,) = daemon.wait_for("hostile.*: attempt 1 not-started")
        assert f"account expired: {STRANGER} on 2023-05-23" in line
        _goes_on(daemon)


@pytest.fixture
def pids_group() -> Iterator[Path]:
    """A cgroup of its own that limits the number of processes; it is emptied and removed."""
    for root in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")):
        group = root / f"cronjob-test-{os.getpid()}"
        with contextlib.suppress(OSError):
            group.mkdir()
            if (group / "pids.max").exists():
                break
            group.rmdir()
    else:
        pytest.skip("there is no pids controller to limit processes with")
    try:
        yield group
    finally:
        (group / "pids.max").write_text("0")
        limit = time.monotonic() + HANG
        while pids := (group / "cgroup.procs").read_text().split():
            assert time.monotonic() < limit, pids
            for pid in map(int, pids):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        group.rmdir()


def _time(line: str) -> float:
    return datetime.fromisoformat(line.split()[0]).timestamp()


def _resident(pid: int) -> int:
    """Bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def _beats(daemon: DaemonProcess, count: int, after: str = "") -> list[str]:
    """So many starts of the pulse, counted from a line of the log."""
    skipped = daemon.log.index(after) if after else 0
    earlier = sum(1 for line in daemon.log[:skipped] if STARTED.match(line))
    return daemon.wait_for("pulse@.* started", earlier + count)[earlier:]
