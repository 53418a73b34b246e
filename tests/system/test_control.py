"""The control socket of a real daemon, and the verbs that speak to it."""

import contextlib
import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from cronjob.host.identity import own_name
from tests.cli.command import COMMAND, HANG, ROOT
from tests.system.daemon_process import DaemonProcess

USER = own_name()
ONLY_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
NOBODY = 65534
VERB_LINES = {  # as a table has them, never due by themselves
    name: f"0 0 1 1 * name={name} {fields} {USER} {command}\n"
    for name, fields, command in (
        ("hello", "", "echo hello; echo error >&2; exit 7"),
        ("killed", "", "kill -9 $$"),
        ("sleeper", "", "sleep 1000"),
        ("skips", "overlap=skip", "sleep 1000"),
        ("stubborn", "timeout=1s grace=0s", "sleep 1000"),
        ("again", "retry=2,0s", 'echo "attempt $CRONJOB_ATTEMPT"; test $CRONJOB_ATTEMPT = 3'),
        ("fine", "ok=0,75", "exit 75"),
        ("quick", "", "true"),
        ("asks", "", f'{" ".join(COMMAND)} run --wait --runtime "$RUNTIME" quick'),
    )
}


class Control:
    """A daemon, and commands that speak to it."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.daemon = daemon
        self.runtime = str(daemon.directory / "run")
        self.path = f"{self.runtime}/control.sock"

    def start(self, verb: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start `cronjob VERB --runtime …`."""
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        command = [*COMMAND, verb, "--runtime", self.runtime, *arguments]
        environment = {name: value for name, value in os.environ.items() if name != "CRONJOB_RUN"}
        return subprocess.Popen(command, cwd=ROOT, env=environment, **streams)

    def ask(self, verb: str, *arguments: str) -> tuple[int, str, str]:
        """Exit status, output, errors."""
        with self.start(verb, *arguments) as process:
            output, errors = process.communicate(timeout=HANG)
        return process.returncode, output.decode(), errors.decode()

    def status(self) -> dict[str, Any]:
        """What `status --json` prints."""
        code, output, errors = self.ask("status", "--json")
        assert (code, errors) == (0, "")
        told: dict[str, Any] = json.loads(output)
        return told

    def connect(self) -> socket.socket:
        """A connection that says nothing yet."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self.path)  # with a limit of time it would not wait for its turn
        connection.settimeout(HANG)
        return connection

    def send(self, data: bytes) -> list[dict[str, Any]]:
        """The answer to raw bytes."""
        with self.connect() as connection:
            connection.sendall(data)
            received = _all_of(connection)
        return [json.loads(line) for line in received.splitlines()]


@contextlib.contextmanager
def controlled(folder: Path, table: str, *options: str) -> Iterator[Control]:
    """A daemon on this table."""
    settings = f"RUNTIME={folder}/run\nPYTHONPATH={ROOT}\n"
    with DaemonProcess(folder, settings + table, *options) as daemon:
        yield Control(daemon)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    """A daemon that tests share which leave nothing behind."""
    with controlled(tmp_path_factory.mktemp("one"), "".join(VERB_LINES.values())) as control:
        yield control


# -- exit statuses -------------------------------------------------------------------------------

ENDS = {
    "hello": (7, "hello\nerror\n", ""),
    "killed": (137, "", "ended by signal 9"),
    "stubborn": (124, "", "timed out"),
    "again": (0, "attempt 1\nattempt 2\nattempt 3\n", ""),
    "fine": (75, "", ""),
    "quick": (0, "", ""),
}


@pytest.mark.parametrize("entry", ENDS)
def test_a_run_that_is_waited_for_ends_as_its_command_does(one: Control, entry: str) -> None:
    expected, printed, said = ENDS[entry]
    code, output, errors = one.ask("run", "--wait", entry)
    assert (code, output) == (expected, printed)
    assert said in errors
    assert bool(errors) == bool(said)


def test_without_wait_the_key_is_printed_and_the_run_is_in_the_log(one: Control) -> None:
    code, output, errors = one.ask("run", "quick")
    assert (code, errors) == (0, "")
    assert output.startswith("quick@")
    one.daemon.wait_for(f"{output.strip()}: attempt 1 succeeded")
    one.daemon.wait_for(f"{output.strip()}: asked for by {USER}$")


def test_an_unknown_entry_is_refused_with_the_nearest(one: Control) -> None:
    said = 'cronjob: no entry is called "helo"; did you mean hello?\n'
    assert one.ask("run", "helo") == (1, "", said)
    assert one.ask("run", "--wait", "helo") == (125, "", said)
    assert one.ask("kill", "helo") == (1, "", said)


def test_a_run_that_overlap_forbids_is_75_and_force_starts_it(one: Control) -> None:
    code, first, _ = one.ask("run", "skips")
    assert code == 0
    code, output, errors = one.ask("run", "--wait", "skips")
    assert (code, output) == (75, "")
    assert "skipped: an earlier run is going" in errors
    code, _, errors = one.ask("run", "skips")
    assert code == 1
    assert "skipped" in errors
    code, second, _ = one.ask("run", "--force", "skips")
    assert code == 0
    code, output, _ = one.ask("kill", "skips")
    assert code == 0
    ended = [f"{key.strip()}  ending" for key in (first, second)]
    assert output.splitlines() == ended


def test_kill_ends_one_run_by_its_key_and_all_by_the_entry(one: Control) -> None:
    keys = [one.ask("run", "sleeper")[1].strip() for _ in range(3)]
    one.daemon.wait_for("sleeper@.* attempt 1 started", 3)
    assert one.ask("kill", keys[1]) == (0, f"{keys[1]}  ending\n", "")
    one.daemon.wait_for(f"{keys[1]}: attempt 1 cancelled")
    assert [row["run"] for row in one.status()["running"]] == [keys[0], keys[2]]
    assert one.ask("kill", "sleeper") == (0, f"{keys[0]}  ending\n{keys[2]}  ending\n", "")
    one.daemon.wait_for("sleeper@.*: attempt 1 cancelled", 3)
    said = "cronjob: no run of sleeper is going or waiting\n"
    assert one.ask("kill", "sleeper") == (1, "", said)


def test_who_waits_for_a_run_that_is_killed_gets_the_status_of_the_signal(one: Control) -> None:
    waiting = one.start("run", "--wait", "sleeper")
    one.daemon.wait_for("sleeper@.* attempt 1 started", 4)
    assert one.ask("kill", "sleeper")[0] == 0
    _, errors = waiting.communicate(timeout=HANG)
    assert waiting.returncode == 128 + signal.SIGTERM
    assert b"ended by signal 15" in errors


def test_an_interrupt_leaves_the_run_going_and_says_so(one: Control) -> None:
    restored = signal.signal(signal.SIGINT, signal.default_int_handler)  # else maybe ignored
    try:
        waiting = one.start("run", "--wait", "sleeper")
    finally:
        signal.signal(signal.SIGINT, restored)
    (row,) = _until(lambda: one.status()["running"])
    waiting.send_signal(signal.SIGINT)
    _, errors = waiting.communicate(timeout=HANG)
    assert waiting.returncode == 130
    assert errors.decode() == (
        f"cronjob: {row['run']} goes on; cronjob kill {row['run']} ends it\n"
    )
    assert [again["run"] for again in one.status()["running"]] == [row["run"]]
    assert one.ask("kill", row["run"])[0] == 0


def test_output_that_cannot_be_written_is_no_status_of_the_command(one: Control) -> None:
    with open("/dev/full", "wb") as full:
        waiting = one.start("run", "--wait", "hello", stdout=full)
        _, errors = waiting.communicate(timeout=HANG)
    assert waiting.returncode == 125
    assert errors == b"cronjob: cannot write the output: No space left on device\n"


def test_a_reader_that_has_seen_enough_ends_the_waiting_alone(tmp_path: Path) -> None:
    command = f"yes | head -c 3000000; echo done > {tmp_path}/done"
    table = f"0 0 1 1 * name=yes log=never {USER} {command}\n"
    with controlled(tmp_path, table) as control:
        waiting = control.start("run", "--wait", "yes")
        assert waiting.stdout is not None
        assert waiting.stdout.read(2) == b"y\n"
        waiting.stdout.close()
        assert waiting.wait(HANG) == 0
        assert waiting.stderr is not None
        assert waiting.stderr.read() == b""
        waiting.stderr.close()
        control.daemon.wait_for("yes@.*attempt 1 succeeded")
    assert (tmp_path / "done").exists()


def test_without_a_daemon_the_verbs_say_where_they_looked(tmp_path: Path) -> None:
    for verb, arguments, expected in (
        ("status", (), 3),
        ("status", ("--json",), 3),
        ("run", ("x",), 3),
        ("kill", ("x",), 3),
        ("run", ("--wait", "x"), 125),
    ):
        command = [*COMMAND, verb, "--runtime", str(tmp_path), *arguments]
        ended = subprocess.run(command, capture_output=True, cwd=ROOT, timeout=HANG, check=False)
        why = "No such file or directory"
        said = f"cronjob: no daemon answers at {tmp_path}/control.sock: {why}\n"
        assert (ended.returncode, ended.stdout, ended.stderr.decode()) == (expected, b"", said)


def test_a_daemon_that_stops_tells_who_waits_and_removes_its_socket(tmp_path: Path) -> None:
    with controlled(tmp_path, VERB_LINES["sleeper"]) as control:
        waiting = control.start("run", "--wait", "sleeper")
        control.daemon.wait_for("sleeper@.* attempt 1 started")
        assert control.daemon.stop() == 0
        waiting.communicate(timeout=HANG)
        assert waiting.returncode == 128 + signal.SIGTERM
        assert not os.path.lexists(control.path)


def test_a_daemon_that_is_killed_is_missed_and_its_socket_replaced(tmp_path: Path) -> None:
    with controlled(tmp_path, VERB_LINES["sleeper"] + VERB_LINES["quick"]) as control:
        waiting = control.start("run", "--wait", "sleeper")
        control.daemon.wait_for("sleeper@.* attempt 1 started")
        control.daemon.signal(signal.SIGKILL)
        _, errors = waiting.communicate(timeout=HANG)
        assert waiting.returncode == 125
        assert b"the daemon has gone before the end of sleeper@" in errors
        control.daemon.wait()
        assert stat.S_ISSOCK(os.lstat(control.path).st_mode)
        assert control.ask("status")[0] == 3
    with controlled(tmp_path, VERB_LINES["quick"]) as control:
        assert control.ask("run", "--wait", "quick")[0] == 0


# -- what is shown -------------------------------------------------------------------------------


def test_status_shows_the_pool_what_runs_what_waits_and_what_comes(tmp_path: Path) -> None:
    line = f"0 0 1 1 * name=other slots=2 {USER} true\n"
    with controlled(tmp_path, VERB_LINES["sleeper"] + line, "--slots", "2") as control:
        key = control.ask("run", "sleeper")[1].strip()
        control.daemon.wait_for("sleeper@.* attempt 1 started")
        code, other, errors = control.ask("run", "other")
        assert code == 0
        assert "waits for 2 slots" in errors
        code, output, _ = control.ask("status")
        assert code == 0
        head, pool, *rest = output.splitlines()
        assert head == f"running, pid {control.daemon.pid}, 2 entries of 1 table"
        assert pool == "1 of 2 slots taken"
        rows = [line.split() for line in rest]
        assert [row[0] for row in rows if row and "@" in row[0]] == [key, other.strip()]
        assert any("waits for 2 slots" in line for line in rest)
        assert any(line.startswith("NEXT") for line in rest)
        told = control.status()
        (running,), (waiting,) = told["running"], told["waiting"]
        assert (running["pid"], running["slots"]) == (int(running["pid"]), 1)
        assert os.path.exists(f"/proc/{running['pid']}")
        assert waiting["state"] == "ready"
        assert control.ask("kill", "sleeper")[0] == 0
        control.daemon.wait_for("other@.*attempt 1 succeeded")


def test_list_says_what_runs_now_and_what_waits(tmp_path: Path) -> None:
    table = VERB_LINES["sleeper"] + VERB_LINES["quick"]
    with controlled(tmp_path, table) as control:
        here = ("--table", str(control.daemon.table))
        code, output, errors = control.ask("list", *here)
        assert (code, errors) == (0, "")
        assert "NOW" not in output.split("\n")[0]
        key = control.ask("run", "sleeper")[1].strip()
        code, output, errors = control.ask("list", *here)
        assert (code, errors) == (0, "")
        head, sleeper, quick = output.splitlines()
        start = head.index("NOW")
        assert sleeper[start:].startswith("running ")
        assert quick[start:].startswith("  ")
        code, output, _ = control.ask("list", "--json", *here)
        first, second = json.loads(output)
        assert [row["run"] for row in first["now"]] == [key]
        assert second["now"] == []


def test_list_does_not_wait_for_a_daemon_that_hangs(tmp_path: Path) -> None:
    with controlled(tmp_path, VERB_LINES["quick"]) as control:
        control.daemon.signal(signal.SIGSTOP)
        try:
            code, output, errors = control.ask("list", "--table", str(control.daemon.table))
        finally:
            control.daemon.signal(signal.SIGCONT)
    assert (code, errors) == (0, "")
    assert "quick" in output


# -- output --------------------------------------------------------------------------------------


def test_ten_megabytes_of_any_bytes_arrive_as_they_were_written(tmp_path: Path) -> None:
    blob = os.urandom(10_000_000)
    (tmp_path / "blob").write_bytes(blob)
    table = f"0 0 1 1 * name=blob log=never {USER} cat {tmp_path}/blob\n"
    with controlled(tmp_path, table) as control:
        with control.start("run", "--wait", "blob") as waiting:
            output, errors = waiting.communicate(timeout=HANG)
        assert (waiting.returncode, errors) == (0, b"")
        assert len(output) == len(blob)
        assert sha256(output).digest() == sha256(blob).digest()


def test_a_client_that_does_not_read_delays_nothing_and_hears_what_it_missed(
    tmp_path: Path,
) -> None:
    size = 64 * 1024 * 1024
    table = f"0 0 1 1 * name=flood log=never {USER} head -c {size} /dev/zero\n"
    with controlled(tmp_path, table + VERB_LINES["quick"]) as control:
        with control.connect() as connection:
            request = {"version": 1, "verb": "run", "entry": "flood", "wait": True}
            connection.sendall(json.dumps(request).encode() + b"\n")
            control.daemon.wait_for("flood@.* attempt 1 succeeded")
            assert control.ask("run", "--wait", "quick")[0] == 0
            received = _all_of(connection)
        resident = Path(f"/proc/{control.daemon.pid}/status").read_text()
        lines = [json.loads(line) for line in received.splitlines()]
        left_out = sum(line.get("left_out", 0) for line in lines)
        told = sum(len(line.get("output", "")) // 4 * 3 for line in lines)
        assert 0 <= told + 2 * len(lines) - (size - left_out) <= 4 * len(lines)
        assert left_out > size // 2
        assert lines[-1]["outcome"] == "succeeded"
        (peak,) = (line.split()[1] for line in resident.splitlines() if line.startswith("VmHWM"))
        print(f"\n{size} bytes to a client that does not read: daemon's peak {peak} kB")
        assert int(peak) < 120 * 1024


# -- many, and hostile ones ----------------------------------------------------------------------


def test_a_hundred_clients_wait_for_a_run_each(tmp_path: Path) -> None:
    line = f"0 0 1 1 * name=one slots=0 {USER} echo $CRONJOB_RUN\n"
    with controlled(tmp_path, line) as control:
        request = b'{"version": 1, "verb": "run", "entry": "one", "wait": true, "force": true}\n'
        connections = [control.connect() for _ in range(100)]
        before = time.monotonic()
        for connection in connections:
            connection.sendall(request)
        answers = [_all_of(connection) for connection in connections]
        print(f"\n100 runs that are waited for: {time.monotonic() - before:.2f} s")
        for connection in connections:
            connection.close()
        lines = [[json.loads(line) for line in answer.splitlines()] for answer in answers]
        assert len({answer[0]["run"] for answer in lines}) == 100
        assert all(answer[-1]["code"] == 0 for answer in lines)


def test_garbage_is_answered_with_an_error_and_the_daemon_goes_on(one: Control) -> None:
    for data in (b"\n", b"\0" * 100 + b"\n", b"GET / HTTP/1.1\r\n", b"[" * 60_000 + b"\n"):
        (told,) = one.send(data)
        assert "error" in told
    (told,) = one.send(b"x" * 70_000)
    assert told["error"] == "a request has at most 65536 bytes"
    with one.connect():
        pass
    assert one.ask("run", "--wait", "quick")[0] == 0
    assert not [line for line in one.daemon.log if "internal error" in line]


def test_a_client_that_is_killed_midway_is_forgotten(tmp_path: Path) -> None:
    table = f"0 0 1 1 * name=talks {USER} while echo x; do sleep 0.01; done\n"
    with controlled(tmp_path, table) as control:
        waiting = control.start("run", "--wait", "talks")
        assert waiting.stdout is not None
        assert waiting.stdout.read(2) == b"x\n"
        waiting.kill()
        waiting.communicate()
        _until(lambda: control_connections(control) == 0)
        assert len(control.status()["running"]) == 1
        assert control.ask("kill", "talks")[0] == 0


def test_more_connections_than_there_may_be_are_refused_and_starts_go_on(tmp_path: Path) -> None:
    with controlled(tmp_path, VERB_LINES["quick"]) as control, contextlib.ExitStack() as stack:
        for _ in range(256):
            stack.enter_context(control.connect())
        _until(lambda: control_connections(control) == 256)
        code, _, errors = control.ask("status")
        assert (code, errors) == (1, "cronjob: there are 256 connections already\n")
        stack.close()
        _until(lambda: control_connections(control) == 0)
        assert control.ask("run", "--wait", "quick")[0] == 0


def _all_of(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def control_connections(control: Control) -> int:
    """How many connections the daemon has on its socket."""
    rows = Path("/proc/net/unix").read_text().splitlines()
    # Num RefCount Protocol Flags Type St Inode Path; 03 is connected
    return sum(row.split()[5] == "03" and row.endswith(control.path) for row in rows[1:])


def _until(condition: Any) -> Any:
    """Ask again until it is so: what another process has noticed shows nowhere else."""
    limit = time.monotonic() + HANG
    while not (found := condition()):
        assert time.monotonic() < limit, "it never came true"
        select.select([], [], [], 0.02)
    return found


# -- other users ---------------------------------------------------------------------------------


#: After becoming `nobody`: some connections that say nothing, then requests on one more each.
NOBODYS = f"""
import contextlib, os, socket, sys
os.setgroups([])
os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
def connect():
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(sys.argv[1])
    return connection
