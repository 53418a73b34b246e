"""Accounts of the machine, and what a command finds around itself.

The environment is cron's (POSIX crontab, cronie env.c and do_command.c): a small fixed set, the
table's lines over it, and nothing of the daemon's own.
"""

import asyncio
import os
import pwd
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from cronjob.core.directexec import direct_words, passes_unchanged
from cronjob.core.entry import Entry
from cronjob.core.run import Attempt, Run
from cronjob.core.zone import zone_name
from cronjob.errors import LaunchError
from cronjob.host.clock import SystemClock
from cronjob.host.jobserver import makeflags
from cronjob.ports import Command

DEFAULT_SHELL = "/bin/sh"
DEFAULT_PATH = "/usr/bin:/bin"
DEFAULT_UMASK = 0o022
LOOKUP_SECONDS = 5.0  #: a name service that takes longer counts as not answering
KEPT_SECONDS = 5.0  #: for so long an answer serves again, so that a burst asks once

#: pam_env(8) reads these for a login; without PAM they are read as defaults.
DEFAULTS_FILES = ("/etc/environment", "/etc/default/locale")
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)=(\"[^\"]*\"|'[^']*'|\S*)\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the machine, all numbers."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    expired: date | None = None  #: nothing is started for it since then; None: it is in force


def find_account(name: str, root: str = "/") -> Account:
    """Ask the name service; it may hang.  Raises `LaunchError` for an unknown user.

    `root` is where `etc/shadow` is.
    """
    try:
        record = pwd.getpwnam(name)
    except (KeyError, ValueError, UnicodeError):
        raise LaunchError(f'unknown user "{name}"') from None
    groups = tuple(os.getgrouplist(name, record.pw_gid))
    expiry = expiry_of(name, os.path.join(root, "etc/shadow"))
    expired = expiry if expiry is not None and expiry <= SystemClock().now().date() else None
    return Account(name, record.pw_uid, record.pw_gid, groups, record.pw_dir or "/", expired)


def expiry_of(name: str, path: str) -> date | None:
    """The day from which a local account is not used any more (shadow(5); pam_unix counts it in).

    None when there is none, or when this process may not read it.
    """
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.split(":") for line in file if line.startswith(f"{name}:")]
        return date(1970, 1, 1) + timedelta(days=int(lines[0][7]))
    except (OSError, LookupError, ValueError, OverflowError):
        return None


class Accounts:
    """Accounts by name, asked for in threads of their own so that a slow service delays nobody."""

    def __init__(self) -> None:
        self._asked: dict[str, tuple[float, asyncio.Future[Account]]] = {}

    def known(self, name: str) -> Account | None:
        """The account, when an answer about it still serves."""
        since, answer = self._asked.get(name, (0.0, None))
        if answer is None or not answer.done() or answer.exception() is not None:
            return None
        fresh = asyncio.get_running_loop().time() - since <= KEPT_SECONDS
        return answer.result() if fresh else None

    async def get(self, name: str) -> Account:
        """The account.  Raises `LaunchError` when it is unknown or nobody answers in 5 s."""
        loop = asyncio.get_running_loop()
        since, answer = self._asked.get(name, (0.0, None))
        if answer is None or (answer.done() and loop.time() - since > KEPT_SECONDS):
            answer = loop.create_future()
            self._asked[name] = (loop.time(), answer)
            # A daemon thread: a lookup that hangs for ever must not keep the daemon from ending.
            threading.Thread(target=_ask, args=(name, loop, answer), daemon=True).start()
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                return await asyncio.shield(answer)
        except TimeoutError:
            raise LaunchError(
                f'no answer about user "{name}" within {LOOKUP_SECONDS:.0f} s'
            ) from None


def _ask(name: str, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Account]) -> None:
    def tell(account: Account | None, error: Exception | None) -> None:
        if account is not None:
            answer.set_result(account)
        elif error is not None:
            answer.set_exception(error)
            answer.exception()  # nobody may be waiting any more

    try:
        found: tuple[Account | None, Exception | None] = (find_account(name), None)
    except LaunchError as error:
        found = (None, error)
    except OSError as error:
        found = (None, LaunchError(f'cannot look up user "{name}": {error.strerror}'))
    if not loop.is_closed():
        loop.call_soon_threadsafe(tell, *found)


def default_environment(paths: tuple[str, ...] = DEFAULTS_FILES) -> dict[str, str]:
    """What the machine sets for everybody; lines that are no assignment are passed over."""
    variables: dict[str, str] = {}
    for path in paths:
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                lines = file.read().splitlines()
        except OSError:
            continue
        for line in lines:
            if match := _ASSIGNMENT.fullmatch(line):
                variables[match[1]] = match[2].strip("\"'")
    return variables


def command_of(
    run: Run, attempt: Attempt, account: Account, defaults: Mapping[str, str]
) -> Command:
    """What the launcher is to start for this attempt."""
    environment = _environment(run, attempt, account, defaults)
    fields = run.entry.fields
    return Command(
        argv=(environment["SHELL"], "-c", run.entry.command),
        direct=_direct(run.entry.command, environment),
        environment=environment,
        cwd=fields.cwd or environment["HOME"],
        uid=account.uid,
        gid=account.gid,
        groups=account.groups,
        umask=DEFAULT_UMASK if fields.umask is None else fields.umask,
        stdin=run.entry.stdin,
        nice=fields.nice,
        open_files=fields.open_files,
        memory=fields.memory,
        cpu=fields.cpu,
        limits_first=not run.entry.personal,
    )


def _direct(command: str, environment: Mapping[str, str]) -> tuple[str, ...] | None:
    """The words to execute without a shell; None when one is needed, or would be noticed."""
    if passes_unchanged(environment):
        return direct_words(command, environment["SHELL"])
    return None


def sharing(command: Command, tokens: tuple[int, int]) -> Command:
    """The same command with a jobserver, which make and its like find by `MAKEFLAGS`."""
    flags = makeflags(command.environment.get("MAKEFLAGS", ""))
    environment = {**command.environment, "MAKEFLAGS": flags}
    return replace(command, environment=environment, tokens=tokens)


def _environment(
    run: Run, attempt: Attempt, account: Account, defaults: Mapping[str, str]
) -> dict[str, str]:
    entry: Entry = run.entry
    environment = {
        **defaults,
        "SHELL": DEFAULT_SHELL,
        "PATH": DEFAULT_PATH,
        "HOME": account.home,
        **entry.environment,
    }
    if entry.fields.tz is not None:
        environment["TZ"] = zone_name(entry.schedule.zone)
    # Forced, as in every cron: what says who it is cannot be set by a table.
    environment["LOGNAME"] = environment["USER"] = account.name
    environment["CRONJOB_NAME"] = run.label
    environment["CRONJOB_RUN"] = run.key
    environment["CRONJOB_ATTEMPT"] = str(attempt.number)
    environment["CRONJOB_FIRE_TIME"] = run.fire.at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return environment
