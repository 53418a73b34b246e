"""The launcher as the daemon uses it, with real processes."""

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cronjob.core.attempt import Ending
from cronjob.errors import LaunchError
from cronjob.host import guardian_process
from cronjob.host import launcher as launcher_module
from cronjob.host.launcher import GuardedLauncher
from cronjob.host.processes import children_of
from tests.host.descriptors import descriptors_of, own_descriptors
from tests.host.processes import (
    ENVIRONMENT,
    PYTHON,
    WAIT_SECONDS,
    Machine,
    all_dead,
    command,
    dead,
    needs_python,
    needs_root,
    pids_with,
    run,
    seconds_until,
    shell,
    switches_of,
    with_badge,
    with_machine,
)

ROOT = str(Path(__file__).resolve().parents[2])
PDEATHSIG = (
    "import ctypes; n = ctypes.c_int(); ctypes.CDLL(None).prctl(2, ctypes.byref(n)); print(n.value)"
)
#: A daemon that double-forks, tells its pid and stays; TERM ends it.
DOUBLE_FORK = "( setsid sh -c 'echo $$; exec sleep 300' & ) & wait"


pytestmark = pytest.mark.usefixtures("no_process_left")


@pytest.fixture
def no_process_left() -> Iterator[None]:
    """What a test started, or inherited as a subreaper, is dead and reaped when it ends."""
    before = set(children_of(os.getpid()))
    yield
    for pid in set(children_of(os.getpid())) - before:
        assert dead(pid, 5.0)
        os.waitpid(pid, 0)


def test_exit_status_is_the_wait_status() -> None:
    ending, _ = run(shell("exit 3"))
    assert ending == Ending(
        status=3 << 8,
        user_seconds=ending.user_seconds,
        system_seconds=ending.system_seconds,
        max_rss=ending.max_rss,
    )


def test_death_by_signal_is_the_wait_status() -> None:
    ending, _ = run(shell("kill -9 $$"))
    assert ending.status is not None
    assert os.WTERMSIG(ending.status) == signal.SIGKILL


@needs_python
def test_resource_usage_counts_time_and_bytes() -> None:
    script = "x = bytearray(64 << 20)\nfor _ in range(3000000): pass"
    ending, _ = run(command(PYTHON, "-c", script))
    assert ending.user_seconds > 0.02
    assert 64 << 20 < ending.max_rss < 256 << 20


def test_both_streams_keep_their_order() -> None:
    _, output = run(shell("echo 1; echo 2 >&2; echo 3; echo 4 >&2"))
    assert output == "1\n2\n3\n4\n"


@pytest.mark.parametrize("size", [1, 65536, 65537, 200 << 10])
def test_standard_input_is_the_whole_text(size: int) -> None:
    ending, output = run(command("/usr/bin/wc", "-c", stdin="x" * size))
    assert (ending.status, output.strip()) == (0, str(size))


def test_standard_input_text_keeps_its_bytes() -> None:
    assert run(command("/bin/cat", stdin="é\udcff\n"))[1] == "é\udcff\n"


def test_standard_input_without_text_is_at_its_end() -> None:
    assert run(command("/bin/cat"))[0].status == 0


def test_environment_and_arguments_keep_bytes_that_are_not_utf8() -> None:
    job = shell(
        'printf %s "$A$1"; printf %s "$0"', environment={**ENVIRONMENT, "A": "a\udcff\U0001f600"}
    )
    job = command(*job.argv, "w\udc80", "é", environment=job.environment)
    assert run(job)[1] == "a\udcff\U0001f600éw\udc80"


def test_environment_is_exactly_the_one_asked_for() -> None:
    assert run(command("/usr/bin/env", environment={"ONLY": "this"}))[1] == "ONLY=this\n"


def test_large_environment_passes() -> None:
    values = {f"V{number}": "x" * 100_000 for number in range(10)}
    ending, output = run(shell('printf %s "$V9" | wc -c', environment={**ENVIRONMENT, **values}))
    assert (ending.status, output.strip()) == (0, "100000")


def test_only_the_three_standard_descriptors_are_open() -> None:
    _, output = run(command("/bin/ls", "/proc/self/fd", stdin="text"))
    assert output.split() == ["0", "1", "2", "3"]  # 3 is the directory that ls reads