silent = [connect() for _ in range(int(sys.argv[2]))]
for line in sys.argv[3:]:
    with connect() as asking:
        with contextlib.suppress(BrokenPipeError):  # it is refused before it asks
            asking.sendall(line.encode() + b"\\n")
        with contextlib.suppress(ConnectionResetError):
            while data := asking.recv(65536):
                sys.stdout.buffer.write(data)
"""


def _as_nobody(
    control: Control, *requests: dict[str, Any], silent: int = 0
) -> list[dict[str, Any]]:
    """What the account `nobody` is answered that has some `silent` connections."""
    lines = [json.dumps({"version": 1, **request}) for request in requests]
    ended = subprocess.run(
        [sys.executable, "-I", "-c", NOBODYS, control.path, str(silent), *lines],
        capture_output=True,
        timeout=HANG,
        check=True,
    )
    return [json.loads(line) for line in ended.stdout.splitlines()]


@ONLY_ROOT
def test_another_user_has_to_do_with_what_runs_as_that_user_alone(everybodys: Path) -> None:
    table = "0 0 1 1 * name=mine nobody sleep 1000\n0 0 1 1 * name=theirs root sleep 1000\n"
    with controlled(everybodys, table) as control:
        assert stat.S_IMODE(os.stat(control.path).st_mode) == 0o666
        assert stat.S_IMODE(os.stat(control.runtime).st_mode) == 0o755
        theirs = control.ask("run", "theirs")[1].strip()
        (mine,) = _as_nobody(control, {"verb": "run", "entry": "mine"})
        control.daemon.wait_for("attempt 1 started", 2)
        (told,) = _as_nobody(control, {"verb": "status"})
        assert [row["run"] for row in told["running"]] == [mine["run"]]
        assert (told["entries"], told["running_count"], told["slots_used"]) == (1, 1, 2)
        assert {one["entry"] for one in told["upcoming"]} == {"mine"}
        unknown = 'no entry that runs as nobody is called "{}"'
        for request, error in (
            ({"verb": "run", "entry": "theirs"}, unknown.format("theirs")),
            ({"verb": "kill", "subject": "theirs"}, unknown.format("theirs")),
            ({"verb": "kill", "subject": theirs}, unknown.format(theirs)),
            (
                {"verb": "run", "entry": "mine", "force": True},
                "only root may start a run whatever holds it",
            ),
        ):
            assert _as_nobody(control, request) == [{"version": 1, "error": error}]
        (told,) = _as_nobody(control, {"verb": "kill", "subject": "mine"})
        assert [row["run"] for row in told["ended"]] == [mine["run"]]
        control.daemon.wait_for(f"{mine['run']}: attempt 1 cancelled")
        assert [row["run"] for row in control.status()["running"]] == [theirs]


@ONLY_ROOT
def test_one_user_takes_no_more_than_eight_connections(everybodys: Path) -> None:
    with controlled(everybodys, VERB_LINES["quick"]) as control:
        assert "pid" in _as_nobody(control, {"verb": "status"}, silent=7)[0]
        _until(lambda: control_connections(control) == 0)
        refused = {"version": 1, "error": "this user has 8 connections already"}
        assert _as_nobody(control, {"verb": "status"}, silent=8) == [refused]
        assert control.ask("run", "--wait", "quick")[0] == 0


@ONLY_ROOT
def test_one_user_asks_for_no_more_than_a_hundred_runs_that_are_not_over(everybodys: Path) -> None:
    entries = [f"0 0 1 1 * name=e{n} slots=0 nobody sleep 1000\n" for n in range(101)]
    with controlled(everybodys, "".join(entries)) as control:
        told = _as_nobody(control, *({"verb": "run", "entry": f"e{n}"} for n in range(101)))
        assert [line["entry"] for line in told[:-1]] == [f"e{n}" for n in range(100)]
        assert told[-1]["error"] == "100 runs that nobody asked for are not over yet"
        assert control.ask("run", "e100")[0] == 0
        _as_nobody(control, {"verb": "kill", "subject": "e0"})
        control.daemon.wait_for("e0@.*attempt 1 cancelled")
        (row,) = _as_nobody(control, {"verb": "run", "entry": "e0"})
        assert row["entry"] == "e0"


# -- a command that asks -------------------------------------------------------------------------


def test_a_command_that_asks_for_itself_without_end_is_ended(tmp_path: Path) -> None:
    command = f'exec {" ".join(COMMAND)} run --wait --runtime "$RUNTIME" again'
    table = f"0 0 1 1 * name=again {USER} {command}\n"
    with controlled(tmp_path, table, "--slots", "1") as control:
        code, output, _ = control.ask("run", "--wait", "again")
        assert code == 125
        assert "cronjob: 16 runs wait for one another already, the last is again@" in output
        assert len(control.daemon.wait_for("again@.* attempt 1 failed", 16)) == 16
        assert control.status()["slots_used"] == 0


def test_a_command_that_waits_for_another_run_lends_it_its_slot(tmp_path: Path) -> None:
    with controlled(tmp_path, VERB_LINES["asks"] + VERB_LINES["quick"], "--slots", "1") as control:
        assert control.ask("run", "--wait", "asks") == (0, "", "")
        control.daemon.wait_for(f"quick@.*: asked for by {USER}, from within asks@")
