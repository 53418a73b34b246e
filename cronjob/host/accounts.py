"""Accounts of the machine: users by name, all numbers, and whether they are still in force."""

import os
import pwd
from dataclasses import dataclass
from datetime import date, timedelta

from cronjob.errors import LaunchError
from cronjob.host.clock import SystemClock
from cronjob.host.lookup import LOOKUP_SECONDS, Lookup


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
    """Accounts by name; a slow name service delays nobody but who asks."""

    def __init__(self) -> None:
        self._lookup: Lookup[str, Account] = Lookup(find_account)

    def known(self, name: str) -> Account | None:
        """The account, when an answer about it still serves."""
        return self._lookup.known(name)

    async def get(self, name: str) -> Account:
        """The account.  Raises `LaunchError` when it is unknown or nobody answers in 5 s."""
        try:
            return await self._lookup.get(name)
        except TimeoutError:
            text = f'no answer about user "{name}" within {LOOKUP_SECONDS:.0f} s'
            raise LaunchError(text) from None
        except OSError as error:
            raise LaunchError(f'cannot look up user "{name}": {error.strerror}') from None
