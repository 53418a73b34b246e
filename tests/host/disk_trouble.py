"""A program: one recorder on a disk that is full, read-only or forbidden, until it is not any more.

It is run in a mount namespace of its own, with a small file system for nobody else at /mnt.
"""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from cronjob.core.output import Kept
from cronjob.core.record import Change, Progress
from cronjob.host.history import recorder as recorder_module
from cronjob.host.history.database import NAME
from tests.host.changes import START, one_run, run_of
from tests.host.recording import HANG, Recording

MOUNT = Path("/mnt")
STATE = MOUNT / "disk"
NOBODY = 65534
OUTPUT = Kept(b"h" * 16384, b"t" * 16384, 1)


def mount(*words: str) -> None:
    subprocess.run(["mount", *words, str(STATE)], check=True)


async def record(recording: Recording, changes: tuple[Change, ...]) -> None:
    """Record a run that has printed much."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    outputs = {f"{run_of(changes).key}/1": OUTPUT}
    recording.recorder.record(changes, lambda: done.set_result(None), outputs=outputs)
    async with asyncio.timeout(HANG):
        await done


async def full() -> None:
    """The disk fills up, and is made larger."""
    mount("-t", "tmpfs", "-o", "size=1m,mode=700", "none")
    async with Recording(STATE) as recording:
        number = 0
        while recording.recorder.away_since is None:
            await record(recording, one_run(number))
            number += 1
        assert 5 < number < 100, number
        assert "database or disk is full" in (await recording.hear("history-away")).text
        check()
        for _ in range(20):
            await record(recording, one_run(number))
            number += 1
        mount("-o", "remount,size=50m")
        await recording.hear("history-back")
        assert len(await recording.runs()) == number
        assert not recording.refused
        rows = [await recording.recorder.ask(lambda r: r.latest("plain")) for _ in range(1)]
        assert rows[0] is not None
        assert rows[0].outputs == (OUTPUT,)


async def read_only() -> None:
    """The disk is read-only when the daemon starts, as after an error of it."""
    mount("-t", "tmpfs", "-o", "size=50m,mode=700", "none")
    await trouble(
        lambda: mount("-o", "remount,ro"),
        lambda: mount("-o", "remount,rw"),
        "history.db: Read-only file",
    )


async def forbidden() -> None:
    """An ordinary user may not write to the directory any more."""
    mount("-t", "tmpfs", "-o", f"size=50m,mode=700,uid={NOBODY}", "none")
    os.setresuid(NOBODY, NOBODY, NOBODY)

    def forbid() -> None:
        (STATE / NAME).chmod(0o400)
        STATE.chmod(0o500)

    def allow() -> None:
        STATE.chmod(0o700)
        (STATE / NAME).chmod(0o600)

    await trouble(forbid, allow, "history.db: Permission denied")


async def trouble(begin: Callable[[], None], end: Callable[[], None], said: str) -> None:
    """Between the two the history is away."""
    async with Recording(STATE) as recording:
        await recording.record((Progress(START), *one_run(0)))
    begin()
    async with Recording(STATE) as recording:
        assert recording.found.away
        assert said in (text := (await recording.hear("history-away")).text), text
        await recording.record((Progress(START), *one_run(1)))
        assert len(await recording.runs()) == 1  # what is there can be read
        end()
        await recording.hear("history-back")
        assert len(await recording.runs()) == 2


def check() -> None:
    """What is there is sound."""
    database = sqlite3.connect(f"file:{STATE / NAME}?mode=ro", uri=True)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


def main() -> None:
    """Play what the argument says."""
    recorder_module.FIRST_RETRY = 0.05
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=777", "none", str(MOUNT)], check=True)
    STATE.mkdir()
    asyncio.run({"full": full, "read-only": read_only, "forbidden": forbidden}[sys.argv[1]]())
    check()
    print("sound")  # noqa: T201 # what the test waits for


if __name__ == "__main__":
    main()
