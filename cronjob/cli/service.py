"""`cronjob daemon`: where it keeps its things, and who may not run beside it."""

import argparse
import asyncio
import os
import sys

from cronjob.cli.slots import default_slots
from cronjob.cli.sources import origin_of
from cronjob.core.report import Priority, Report
from cronjob.core.source import PLACES, Places
from cronjob.daemon import Daemon, Options
from cronjob.errors import ConfigError, HeldError, LaunchError
from cronjob.host.clock import SystemClock
from cronjob.host.directories import default_runtime, default_state
from cronjob.host.journal import SOCKET, open_journal
from cronjob.host.lock import hold, prepare_directory
from cronjob.host.systemd import missing


def run_daemon(
    arguments: argparse.Namespace, places: Places = PLACES, clock: SystemClock | None = None
) -> int:
    """Run the daemon until it is asked to stop; `clock` in place of the machine's."""
    clock = clock or SystemClock()
    origin = origin_of(arguments, places, default_config=os.geteuid() == 0)
    try:
        config = origin.read_config()
    except ConfigError as error:
        for problem in error.problems:
            print(f"cronjob: {problem}", file=sys.stderr)
        return 1
    options = Options(
        origin=origin,
        config=config,
        state=os.path.abspath(arguments.state or default_state()),
        runtime=os.path.abspath(arguments.runtime or default_runtime()),
        slots=arguments.slots,
        default_slots=default_slots(),
    )
    if arguments.log == "journal" and not os.path.exists(SOCKET):
        text = f"warning: there is no {SOCKET}, and what is logged is lost until there is"
        print(f"cronjob: {text}", file=sys.stderr)
    locks = []
    try:
        for directory, purpose in ((options.state, "state"), (options.runtime, "runtime")):
            # Everybody may ask root's daemon.
            prepare_directory(directory, public=purpose == "runtime" and os.geteuid() == 0)
            locks.append(hold(directory, purpose))
        journal, word = open_journal(arguments.log, clock)
        for text in filter(None, (word, missing())):
            journal.tell(Report("systemd", Priority.WARNING, text))
        asyncio.run(Daemon(options, journal, clock).run())
    except (HeldError, LaunchError) as error:
        print(f"cronjob: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        what = (str(word) for word in (error.filename, error.strerror) if word)
        print(": ".join(("cronjob", *what)), file=sys.stderr)
        return 1
    finally:
        for lock in locks:
            os.close(lock)
    return 0
