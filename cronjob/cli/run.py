"""`cronjob run`: start a run of an entry now, and if so asked wait for it."""

import argparse
import os
from base64 import b64decode
from typing import Any

from cronjob.cli.client import Conversation, ask
from cronjob.cli.ending import FAILED, exit_status, not_begun, say, write
from cronjob.cli.unanswered import AskError, BrokenAnswerError, complain
from cronjob.core.words import counted

SKIPPED_AT_ONCE = 1


def run_entry(options: argparse.Namespace) -> int:
    """Ask the daemon for a run."""
    request: dict[str, object] = {"verb": "run", "entry": options.entry, "force": options.force}
    try:
        return _run_and_wait(options, request) if options.wait else _run(options, request)
    except AskError as error:
        status = complain(error)
        return FAILED if options.wait else status


def _run(options: argparse.Namespace, request: dict[str, object]) -> int:
    told = ask(options.runtime, request)
    print(told["run"])
    if "outcome" in told:
        say(not_begun(told))
        return SKIPPED_AT_ONCE
    if told["reason"]:
        say(f"{told['run']} {told['reason']}")
    return 0


def _run_and_wait(options: argparse.Namespace, request: dict[str, object]) -> int:
    request["wait"] = True
    if lender := os.environ.get("CRONJOB_RUN"):
        request["lender"] = lender
    conversation = Conversation(options.runtime, request)
    key = ""
    try:
        for told in conversation.lines():
            key = str(told.get("run", key))
            if "outcome" in told:
                return exit_status(told)
            _follow(told)
    except KeyboardInterrupt:
        say(f"{key} goes on; cronjob kill {key} ends it" if key else "interrupted")
        raise
    finally:
        conversation.close()
    raise BrokenAnswerError(f"the daemon has gone before the end of {key or 'the run'}")


def _follow(told: dict[str, Any]) -> None:
    """What happens until the end."""
    if "output" in told:
        write(b64decode(told["output"]))
    elif "left_out" in told:
        size = counted(told["left_out"], "byte")
        say(f"{size} of its output are left out here, read too slowly")
    elif told.get("reason"):
        say(f"{told['run']} {told['reason']}")
