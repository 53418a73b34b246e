"""Commands that turn against the launcher, themselves or each other."""

import asyncio
import os
import signal
import time

import pytest

from cronjob.host.processes import children_of
from tests.host.processes import (
    Machine,
    all_dead,
    command,
    dead,
    shell,
    with_badge,
    with_machine,
)

MANY = 64


async def start_many(machine: Machine, script: str) -> list[int]:
    """Start many attempts of `script`, which prints its pids; wait for them."""
    reading, writing = os.pipe()
    for number in range(MANY):
        job = shell(script, environment=with_badge(str(number)))
        machine.launcher.launch(f"many{number}", job, writing)
    os.close(writing)
    await machine.until(lambda: sum(name.startswith("many") for name in machine.started) == MANY)
    pids: list[int] = []
    while len(pids) < 2 * MANY:
        text = await asyncio.to_thread(os.read, reading, 1 << 16)
        pids += [int(line) for line in text.split()]
    os.close(reading)
    return pids


def test_command_that_kills_the_launcher_loses_all_and_the_next_is_up_at_once() -> None:
    async def scenario(machine: Machine) -> None:
        pids = await start_many(machine, "setsid sh -c 'echo $$; exec sleep 300' & echo $$; wait")
        begin = time.monotonic()
        ending, _ = await machine.run(shell("kill -9 $PPID; sleep 300"), "killer")
        assert ending.lost
        assert len(machine.endings) == MANY + 1
        assert all(one.lost for one in machine.endings.values())
        assert machine.losses == 1
        ending, _ = await machine.run(command("/bin/true"), "next")
        assert ending.status == 0
        assert time.monotonic() - begin < 10.0  # a second attempt to start one comes later
        await all_dead(pids)

    with_machine(scenario)


@pytest.mark.parametrize("script", ["kill -9 0", "kill -9 -$$", "trap '' TERM; kill 0; kill -9 0"])
def test_command_that_kills_its_process_group_kills_nobody_else(script: str) -> None:
    async def scenario(machine: Machine) -> None:
        async with machine.running("bystander", shell("echo $$; sleep 300")) as talk:
            (pid,) = await talk.numbers(1)
            ending, _ = await machine.run(shell(f"sleep 300 & {script}"))
            assert ending.status == signal.SIGKILL
            assert not dead(pid)
            assert machine.losses == 0

    with_machine(scenario)


def test_two_runs_of_an_entry_that_both_daemonise_do_not_share_an_end() -> None:
    """What one left for the launcher to adopt is told from that of the other by its run."""

    async def scenario(machine: Machine) -> None:
        inner = 'echo $$; (setsid sh -c "echo \\$\\$; exec sleep 300" &)'
        script = f"(setsid sh -c '{inner}' &); sleep 300"
        one = shell(script, environment={**with_badge("same@10:00"), "CRONJOB_NAME": "same"})
        two = shell(script, environment={**with_badge("same@10:01"), "CRONJOB_NAME": "same"})
        async with machine.running("one", one) as a, machine.running("two", two) as b:
            _, mine = await a.numbers(2)
            _, other = await b.numbers(2)
            machine.launcher.end("one", 0.2)
            ending = await machine.ending("one")
            assert ending.survivors == ()
            assert dead(mine)
            assert not dead(other)
            assert "two" not in machine.endings

    with_machine(scenario)


def test_flood_of_launches_and_ends_leaves_nothing_behind() -> None:
    async def scenario(machine: Machine) -> None:
        output = os.open(os.devnull, os.O_WRONLY)
        for number in range(300):
            machine.launcher.launch(str(number), shell("sleep 300 & wait"), output)
            if number % 2:
                machine.launcher.end(str(number), 0.0)
        os.close(output)
        for number in range(1, 300, 2):
            await machine.ending(str(number))
        for number in range(0, 300, 2):
            machine.launcher.end(str(number), 5.0)
        for number in range(0, 300, 2):
            assert (await machine.ending(str(number))).status == signal.SIGTERM
        assert machine.launcher.guardian_pid is not None
        assert children_of(machine.launcher.guardian_pid) == []

    with_machine(scenario)
