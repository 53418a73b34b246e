"""How the command of a hook is started: by sh, as the user of the run that it follows."""

from collections.abc import Mapping

from cronjob.core.hook import hook_environment, hook_input
from cronjob.core.notice import Notice
from cronjob.core.query import RunDetail
from cronjob.host.accounts import Account
from cronjob.host.environment import DEFAULT_SHELL
from cronjob.ports import Command


def hook_command(
    notice: Notice, detail: RunDetail, account: Account, environment: Mapping[str, str]
) -> Command:
    """The run's facts are in its environment, what the last attempt printed is its input."""
    return Command(
        argv=(DEFAULT_SHELL, "-c", notice.target),
        environment={**environment, **hook_environment(detail, notice.kind)},
        cwd=account.home,
        uid=account.uid,
        gid=account.gid,
        groups=account.groups,
        stdin=hook_input(detail).decode("utf-8", "surrogateescape"),
    )
