"""`cronjob kill`: end a run, or all runs of an entry."""

import argparse
import sys

from cronjob.cli.client import BrokenAnswerError, NoDaemonError, RefusedError, ask
from cronjob.cli.run import NO_DAEMON, REFUSED
from cronjob.core.words import counted
from cronjob.errors import printable


def kill_runs(options: argparse.Namespace) -> int:
    """Ask the daemon to end them, and print which they are."""
    try:
        told = ask(options.runtime, {"verb": "kill", "subject": options.run})
    except NoDaemonError as error:
        print(f"cronjob: {error}", file=sys.stderr)
        return NO_DAEMON
    except (RefusedError, BrokenAnswerError) as error:
        print(f"cronjob: {error}", file=sys.stderr)
        return REFUSED
    for row in told["ended"]:
        print(f"{printable(row['run'])}  {'ending' if row['state'] == 'running' else 'dropped'}")
    if more := told["count"] - len(told["ended"]):
        print(f"and {counted(more, 'more run')}")
    return 0
