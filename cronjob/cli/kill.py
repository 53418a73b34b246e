"""`cronjob kill`: end a run, or all runs of an entry."""

import argparse

from cronjob.cli.client import ask
from cronjob.cli.unanswered import AskError, complain
from cronjob.core.words import counted
from cronjob.errors import printable


def kill_runs(options: argparse.Namespace) -> int:
    """Ask the daemon to end them, and print which they are."""
    try:
        told = ask(options.runtime, {"verb": "kill", "subject": options.run})
    except AskError as error:
        return complain(error)
    for row in told["ended"]:
        print(f"{printable(row['run'])}  {'ending' if row['state'] == 'running' else 'dropped'}")
    if more := told["count"] - len(told["ended"]):
        print(f"and {counted(more, 'more run')}")
    return 0