def test_descriptors_without_cloexec_of_the_daemon_are_not_inherited() -> None:
    leak = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(leak, True)
    try:
        assert run(command("/bin/ls", "/proc/self/fd"))[1].split() == ["0", "1", "2", "3"]
    finally:
        os.close(leak)


def test_signals_have_their_defaults_and_none_is_blocked() -> None:
    _, output = run(command("/bin/cat", "/proc/self/status"))
    fields = dict(line.split(":\t", 1) for line in output.splitlines() if ":\t" in line)
    reserved = 0b11 << 31  # 32 and 33 are libc's own; its posix_spawn ignores them
    for name in ("SigIgn", "SigBlk", "SigCgt", "SigPnd"):
        assert int(fields[name], 16) & ~reserved == 0


def test_job_leads_its_own_session() -> None:
    _, output = run(command("/bin/cat", "/proc/self/stat"))
    pid, *fields = output.split()
    assert fields[3:5] == [pid, pid]


def test_umask_is_the_one_asked_for() -> None:
    assert run(shell("umask", umask=0o027))[1] == "0027\n"


def test_command_starts_in_its_directory(tmp_path: Path) -> None:
    assert run(shell("pwd", cwd=str(tmp_path)))[1] == f"{tmp_path}\n"


def test_missing_directory_is_replaced_by_the_root_and_said() -> None:
    async def scenario(machine: Machine) -> None:
        _, output = await machine.run(shell("pwd", cwd="/nosuch/home"))
        note = "cannot enter /nosuch/home: No such file or directory; started in /"
        assert (output, machine.started["job"][1]) == ("/\n", note)

    with_machine(scenario)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/bin/nosuch", "No such file or directory"),
        ("/etc/passwd", "Permission denied"),
        ("/", "Permission denied"),
    ],
)
def test_failed_exec_names_the_file_and_the_cause(path: str, text: str) -> None:
    async def scenario(machine: Machine) -> None:
        ending, _ = await machine.run(command(path))
        assert (ending.status, ending.error) == (None, f"cannot execute {path}: {text}")
        assert machine.order == [("ended", "job")]

    with_machine(scenario)


def test_nul_in_an_argument_is_a_failed_start() -> None:
    ending, _ = run(command("/bin/echo", "a\0b"))
    assert ending.status is None
    assert "null byte" in ending.error


def test_started_comes_before_ended() -> None:
    async def scenario(machine: Machine) -> None:
        ending, _ = await machine.run(command("/bin/true"))
        assert ending.status == 0
        assert machine.order == [("started", "job"), ("ended", "job")]

    with_machine(scenario)


@needs_root
def test_job_of_another_user_has_only_that_users_ids() -> None:
    job = command("/bin/grep", "^\\(Uid\\|Gid\\|Groups\\|CapEff\\)", "/proc/self/status")
    _, output = run(command(*job.argv, uid=65534, gid=65533, groups=(65531, 65532)))
    fields = {line.split(":")[0]: line.split()[1:] for line in output.splitlines()}
    assert fields["Uid"] == ["65534"] * 4
    assert fields["Gid"] == ["65533"] * 4
    assert fields["Groups"] == ["65531", "65532"]
    assert int(fields["CapEff"][0], 16) == 0


@needs_root
def test_job_of_another_user_can_open_its_standard_input_again() -> None:
    nobody = {"uid": 65534, "gid": 65534, "groups": ()}
    for size in (5, 100_000):
        _, output = run(command("/usr/bin/wc", "-c", "/dev/stdin", stdin="x" * size, **nobody))
        assert output.split()[0] == str(size)


@needs_root
def test_root_cannot_be_asked_for_by_minus_one() -> None:
    ending, _ = run(command("/bin/true", uid=-1, gid=65534))
    assert ending.status is None
    assert ending.error.startswith("cannot become user -1 and group 65534: ")


@needs_python
@pytest.mark.parametrize("uid", [0, pytest.param(65534, marks=needs_root)])
def test_death_signal_is_set_after_the_credentials(uid: int) -> None:
    user = {"uid": uid, "gid": uid, "groups": ()} if os.geteuid() == 0 else {}
    assert run(command(PYTHON, "-c", PDEATHSIG, **user))[1] == "9\n"


