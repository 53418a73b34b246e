"""APScheduler as a cron: apscheduler_daemon.py OFFSET COUNT COMMAND, run by the cache's Python.

COUNT entries are due every minute of a zone OFFSET seconds east of UTC.
"""

import asyncio
import sys
from datetime import timedelta, timezone
from importlib import import_module  # the package is not installed where this is checked


async def execute(command: str) -> None:
    """Run it by the shell, its output captured."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_shell(command, stdout=pipe, stderr=pipe)
    await process.communicate()


async def main(offset: int, count: int, command: str) -> None:
    """For ever."""
    zone = timezone(timedelta(seconds=offset))
    scheduler = import_module("apscheduler.schedulers.asyncio").AsyncIOScheduler(timezone=zone)
    trigger = import_module("apscheduler.triggers.cron").CronTrigger(minute="*", timezone=zone)
    for _ in range(count):
        scheduler.add_job(execute, trigger, args=[command], misfire_grace_time=None)
    scheduler.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
