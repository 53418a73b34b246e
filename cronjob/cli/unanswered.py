"""Requests without the answer that they should have, whoever was asked."""

import sys

from cronjob.errors import CronjobError, printable


class AskError(CronjobError):
    """A request without the answer that it should have."""

    status = 1  #: what a verb exits with


class NoDaemonError(AskError):
    """No daemon answers; the message says where it was looked for."""

    status = 3  #: as systemctl(1) has it for a unit that is not active


class RefusedError(AskError):
    """The daemon answers that it will not, and why."""


class BrokenAnswerError(AskError):
    """The answer ends before its end."""


def complain(error: AskError) -> int:
    """Say what is wrong; the exit status of the verb that asked."""
    print(f"cronjob: {printable(str(error))}", file=sys.stderr)
    return error.status