def test_term_ends_the_tree_within_the_grace() -> None:
    async def scenario(machine: Machine) -> None:
        job = shell("sleep 300 & echo $!; wait", environment=with_badge("a"))
        async with machine.running("a", job) as talk:
            pids = await talk.numbers(1)
            machine.launcher.end("a", 60.0)
            ending = await machine.ending("a")
        assert ending.status is not None
        assert os.WTERMSIG(ending.status) == signal.SIGTERM
        assert (ending.left_behind, ending.survivors) == (0, ())
        assert all(map(dead, pids))

    with_machine(scenario)


def test_ignored_term_is_followed_by_kill_after_the_grace() -> None:
    async def scenario(machine: Machine) -> None:
        async with machine.running("a", shell("trap '' TERM; echo $$; sleep 300")) as talk:
            pids = await talk.numbers(1)
            begin = time.monotonic()
            machine.launcher.end("a", 0.3)
            ending = await machine.ending("a")
            taken = time.monotonic() - begin
        assert ending.status is not None
        assert os.WTERMSIG(ending.status) == signal.SIGKILL
        assert taken >= 0.3
        assert all(map(dead, pids))

    with_machine(scenario)


def test_shorter_second_grace_counts() -> None:
    async def scenario(machine: Machine) -> None:
        async with machine.running("a", shell("trap '' TERM; echo $$; sleep 300")) as talk:
            await talk.numbers(1)
            machine.launcher.end("a", 600.0)
            machine.launcher.end("a", 0.0)
            assert (await machine.ending("a")).status == signal.SIGKILL

    with_machine(scenario)


def test_descendant_that_ignores_term_is_killed_though_the_first_process_left() -> None:
    async def scenario(machine: Machine) -> None:
        script = "sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & wait"
        async with machine.running("a", shell(script, environment=with_badge("a"))) as talk:
            pids = await talk.numbers(1)
            machine.launcher.end("a", 0.3)
            ending = await machine.ending("a")
        assert ending.status == signal.SIGTERM
        assert all(map(dead, pids))

    with_machine(scenario)


@pytest.mark.parametrize("grace", [0.0, 60.0])
def test_end_reaches_other_sessions_and_orphans(grace: float) -> None:
    async def scenario(machine: Machine) -> None:
        script = "setsid sh -c 'echo $$; exec sleep 300' & " + DOUBLE_FORK + "; sleep 300"
        async with machine.running("a", shell(script, environment=with_badge("a"))) as talk:
            pids = await talk.numbers(2)
            machine.launcher.end("a", grace)
            ending = await machine.ending("a")
        assert ending.survivors == ()
        assert all(map(dead, pids))
        assert pids_with("CRONJOB_RUN=run-a") == []

    with_machine(scenario)


def test_end_reaches_what_an_orphan_started_without_its_environment() -> None:
    async def scenario(machine: Machine) -> None:
        inner = 'env -i /usr/bin/setsid /bin/sh -c "echo \\$\\$; exec sleep 300" & wait'
        script = f"( setsid sh -c '{inner}' & ) & wait; sleep 300"
        async with machine.running("a", shell(script, environment=with_badge("a"))) as talk:
            pids = await talk.numbers(1)
            machine.launcher.end("a", 0.0)
            await machine.ending("a")
        assert all(map(dead, pids))

    with_machine(scenario)


def test_end_of_one_attempt_leaves_the_orphans_of_another() -> None:
    async def scenario(machine: Machine) -> None:
        script = DOUBLE_FORK + "; sleep 300"
        first = shell(script, environment=with_badge("a"))
        second = shell(script, environment=with_badge("b"))
        async with machine.running("a", first) as a, machine.running("b", second) as b:
            (mine,), (others,) = await a.numbers(1), await b.numbers(1)
            machine.launcher.end("a", 0.0)
            await machine.ending("a")
            assert dead(mine)
            assert not dead(others)
            assert "b" not in machine.endings

    with_machine(scenario)


def test_end_of_an_unknown_attempt_does_nothing() -> None:
    async def scenario(machine: Machine) -> None:
        machine.launcher.end("nobody", 0.0)
        ending, _ = await machine.run(command("/bin/true"))
        machine.launcher.end("job", 0.0)
        assert ending.status == 0

    with_machine(scenario)


