"""What a killed daemon and its launcher left is found among all processes, and nothing else is."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cronjob.core.found import OpenAttempt, ProcessKey
from cronjob.host import leftovers
from cronjob.host.guardian_process import SCRIPT
from cronjob.host.leftovers import Swept, end_leftovers
from cronjob.host.processes import PR_SET_CHILD_SUBREAPER, Process, boot_ticks, prctl, read_process
from tests.host.processes import dead

RUN = f"leftover{os.getpid()}@2026-03-01T09:00Z"
BADGE = {"CRONJOB_RUN": RUN, "CRONJOB_ATTEMPT": "1"}
PLAIN = {"PATH": "/usr/bin:/bin"}


class Orphans:
    """Processes that were started below one that is gone; each has written its pid."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self.pids: list[int] = []

    def start(
        self, script: str, environment: dict[str, str] | None = None, *, pids: int = 1
    ) -> list[int]:
        """Run `script` in a session of its own, as the child of a process that ends at once."""
        self._count += 1
        fifo = self._folder / f"fifo{self._count}"
        os.mkfifo(fifo)
        with subprocess.Popen(
            ["/bin/sh", "-c", f"setsid sh -c '{script}' > {fifo} &"],
            env={**PLAIN, **(environment or {})},
        ) as parent:
            with open(fifo, encoding="ascii") as lines:
                found = [int(lines.readline()) for _ in range(pids)]
            assert parent.wait() == 0
        self.pids += found
        return found


@pytest.fixture
def orphans(tmp_path: Path) -> Iterator[Orphans]:
    prctl(PR_SET_CHILD_SUBREAPER, 0)  # or they would fall to this process, which is spared
    found = Orphans(tmp_path)
    try:
        yield found
    finally:
        for pid in found.pids:
            if not dead(pid):
                os.kill(pid, signal.SIGKILL)


def attempt(pid: int | None = None, ticks: int | None = None, number: int = 1) -> OpenAttempt:
    process = None if pid is None else ProcessKey(pid, boot_ticks() if ticks is None else ticks)
    return OpenAttempt(RUN, number, process, "this boot")


def end(*attempts: OpenAttempt, launcher: ProcessKey | None = None) -> Swept:
    return asyncio.run(end_leftovers(attempts, launcher))


def start_of(pid: int) -> int:
    process = read_process(pid)
    assert process is not None
    return process.start


SLEEP = "echo $$; exec sleep 300"


def test_what_has_the_badge_is_ended_though_its_pid_was_never_recorded(
    orphans: Orphans,
) -> None:
    (pid,) = orphans.start(SLEEP, BADGE)
    assert end(attempt()) == Swept(ended=1)
    assert dead(pid)


def test_one_in_the_middle_of_an_exec_is_looked_at_until_its_environment_shows(
    orphans: Orphans, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pid,) = orphans.start(SLEEP, BADGE)
    shown, looks = Process.environment, iter(range(1000))

    def environment(process: Process) -> set[bytes] | None:
        return None if process.pid == pid and next(looks) < 25 else shown(process)

    monkeypatch.setattr(Process, "environment", environment)
    assert end(attempt()) == Swept(ended=1)


def test_one_that_never_shows_its_environment_is_not_waited_for_without_end(
    orphans: Orphans, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pid,) = orphans.start(SLEEP, BADGE)
    monkeypatch.setattr(leftovers, "DOUBT_SECONDS", 0.05)
    monkeypatch.setattr(Process, "environment", lambda _: None)
    assert end(attempt()) == Swept()
    assert not dead(pid)


def test_what_was_started_by_something_with_the_badge_is_ended_without_it(orphans: Orphans) -> None:
    pids = orphans.start(
        'echo $$; env -i setsid sh -c "echo \\$\\$; exec sleep 300" & wait', BADGE, pids=2
    )
    assert end(attempt()) == Swept(ended=2)
    assert all(map(dead, pids))


def test_the_session_of_an_attempt_is_ended_without_the_badge(orphans: Orphans) -> None:
    pids = orphans.start("echo $$; sleep 300 & echo $!; wait", pids=2)
    assert end(attempt(pids[0])) == Swept(ended=2)
    assert all(map(dead, pids))


