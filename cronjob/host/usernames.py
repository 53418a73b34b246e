"""Who a number is: the names of users, asked for where a slow name service delays nobody."""

import pwd

from cronjob.errors import LaunchError
from cronjob.host.accounts import find_account
from cronjob.host.lookup import Lookup


class UserNames:
    """Names by uid."""

    def __init__(self) -> None:
        self._names = Lookup(find_name)

    async def get(self, uid: int) -> str | None:
        """The name; None when there is none, or nobody answers in time."""
        try:
            return await self._names.get(uid)
        except TimeoutError:
            return None


def find_name(uid: int) -> str | None:
    """The user whose name stands for this uid both ways; the name service may hang."""
    try:
        name = pwd.getpwuid(uid).pw_name
        return name if find_account(name).uid == uid else None
    except (KeyError, LaunchError, OSError):
        return None