def test_end_right_after_launch_is_not_lost_on_the_way_to_exec() -> None:
    async def scenario(machine: Machine) -> None:
        output = os.open("/dev/null", os.O_WRONLY)
        for number in range(20):
            machine.launcher.launch(str(number), command("/bin/sleep", "300"), output)
            machine.launcher.end(str(number), 600.0)
        os.close(output)
        for number in range(20):
            assert (await machine.ending(str(number))).status == signal.SIGTERM

    with_machine(scenario)


def test_processes_left_behind_are_counted_and_not_touched() -> None:
    async def scenario(machine: Machine) -> None:
        double_fork = "(setsid sh -c 'echo $$; exec sleep 300' &)"
        script = f"setsid sleep 300 & echo $!; sleep 300 & echo $!; {double_fork}; exit 0"
        async with machine.running("a", shell(script, environment=with_badge("a"))) as talk:
            pids = await talk.numbers(3)
            ending = await machine.ending("a")
            assert (ending.status, ending.left_behind) == (0, 3)
            assert not any(map(dead, pids))
            ending, _ = await machine.run(shell("exit 0", environment=with_badge("b")), "b")
            assert ending.left_behind == 0, "another attempt's orphans are not counted"
            await machine.launcher.stop(5.0)
            assert all(map(dead, pids))
            assert machine.launcher.survivors == ()

    with_machine(scenario)


def test_stop_reports_running_attempts_and_kills_what_ignores_term() -> None:
    async def scenario(machine: Machine) -> None:
        stubborn, meek = shell("trap '' TERM; echo 1; sleep 300"), shell("echo 1; sleep 300")
        async with machine.running("a", stubborn) as a, machine.running("b", meek) as b:
            await a.numbers(1)
            await b.numbers(1)
            guarding = machine.launcher.guardian_pid
            await machine.launcher.stop(0.3)
        assert machine.endings["a"].status == signal.SIGKILL
        assert machine.endings["b"].status == signal.SIGTERM
        assert machine.order.index(("ended", "b")) < machine.order.index(("ended", "a"))
        assert guarding is not None
        assert dead(guarding)

    with_machine(scenario)


def test_launch_after_stop_is_refused() -> None:
    async def scenario(machine: Machine) -> None:
        await machine.launcher.stop(0.0)
        ending, _ = await machine.run(command("/bin/true"))
        assert ending == Ending(error="the launcher is stopping")

    with_machine(scenario)


def test_three_hundred_launches_at_once_all_end_well() -> None:
    async def scenario(machine: Machine) -> None:
        before = own_descriptors()
        guarding = machine.launcher.guardian_pid
        assert guarding is not None
        open_there = descriptors_of(guarding)
        output = os.open("/dev/null", os.O_WRONLY)
        for number in range(300):
            machine.launcher.launch(str(number), command("/bin/true"), output)
        os.close(output)
        await machine.until(lambda: len(machine.endings) == 300)
        assert {ending.status for ending in machine.endings.values()} == {0}
        assert len(machine.started) == 300
        assert (own_descriptors(), descriptors_of(guarding)) == (before, open_there)

    with_machine(scenario)


def test_guardian_without_descriptors_fails_starts_and_recovers() -> None:
    async def scenario(machine: Machine) -> None:
        guarding = machine.launcher.guardian_pid
        assert guarding is not None
        await machine.run(command("/bin/true"), "warm")
        open_before = descriptors_of(guarding)
        limits = resource.prlimit(guarding, resource.RLIMIT_NOFILE)
        for spare in (0, 1, 2, 4, 9):
            low = (len(open_before) + spare, limits[1])
            resource.prlimit(guarding, resource.RLIMIT_NOFILE, low)
            ending, _ = await machine.run(command("/bin/cat", stdin="text"), f"low{spare}")
            assert ending.error == "cannot start a process: Too many open files"
        resource.prlimit(guarding, resource.RLIMIT_NOFILE, limits)
        ending, output = await machine.run(command("/bin/cat", stdin="text"), "high")
        assert (ending.status, output) == (0, "text")
        assert descriptors_of(guarding) == open_before

    with_machine(scenario)


def test_idle_guardian_never_wakes() -> None:
    async def scenario(machine: Machine) -> None:
        guarding = machine.launcher.guardian_pid
        assert guarding is not None
        async with machine.running("a", shell("sleep 300 & echo $!; wait")) as talk:
            await talk.numbers(1)
            await machine.until(lambda: "a" in machine.started)
            assert not dead(guarding, 0.2)  # it has told so, and goes to sleep
            before = switches_of(guarding)
            assert not dead(guarding, 2.0)
            assert switches_of(guarding) == before

    with_machine(scenario)