def test_who_is_left_of_a_session_is_ended_when_its_leader_is_dead(orphans: Orphans) -> None:
    leader, left = orphans.start("echo $$; sleep 300 & echo $!; exec >&-; kill -9 $$", pids=2)
    assert dead(leader, 10)
    assert end(attempt(leader)) == Swept(ended=1)
    assert dead(left)


def test_a_stranger_with_the_pid_of_an_attempt_is_left_alone(orphans: Orphans) -> None:
    pids = orphans.start("echo $$; sleep 300 & echo $!; wait", pids=2)
    assert end(attempt(pids[0], ticks=start_of(pids[0]) - 1)) == Swept()
    assert not any(map(dead, pids))


def test_other_attempts_and_other_runs_are_left_alone(orphans: Orphans) -> None:
    (other,) = orphans.start(SLEEP, {**BADGE, "CRONJOB_ATTEMPT": "2"})
    (longer,) = orphans.start(SLEEP, {**BADGE, "CRONJOB_RUN": f"{RUN}#2"})
    (half,) = orphans.start(SLEEP, {"CRONJOB_RUN": RUN})
    assert end(attempt()) == Swept()
    assert not any(map(dead, (other, longer, half)))


def test_what_a_living_launcher_has_in_its_care_is_left_alone(
    orphans: Orphans, tmp_path: Path
) -> None:
    """A second daemon may run commands of the same names."""
    launcher = tmp_path / os.path.basename(SCRIPT)
    launcher.write_text(
        "import subprocess\nsubprocess.run(['sh', '-c', 'echo $$; exec sleep 300'])\n"
    )
    (pid,) = orphans.start(f"exec {sys.executable} {launcher}", BADGE)
    assert end(attempt()) == Swept()
    assert not dead(pid)


def test_a_daemon_that_an_attempt_has_started_spares_itself_and_what_started_it() -> None:
    code = (
        "import asyncio, os, subprocess\n"
        "from cronjob.core.found import OpenAttempt\n"
        "from cronjob.host.leftovers import end_leftovers\n"
        "child = subprocess.Popen(['sleep', '300'])\n"
        f"swept = asyncio.run(end_leftovers([OpenAttempt({RUN!r}, 1, None, '')], None))\n"
        "print(swept.ended, child.poll())\n"
        "child.kill(); child.wait()\n"
    )
    result = subprocess.run(
        ["/bin/sh", "-c", '"$0" -c "$1"; echo over', sys.executable, code],
        env={**os.environ, **BADGE},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert result.stdout == "0 None\nover\n", result.stderr


def test_who_forks_all_the_time_is_ended_too(orphans: Orphans) -> None:
    (pid,) = orphans.start("echo $$; while :; do setsid sleep 300 & done", BADGE)
    swept = end(attempt())
    assert dead(pid)
    assert not swept.survivors
    assert end(attempt()) == Swept()


def test_the_launcher_of_a_killed_daemon_is_waited_for() -> None:
    with subprocess.Popen(["sleep", "0.2"]) as launcher:
        swept = end(launcher=ProcessKey(launcher.pid, start_of(launcher.pid)))
        assert launcher.poll() == 0
    assert swept == Swept()


def test_a_launcher_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "LAUNCHER_SECONDS", 0.1)
    with subprocess.Popen(["sleep", "300"]) as launcher:
        end(launcher=ProcessKey(launcher.pid, start_of(launcher.pid)))
        assert launcher.wait() == -signal.SIGKILL


def test_a_process_that_has_the_pid_of_the_launcher_now_is_not_waited_for() -> None:
    with subprocess.Popen(["sleep", "300"]) as stranger:
        end(launcher=ProcessKey(stranger.pid, start_of(stranger.pid) - 1))
        assert stranger.poll() is None, "it would have been killed in the end"
        stranger.kill()


def test_nobody_is_looked_at_when_no_attempt_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "_all_processes", lambda: pytest.fail("it looked"))
    assert end() == Swept()
