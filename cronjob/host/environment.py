"""What a command finds around itself.

It is cron's (POSIX crontab, cronie env.c and do_command.c): a small fixed set, the
table's lines over it, and nothing of the daemon's own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from cronjob.core.attempt import Attempt
from cronjob.core.directexec import direct_words, passes_unchanged
from cronjob.core.entry import Entry
from cronjob.core.run import Run
from cronjob.core.zone import zone_name
from cronjob.host.accounts import Account
from cronjob.host.jobserver import makeflags
from cronjob.ports import Command

DEFAULT_SHELL = "/bin/sh"
DEFAULT_PATH = "/usr/bin:/bin"
DEFAULT_UMASK = 0o022
MOST_SURROUNDINGS = 256  #: kept, each for many entries
KEPT_WORDS = 1024  #: commands of which is known what they are without a shell

#: pam_env(8) reads these for a login; without PAM they are read as defaults.
DEFAULTS_FILES = ("/etc/environment", "/etc/default/locale")
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)=(\"[^\"]*\"|'[^']*'|\S*)\s*", re.ASCII)


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


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What the commands of an account find below the same environment lines of a table."""

    lines: Mapping[str, str]  #: those of the table; kept, so that their identity stays theirs
    variables: dict[str, str]
    unchanged: bool  #: whether a shell hands all of them on as they are


class Commands:
    """What the launcher is to start for an attempt; `defaults` are the machine's for everybody."""

    def __init__(self, defaults: Mapping[str, str]) -> None:
        self._defaults = defaults
        self._known: dict[tuple[int, str, str, str], _Surroundings] = {}

    def of(self, run: Run, attempt: Attempt, account: Account) -> Command:
        """The command of this attempt."""
        entry, fields = run.entry, run.entry.fields
        surroundings = self._surroundings(entry, account)
        environment = {
            **surroundings.variables,
            "CRONJOB_NAME": run.label,
            "CRONJOB_RUN": run.key,
            "CRONJOB_ATTEMPT": str(attempt.number),
            "CRONJOB_FIRE_TIME": run.fire.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        shell = environment["SHELL"]
        return Command(
            argv=(shell, "-c", entry.command),
            direct=_direct_words(entry.command, shell) if surroundings.unchanged else None,
            environment=environment,
            cwd=fields.cwd or environment["HOME"],
            uid=account.uid,
            gid=account.gid,
            groups=account.groups,
            umask=DEFAULT_UMASK if fields.umask is None else fields.umask,
            stdin=entry.stdin,
            nice=fields.nice,
            open_files=fields.open_files,
            memory=fields.memory,
            cpu=fields.cpu,
            limits_first=not entry.personal,
        )

    def _surroundings(self, entry: Entry, account: Account) -> _Surroundings:
        zone = "" if entry.fields.tz is None else zone_name(entry.schedule.zone)
        # Entries below the same lines share one mapping, so its identity is enough.
        key = (id(entry.environment), zone, account.name, account.home)
        if (found := self._known.get(key)) is None:
            variables = self._variables(entry.environment, zone, account)
            unchanged = passes_unchanged(variables)
            if len(self._known) >= MOST_SURROUNDINGS:
                self._known.clear()
            found = self._known[key] = _Surroundings(entry.environment, variables, unchanged)
        return found

    def _variables(self, lines: Mapping[str, str], zone: str, account: Account) -> dict[str, str]:
        variables = {
            **self._defaults,
            "SHELL": DEFAULT_SHELL,
            "PATH": DEFAULT_PATH,
            "HOME": account.home,
            **lines,
        }
        if zone:
            variables["TZ"] = zone
        # Forced, as in every cron: what says who it is cannot be set by a table.
        variables["LOGNAME"] = variables["USER"] = account.name
        return variables


def account_environment(account: Account, defaults: Mapping[str, str]) -> dict[str, str]:
    """What a command finds that stands in no table."""
    return {
        **defaults,
        "SHELL": DEFAULT_SHELL,
        "PATH": DEFAULT_PATH,
        "HOME": account.home,
        "LOGNAME": account.name,
        "USER": account.name,
    }


_direct_words = lru_cache(KEPT_WORDS)(direct_words)


def sharing(command: Command, tokens: tuple[int, int]) -> Command:
    """The same command with a jobserver, which make and its like find by `MAKEFLAGS`."""
    flags = makeflags(command.environment.get("MAKEFLAGS", ""))
    environment = {**command.environment, "MAKEFLAGS": flags}
    return replace(command, environment=environment, tokens=tokens)