def test_lost_guardian_is_replaced_and_its_orphans_are_gone() -> None:
    async def scenario(machine: Machine) -> None:
        script = "sleep 300 & echo $!; setsid sleep 300 & echo $!; " + DOUBLE_FORK + "; sleep 300"
        script = "echo $$; " + script
        async with machine.running("a", shell(script, environment=with_badge("a"))) as talk:
            pids = await talk.numbers(4)
            await machine.until(lambda: "a" in machine.started)
            first = machine.launcher.guardian_pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            ending = await machine.ending("a")
            assert ending == Ending(lost=True)
            assert all(map(dead, pids))
            assert [what for what, _ in machine.order] == ["started", "lost", "ended"]
        ending, output = await machine.run(shell("echo again"), "b")
        assert (ending.status, output) == (0, "again\n")
        assert machine.launcher.guardian_pid not in (None, first)
        assert machine.losses == 1
        assert not set(children_of(os.getpid())) & {first, *pids}, "all of them are reaped"

    with_machine(scenario)


def test_own_children_of_the_daemon_survive_the_loss_of_the_guardian() -> None:
    async def scenario(machine: Machine) -> None:
        own = await asyncio.create_subprocess_exec("sleep", "300")
        assert machine.launcher.guardian_pid is not None
        os.kill(machine.launcher.guardian_pid, signal.SIGKILL)
        await machine.run(command("/bin/true"))
        assert not dead(own.pid)
        own.kill()
        assert await own.wait() == -signal.SIGKILL

    with_machine(scenario)


def test_launch_without_a_guardian_waits_for_the_next_one() -> None:
    async def scenario(machine: Machine) -> None:
        assert machine.launcher.guardian_pid is not None
        os.kill(machine.launcher.guardian_pid, signal.SIGKILL)
        await machine.until(lambda: machine.losses)
        assert machine.launcher.guardian_pid is None
        ending, output = await machine.run(command("/bin/cat", stdin="kept"))
        assert (ending.status, output) == (0, "kept")

    with_machine(scenario)


def test_attempt_that_waits_for_a_guardian_can_be_ended() -> None:
    async def scenario(machine: Machine) -> None:
        assert machine.launcher.guardian_pid is not None
        os.kill(machine.launcher.guardian_pid, signal.SIGKILL)
        await machine.until(lambda: machine.losses)
        with open(os.devnull, "wb") as output:
            machine.launcher.launch("a", command("/bin/sleep", "300"), output.fileno())
        machine.launcher.end("a", 0.0)
        assert await machine.ending("a") == Ending(error="it was ended before it was started")

    with_machine(scenario)


def test_guardian_that_cannot_start_again_fails_what_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(machine: Machine) -> None:
        monkeypatch.setattr(sys, "executable", "/bin/false")
        assert machine.launcher.guardian_pid is not None
        os.kill(machine.launcher.guardian_pid, signal.SIGKILL)
        await machine.until(lambda: machine.losses)
        ending, _ = await machine.run(command("/bin/true"), "a")
        assert ending == Ending(error="the launcher ended before it was ready")
        monkeypatch.undo()
        ending, _ = await machine.run(command("/bin/true"), "b")
        assert ending.status == 0

    with_machine(scenario)


