"""Attempts in cgroups of their own, in a group that is delegated to this process for the test."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cronjob.host import cgroup
from tests.host.processes import (
    ENVIRONMENT,
    Machine,
    all_dead,
    dead,
    seconds_until,
    shell,
    with_badge,
    with_machine,
)

#: A daemon of the old kind: it leaves its session, its parents and its environment.
ESCAPE = "( env -i setsid sh -c 'env -i setsid sh -c \"echo \\$\\$; exec sleep 300\" &' & )"


def remove(group: Path) -> None:
    """Kill what is in `group` and below, and remove it."""
    cgroup.kill_group(str(group))
    seconds_until(lambda: "populated 0" in (group / "cgroup.events").read_text())
    for directory, _, _ in os.walk(group, topdown=False):
        os.rmdir(directory)


@pytest.fixture
def delegated() -> Iterator[Path]:
    """A group that systemd would have handed over, with this process in it."""
    home = cgroup.own_group()
    if home is None or not os.access(home, os.W_OK):
        pytest.skip("there is no cgroup v2 in which this user may make a group")
    group = Path(home) / f"cronjob-test-{os.getpid()}"
    try:
        group.mkdir()
        os.setxattr(group, cgroup.DELEGATION[0], b"1")
    except OSError as error:
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip(f"no group can be made here: {error}")
    (group / "cgroup.procs").write_text(str(os.getpid()))
    yield group
    (Path(home) / "cgroup.procs").write_text(str(os.getpid()))
    remove(group)


def groups(delegated: Path) -> list[Path]:
    return [path for path in (delegated / "attempts").iterdir() if path.is_dir()]


def test_group_without_the_mark_is_left_alone(delegated: Path) -> None:
    os.removexattr(delegated, cgroup.DELEGATION[0])
    assert cgroup.delegated_group() is None
    os.setxattr(delegated, cgroup.DELEGATION[1], b"1")
    assert cgroup.delegated_group() == str(delegated)


def test_daemon_and_guardian_stand_beside_the_attempts(delegated: Path) -> None:
    async def scenario(machine: Machine) -> None:
        inside = (delegated / "supervisor" / "cgroup.procs").read_text().split()
        assert {str(os.getpid()), str(machine.launcher.guardian_pid)} <= {*inside}
        assert (delegated / "cgroup.procs").read_text() == ""
        assert machine.launcher.limits_by.startswith("a cgroup for each attempt")
        _, output = await machine.run(shell("grep ^0:: /proc/self/cgroup"))
        assert output.rpartition("/")[0].endswith(f"/{delegated.name}/attempts")

    with_machine(scenario)


def test_group_goes_with_its_attempt(delegated: Path) -> None:
    async def scenario(machine: Machine) -> None:
        for number in range(10):
            assert (await machine.run(shell("true"), str(number)))[0].status == 0
        assert groups(delegated) == []

    with_machine(scenario)


def test_groups_of_a_launcher_that_was_killed_go_with_its_successor(delegated: Path) -> None:
    async def scenario(machine: Machine) -> None:
        ending, _ = await machine.run(shell("kill -9 $PPID; sleep 300"), "killer")
        assert ending.lost
        assert (await machine.run(shell("true")))[0].status == 0
        assert groups(delegated) == []

    with_machine(scenario)


@pytest.mark.parametrize("grace", [0.0, 60.0])
def test_end_reaches_what_no_walk_could_tell_from_a_stranger(delegated: Path, grace: float) -> None:
    async def scenario(machine: Machine) -> None:
        script = f"{ESCAPE}; sleep 300"
        async with (
            machine.running("a", shell(script)) as a,
            machine.running("b", shell(script)) as b,
        ):
            (mine,), (others,) = await a.numbers(1), await b.numbers(1)
            assert len(groups(delegated)) == 2
            machine.launcher.end("a", grace)
            ending = await machine.ending("a")
            assert ending.survivors == ()
            assert dead(mine)
            assert not dead(others)
            assert "b" not in machine.endings
        assert len(groups(delegated)) == 1

    with_machine(scenario)


def test_end_kills_in_one_stroke_what_multiplies(delegated: Path) -> None:
    async def scenario(machine: Machine) -> None:
        script = "trap '' TERM; echo 1; while :; do setsid sleep 300 & sleep 0.001; done"
        async with machine.running("a", shell(script)) as talk:
            await talk.numbers(1)
            (group,) = groups(delegated)
            machine.launcher.end("a", 0.1)
            ending = await machine.ending("a")
        assert (ending.status, ending.survivors) == (signal.SIGKILL, ())
        assert not group.exists() or (group / "cgroup.procs").read_text() == ""

    with_machine(scenario)


def test_processes_left_behind_keep_their_group_until_the_stop(delegated: Path) -> None:
    async def scenario(machine: Machine) -> None:
        script = f"{ESCAPE}; sleep 0.05"
        async with machine.running("a", shell(script)) as talk:
            pids = await talk.numbers(1)
            ending = await machine.ending("a")
            assert (ending.status, ending.left_behind) == (0, 1)
            assert not dead(pids[0])
            ending, _ = await machine.run(shell("exit 0"), "b")
            assert ending.left_behind == 0
            assert len(groups(delegated)) == 1
            await machine.launcher.stop(5.0)
        assert all(map(dead, pids))
        assert groups(delegated) == []

    with_machine(scenario)


def test_group_of_a_process_left_behind_goes_when_it_ends(delegated: Path) -> None:
    async def scenario(machine: Machine) -> None:
        async with machine.running("a", shell(f"{ESCAPE}; sleep 0.05")) as talk:
            (pid,) = await talk.numbers(1)
            await machine.ending("a")
            os.kill(pid, signal.SIGKILL)
            await all_dead([pid])
        await machine.run(shell("exit 0"), "b")
        assert groups(delegated) == []

    with_machine(scenario)


def test_group_that_the_command_made_below_its_own_goes_too(delegated: Path) -> None:
    async def scenario(machine: Machine) -> None:
        inside = f"{delegated}/attempts/*.1"
        script = (
            f"cd {inside} && mkdir sub && sh -c 'echo 0 > sub/cgroup.procs; echo $$; sleep 300'"
        )
        async with machine.running("a", shell(script)) as talk:
            (pid,) = await talk.numbers(1)
            machine.launcher.end("a", 0.0)
            await machine.ending("a")
        assert dead(pid)
        assert groups(delegated) == []

    with_machine(scenario)


@pytest.mark.usefixtures("delegated")
def test_time_of_processes_that_nobody_waited_for_is_counted(tmp_path: Path) -> None:
    async def scenario(machine: Machine) -> None:
        fifo = tmp_path / "fifo"
        busy = f"i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo > {fifo}"
        ending, _ = await machine.run(
            shell(f"mkfifo {fifo}; (setsid sh -c '{busy}' &); read x < {fifo}")
        )
        assert ending.user_seconds + ending.system_seconds > 0.03
        assert ending.max_rss > 0

    with_machine(scenario)


@pytest.mark.usefixtures("delegated")
def test_death_of_the_launcher_leaves_nothing_in_the_groups() -> None:
    async def scenario(machine: Machine) -> None:
        async with machine.running(
            "a", shell(f"{ESCAPE}; sleep 300", environment=with_badge("a"))
        ) as a:
            pids = await a.numbers(1)
            guarding = machine.launcher.guardian_pid
            assert guarding is not None
            os.kill(guarding, signal.SIGKILL)
            assert (await machine.ending("a")).lost
            await all_dead(pids)
        ending, output = await machine.run(shell("grep ^0:: /proc/self/cgroup"), "b")
        assert (ending.status, "/attempts/" in output) == (0, True)

    with_machine(scenario)


@pytest.mark.parametrize(
    ("memory", "cpu", "controllers", "values"),
    [
        (None, None, {"cpu", "memory"}, {}),
        (1 << 20, None, {"memory"}, {"memory.max": "1048576", "memory.oom.group": "1"}),
        (1 << 20, 50, {"cpu"}, {"cpu.max": "50000 100000"}),
        (None, 250, {"cpu"}, {"cpu.max": "250000 100000"}),
        (1 << 20, 50, set(), {}),
    ],
)
def test_limits_are_values_of_the_controllers_that_are_there(
    memory: int | None, cpu: int | None, controllers: set[str], values: dict[str, str]
) -> None:
    assert cgroup.values_of(memory, cpu, controllers) == values


def test_limit_that_the_kernel_refuses_is_a_failed_start(
    delegated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroup, "values_of", lambda *_: {"cgroup.freeze": "nonsense"})

    async def scenario(machine: Machine) -> None:
        ending, _ = await machine.run(shell("true", environment=ENVIRONMENT))
        assert (ending.status, ending.error) == (None, "cannot start a process: Invalid argument")
        assert groups(delegated) == []

    with_machine(scenario)
