"""The guardian spoken to directly: its messages, its walk over /proc, its self-test."""

import contextlib
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cronjob.host import child as child_module
from cronjob.host import processes
from cronjob.host.channel import Channel, close_all
from cronjob.host.guardian_process import SCRIPT
from tests.host.descriptors import descriptors_of
from tests.host.processes import (
    ENVIRONMENT,
    PYTHON,
    WAIT_SECONDS,
    dead,
    needs_python,
    needs_root,
    pids_with,
    seconds_until,
    with_badge,
)

Message = dict[str, Any]

THREADS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(300,)).start()
print("ready", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


class Daemon:
    """The daemon's end of the socket, blocking."""

    def __init__(self, process: "subprocess.Popen[bytes]", stream: socket.socket) -> None:
        self.process = process
        self.channel = Channel(stream)
        self.heard: list[Message] = []

    def hear(self) -> Message:
        """The next message."""
        while not self.heard:
            assert select.select([self.channel.socket], [], [], WAIT_SECONDS)[0], "silence"
            self.heard += [message for message, _ in self.channel.receive()]
        return self.heard.pop(0)

    def ending(self, name: str) -> Message:
        while True:
            message = self.hear()
            if (message["op"], message.get("id")) == ("ended", name):
                return message

    def launch(self, name: str, *argv: str, output: int | None = None, **changes: Any) -> None:
        message = {
            "op": "launch",
            "id": name,
            "argv": argv,
            "env": ENVIRONMENT,
            "cwd": "/",
            "uid": os.getuid(),
            "gid": os.getgid(),
            "groups": os.getgroups(),
            "umask": 0o022,
            "stdin": False,
        }
        descriptor = os.open(os.devnull, os.O_WRONLY) if output is None else os.dup(output)
        self.channel.send(message | changes, (descriptor,))


@contextlib.contextmanager
def serving(script: str = SCRIPT, python: str = sys.executable, **options: Any) -> Iterator[Daemon]:
    """A guardian that is ready; it ends afterwards by the end of its socket."""
    ours, theirs = socket.socketpair()
    with theirs:
        argv = [python, "-I", "-S", script, str(theirs.fileno()), "-1", ""]
        process = subprocess.Popen(argv, pass_fds=[theirs.fileno()], env={}, **options)
    with process:
        daemon = Daemon(process, ours)
        try:
            assert daemon.hear() == {"op": "ready"}
            yield daemon
        finally:
            daemon.channel.close()
            assert process.wait(WAIT_SECONDS) == 0


@pytest.fixture
def readable() -> Iterator[str]:
    """The guardian's modules where every user may read them."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        package = Path(folder) / "cronjob"
        shutil.copytree(Path(SCRIPT).parent, package / "host")
        shutil.copy(Path(SCRIPT).parents[1] / "__init__.py", package)
        yield str(package / "host" / Path(SCRIPT).name)


@contextlib.contextmanager
def child(*argv: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that has written its first line."""
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()


@pytest.fixture
def pair() -> Iterator[tuple[Channel, Channel]]:
    ours, theirs = map(Channel, socket.socketpair())
    yield ours, theirs
    ours.close()
    theirs.close()


def received(channel: Channel) -> list[tuple[Message, list[int]]]:
    with contextlib.suppress(BlockingIOError):
        return channel.receive()
    return []


def test_coalesced_messages_keep_their_own_descriptors(pair: tuple[Channel, Channel]) -> None:
    ours, theirs = pair
    files = [os.memfd_create(f"file{number}") for number in range(4)]
    ours.send({"n": 0})
    ours.send({"n": 1}, files[:1])
    ours.send({"n": 2})
    ours.send({"n": 3}, files[1:3])
    ours.send({"n": 4}, files[3:])
    messages: list[tuple[Message, list[int]]] = []
    while part := received(theirs):
        messages += part
    assert [message["n"] for message, _ in messages] == [0, 1, 2, 3, 4]
    names = [[os.readlink(f"/proc/self/fd/{fd}") for fd in fds] for _, fds in messages]
    expected = [[], [0], [], [1, 2], [3]]
    assert names == [[f"/memfd:file{n} (deleted)" for n in numbers] for numbers in expected]
    for _, descriptors in messages:
        assert not any(map(os.get_inheritable, descriptors))
        close_all(descriptors)


def test_queued_messages_travel_together_with_their_own_descriptors(
    pair: tuple[Channel, Channel],
) -> None:
    ours, theirs = pair
    for number in range(5):
        files = [os.memfd_create(f"file{number}") for _ in range(number % 3)]
        ours.queue({"n": number}, files)
    assert received(theirs) == []
    ours.flush()
    messages = received(theirs)
    names = [[os.readlink(f"/proc/self/fd/{fd}") for fd in fds] for _, fds in messages]
    assert names == [[f"/memfd:file{n} (deleted)"] * (n % 3) for n in range(5)]
    for _, descriptors in messages:
        close_all(descriptors)


def test_more_descriptors_than_the_kernel_takes_at_once_go_in_several_frames(
    pair: tuple[Channel, Channel],
) -> None:
    ours, theirs = pair
    for number in range(150):
        ours.queue({"n": number}, [os.memfd_create(f"file{number}"), os.memfd_create("other")])
    messages: list[tuple[Message, list[int]]] = []
    while len(messages) < 150:
        ours.flush()
        messages += received(theirs)
    assert [message["n"] for message, _ in messages] == [*range(150)]
    for message, (first, second) in messages:
        assert os.readlink(f"/proc/self/fd/{first}") == f"/memfd:file{message['n']} (deleted)"
        close_all((first, second))


def test_message_larger_than_the_socket_is_sent_in_parts(pair: tuple[Channel, Channel]) -> None:
    ours, theirs = pair
    ours.send({"text": "x\udcff" * 1_000_000}, [os.memfd_create("file")])
    ours.send({"text": "next"})
    assert ours.unsent
    messages: list[tuple[Message, list[int]]] = []
    while len(messages) < 2:
        messages += received(theirs)
        ours.flush()
    assert [message["text"] for message, _ in messages] == ["x\udcff" * 1_000_000, "next"]
    assert not ours.unsent
    close_all(messages[0][1])


def test_unsent_descriptors_are_closed_when_the_other_end_is_gone(
    pair: tuple[Channel, Channel],
) -> None:
    ours, theirs = pair
    theirs.close()
    descriptor = os.memfd_create("file")
    ours.send({"n": 1}, [descriptor])
    assert not ours.unsent
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_bad_messages_are_survived() -> None:
    with serving(stderr=subprocess.DEVNULL) as daemon:
        for body in (b"", b"{", b"[]", b"3", b"null", b'"x"', b"\xff", b"{}", b'{"op": 5}'):
            daemon.channel.socket.send(len(body).to_bytes(4, "big") + body)
        for message in ({"op": "nosuch"}, {"op": "end"}, {"op": "end", "id": "x"}, {"op": "stop"}):
            daemon.channel.send(message)
        daemon.launch("a", "/bin/true")
        assert daemon.ending("a")["status"] == 0


@pytest.mark.parametrize(
    "changes",
    [{"argv": []}, {"env": 5}, {"uid": "root"}, {"groups": ["x"]}, {"cwd": None}, {"umask": "x"}],
)
def test_launch_that_makes_no_sense_is_a_failed_start(changes: dict[str, Any]) -> None:
    with serving(stderr=subprocess.DEVNULL) as daemon:
        before = descriptors_of(daemon.process.pid)
        daemon.launch("a", "/bin/true", **changes)
        ending = daemon.ending("a")
        assert ending["status"] is None
        assert ending["error"].startswith("cannot ")
        daemon.launch("b", "/bin/true")
        assert daemon.ending("b")["status"] == 0
        assert descriptors_of(daemon.process.pid) == before


def test_launch_that_makes_no_sense_does_not_cost_those_beside_it() -> None:
    with serving(stderr=subprocess.DEVNULL) as daemon:
        sane = {"argv": ["/bin/true"], "env": ENVIRONMENT, "cwd": "/", "umask": 0o022}
        own = {"uid": os.getuid(), "gid": os.getgid(), "groups": os.getgroups()}
        for name, changes in {"a": {}, "b": {"umask": "x"}, "c": {}}.items():
            message = {"op": "launch", "id": name, **sane, **own, **changes}
            daemon.channel.queue(message, [os.open(os.devnull, os.O_WRONLY)])
        daemon.channel.queue({"op": "end", "id": "c", "grace": 60.0})
        daemon.channel.flush()
        endings: dict[str, Message] = {}
        while len(endings) < 3:
            message = daemon.hear()
            if message["op"] == "ended":
                endings[message["id"]] = message
        assert endings["a"]["status"] == 0
        assert endings["b"]["error"].startswith("cannot start a process: ")
        assert endings["c"]["status"] in (0, signal.SIGTERM), "it was there to be ended"


def test_stop_says_what_is_left_and_exits() -> None:
    reading, writing = os.pipe()
    with serving() as daemon, open(reading) as lines:
        daemon.launch("a", "/bin/sh", "-c", "echo $$; sleep 300", output=writing)
        os.close(writing)
        pid = int(lines.readline())
        daemon.channel.send({"op": "stop", "grace": 60.0})
        daemon.channel.send({"op": "stop", "grace": 60.0})
        assert daemon.ending("a")["status"] == signal.SIGTERM
        assert daemon.hear() == {"op": "stopped", "survivors": []}
        assert daemon.process.wait(WAIT_SECONDS) == 0
        assert dead(pid)


def test_launch_during_a_stop_is_refused() -> None:
    reading, writing = os.pipe()
    with serving() as daemon, open(reading) as lines:
        daemon.launch("a", "/bin/sh", "-c", "trap '' TERM; echo 1; sleep 300", output=writing)
        os.close(writing)
        lines.readline()
        daemon.channel.send({"op": "stop", "grace": 60.0})
        daemon.launch("b", "/bin/true")
        assert daemon.ending("b")["error"] == "cannot start a process: the launcher is stopping"
        daemon.channel.send({"op": "stop", "grace": 0.0})
        assert daemon.ending("a")["status"] == signal.SIGKILL


def test_end_of_the_socket_kills_a_job_that_multiplies() -> None:
    badge = {**with_badge(f"many-{os.getpid()}")}
    script = "echo 1; while :; do setsid sleep 300 & setsid sleep 300 & sleep 0.001; done"
    reading, writing = os.pipe()
    with serving() as daemon, open(reading) as lines:
        daemon.launch("a", "/bin/sh", "-c", script, output=writing, env=badge)
        os.close(writing)
        lines.readline()
        seconds_until(lambda: len(pids_with(f"CRONJOB_RUN={badge['CRONJOB_RUN']}")) > 20)
        daemon.channel.close()
        assert daemon.process.wait(WAIT_SECONDS) == 0
        assert pids_with(f"CRONJOB_RUN={badge['CRONJOB_RUN']}") == []


@needs_root
@needs_python
def test_guardian_of_a_plain_user_runs_its_own_jobs_only(readable: str) -> None:
    with serving(readable, PYTHON, user=65534, group=65534, extra_groups=[]) as daemon:
        daemon.launch("own", "/bin/true", uid=65534, gid=65534, groups=[65534])
        assert daemon.ending("own")["status"] == 0
        daemon.launch("other", "/bin/true", uid=1, gid=65534, groups=[])
        text = "cannot become user 1 and group 65534: the launcher does not run as root"
        assert daemon.ending("other")["error"] == text


@needs_root
@needs_python
def test_failed_fork_is_a_failed_start_and_leaks_nothing(readable: str) -> None:
    def two_processes_at_most() -> None:
        resource.setrlimit(resource.RLIMIT_NPROC, (2, 2))

    user: dict[str, Any] = {"user": 64999, "group": 64999, "extra_groups": []}
    mine: dict[str, Any] = {"uid": 64999, "gid": 64999, "groups": []}
    with serving(readable, PYTHON, preexec_fn=two_processes_at_most, **user) as daemon:
        before = descriptors_of(daemon.process.pid)
        daemon.launch("a", "/bin/sleep", "300", **mine)
        daemon.launch("b", "/bin/true", **mine)
        error = "cannot start a process: Resource temporarily unavailable"
        assert daemon.ending("b")["error"] == error
        daemon.channel.send({"op": "end", "id": "a", "grace": 0.0})
        assert daemon.ending("a")["status"] == signal.SIGKILL
        daemon.launch("c", "/bin/true", **mine)
        assert daemon.ending("c")["status"] == 0
        assert descriptors_of(daemon.process.pid) == before


@needs_root
def test_self_test_finds_root_out_of_reach() -> None:
    assert child_module.self_test() == child_module.PROVEN


@needs_root
def test_self_test_finds_credentials_that_were_not_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(child_module, "take_credentials", lambda *_: os.setegid(65534))
    assert child_module.self_test().startswith("a job could become root again: setresuid ")


def test_walk_finds_descendants_parents_first() -> None:
    with child("/bin/sh", "-c", "sh -c 'sleep 300 & echo 1; wait' & wait") as process:
        family: dict[int, processes.Process] = {}
        for one in processes.walk():
            if one.pid == process.pid or one.parent in family:
                family[one.pid] = one
        try:
            assert len(family) == 3
            assert not {one.pid for one in processes.walk({process.pid})} & family.keys()
        finally:
            for one in reversed(family.values()):
                processes.send_signal(one, signal.SIGKILL)


def test_scan_finds_the_same_children_as_the_kernels_list() -> None:
    with child("/bin/sh", "-c", "echo 1; read line") as process:
        here = os.getpid()
        assert sorted(processes.children_by_scan()(here)) == sorted(processes.children_of(here))
        assert process.pid in processes.children_by_scan()(here)


def test_walk_needs_no_list_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    with child("/bin/sh", "-c", "echo 1; read line") as process:
        expected = {one.pid for one in processes.walk()}
        monkeypatch.setattr(processes, "child_listing", processes.children_by_scan)
        assert {one.pid for one in processes.walk()} == expected
        assert process.pid in expected


def test_zombie_does_not_live() -> None:
    pid = os.posix_spawn("/bin/true", ["true"], {})
    assert dead(pid, WAIT_SECONDS)
    process = processes.read_process(pid)
    assert process is not None
    assert not process.live
    os.waitpid(pid, 0)
    assert processes.read_process(pid) is None


def test_process_whose_first_thread_ended_lives() -> None:
    with child(sys.executable, "-c", THREADS) as process:
        state = Path(f"/proc/{process.pid}/stat")
        seconds_until(lambda: state.read_bytes().rpartition(b")")[2].split()[0] == b"Z")
        found = processes.read_process(process.pid)
        assert found is not None
        assert found.live


def test_pid_that_names_another_process_now_is_not_signalled() -> None:
    with child("/bin/sh", "-c", "echo 1; read line") as process:
        found = processes.read_process(process.pid)
        assert found is not None
        found.start -= 1
        processes.send_signal(found, signal.SIGKILL)
        assert not processes.still_live(found)
        assert process.poll() is None


def test_the_start_of_a_quick_command_is_told_with_its_end() -> None:
    with serving() as daemon:
        daemon.launch("a", "/bin/true")
        ending = daemon.hear()
        assert (ending["op"], ending["status"], ending["note"]) == ("ended", 0, "")
        assert ending["pid"] > 0


def test_the_start_of_a_command_that_goes_on_is_told_at_once_and_not_again() -> None:
    with serving() as daemon:
        daemon.launch("a", "/bin/sleep", "300")
        start = daemon.hear()
        assert (start["op"], start["id"]) == ("started", "a")
        os.kill(start["pid"], signal.SIGKILL)
        ending = daemon.hear()
        assert (ending["op"], ending["status"]) == ("ended", signal.SIGKILL)
        assert "pid" not in ending


def test_what_could_not_be_executed_has_no_start() -> None:
    with serving() as daemon:
        daemon.launch("a", "/nowhere")
        ending = daemon.hear()
        assert (ending["op"], ending["status"]) == ("ended", None)
        assert "pid" not in ending


def test_an_end_is_told_without_a_descriptor_to_look_for_leftovers() -> None:
    with serving() as daemon:
        daemon.launch("a", "/bin/sleep", "300")
        pid = daemon.hear()["pid"]
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (3, hard))
        os.kill(pid, signal.SIGKILL)
        assert daemon.ending("a")["status"] == signal.SIGKILL
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (hard, hard))
        daemon.launch("b", "/bin/true")
        assert daemon.ending("b")["status"] == 0


def test_leftovers_of_others_do_not_delay_an_end() -> None:
    """200 of them without an environment; each look at one that sleeps would take 2 ms."""
    orphan = "exec env -i setsid sleep 300"
    with serving() as daemon:
        daemon.launch("a", "/bin/sh", "-c", f"for i in $(seq 200); do ({orphan} &) ; done")
        daemon.ending("a")
        daemon.launch("b", "/bin/true")
        daemon.ending("b")  # by now they are known
        times = []
        for number in range(10):
            began = time.monotonic()
            daemon.launch(f"c{number}", "/bin/true", env=with_badge(f"c{number}"))
            assert daemon.ending(f"c{number}")["left"] == 0
            times.append(time.monotonic() - began)
        assert min(times) < 0.2  # the others tell of what else the machine does
        daemon.channel.send({"op": "stop", "grace": 0.0})
        while (message := daemon.hear())["op"] != "stopped":
            pass
        assert message["survivors"] == []