@pytest.mark.parametrize(
    ("script", "patience", "text"),
    [
        ("raise SystemExit(1)", WAIT_SECONDS, "the launcher ended before it was ready"),
        (
            "import socket, sys; s = socket.socket(fileno=int(sys.argv[1]));"
            """s.sendall(b'\\0\\0\\0\\x26[{"op": "refused", "error": "unsafe"}]')""",
            WAIT_SECONDS,
            "unsafe",
        ),
        ("import signal; signal.pause()", 0.2, "the launcher was not ready within 0 s"),
    ],
)
def test_start_fails_with_the_reason(
    script: str, patience: float, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "guardian_main.py"
    path.write_text(script)
    monkeypatch.setattr(guardian_process, "SCRIPT", str(path))
    monkeypatch.setattr(launcher_module, "READY_SECONDS", patience)

    async def main() -> None:
        launcher = GuardedLauncher(started=lambda *_: None, ended=lambda *_: None)
        with pytest.raises(LaunchError, match=f"^{text}$"):
            await launcher.start()
        await launcher.stop(0.0)

    asyncio.run(main())


DAEMON = """
import asyncio, os, sys
from cronjob.host.launcher import GuardedLauncher
from cronjob.ports import Command

async def main():
    launcher = GuardedLauncher(started=lambda *_: None, ended=lambda *_: None)
    await launcher.start()
    environment = {"PATH": "/usr/bin:/bin", "CRONJOB_RUN": sys.argv[1], "CRONJOB_ATTEMPT": "1"}
    for number, script in enumerate(sys.argv[2:]):
        job = Command(argv=("/bin/sh", "-c", script), environment=environment, cwd="/",
                      uid=os.getuid(), gid=os.getgid(), groups=tuple(os.getgroups()))
        launcher.launch(str(number), job, 1)
    await asyncio.Event().wait()

asyncio.run(main())
"""
SCRIPTS = [
    "echo $$; sleep 300",
    "echo $$; setsid sleep 300 & echo $!; wait",
    DOUBLE_FORK,
    "setsid sh -c 'sleep 300 & echo $!; trap \"\" TERM HUP; echo $$; wait; sleep 300' & wait",
]
LINES = 1 + 2 + 1 + 2


def test_killed_daemon_leaves_no_process(capsys: pytest.CaptureFixture[str]) -> None:
    times = []
    for turn in range(5):
        run_key = f"killed-{os.getpid()}-{turn}"
        with subprocess.Popen(
            [sys.executable, "-c", DAEMON, run_key, *(SCRIPTS * 5)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": ROOT},
            cwd="/",
        ) as daemon:
            assert daemon.stdout is not None
            try:
                pids = [int(daemon.stdout.readline()) for _ in range(5 * LINES)]
                assert not any(map(dead, pids))
            finally:
                begin = time.monotonic()
                daemon.kill()
            assert all(dead(pid, WAIT_SECONDS) for pid in pids)
            seconds_until(lambda key=run_key: not pids_with(f"CRONJOB_RUN={key}"))  # type: ignore[misc] # bound now
            times.append(time.monotonic() - begin)
    with capsys.disabled():
        sys.stdout.write(f" [no survivor after at most {max(times) * 1000:.0f} ms] ")
    assert min(times) < 0.5  # the others tell of what else the machine does


def test_signals_for_the_daemons_group_do_not_reach_the_guardian() -> None:
    async def scenario(machine: Machine) -> None:
        guarding = machine.launcher.guardian_pid
        assert guarding is not None
        assert os.getsid(guarding) == guarding
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            os.kill(guarding, number)
        ending, _ = await machine.run(command("/bin/true"))
        assert (ending.status, machine.losses) == (0, 0)

    with_machine(scenario)


def test_failing_callback_does_not_cost_another_report() -> None:
    async def main() -> None:
        heard: list[str] = []
        done = asyncio.Event()
        asyncio.get_running_loop().set_exception_handler(lambda *_: heard.append("error"))

        def ended(name: str, *_: object) -> None:
            heard.append(name)
            if "b" in heard:
                done.set()
            raise ValueError

        launcher = GuardedLauncher(started=lambda *_: None, ended=ended)
        await launcher.start()
        with contextlib.suppress(OSError), open(os.devnull, "wb") as output:
            launcher.launch("a", command("/bin/true"), output.fileno())
            launcher.launch("b", command("/bin/true"), output.fileno())
        async with asyncio.timeout(WAIT_SECONDS):
            await done.wait()
        await launcher.stop(0.0)
        assert sorted(heard) == ["a", "b", "error", "error"]

    asyncio.run(main())


def test_orphans_that_ended_are_reaped_by_the_guardian() -> None:
    async def scenario(machine: Machine) -> None:
        script = "( setsid sh -c 'echo $$; read line' < /proc/self/fd/0 & ) & wait; exit 0"
        reading, writing = os.pipe()
        os.close(reading)
        os.close(writing)
        async with machine.running("a", shell(script, environment=with_badge("a"))) as talk:
            pids = await talk.numbers(1)
            await machine.ending("a")
            await all_dead(pids)
        ending, _ = await machine.run(command("/bin/true"), "b")
        assert ending.left_behind == 0
        assert not Path(f"/proc/{pids[0]}").exists()

    with_machine(scenario)
