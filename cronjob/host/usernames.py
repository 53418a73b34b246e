"""Who a number is: the names of users, asked for where a slow name service delays nobody."""

import asyncio
import pwd
import threading

from cronjob.errors import LaunchError
from cronjob.host.environment import KEPT_SECONDS, LOOKUP_SECONDS, find_account


class UserNames:
    """Names by uid; each is asked for once at a time, however many want to know."""

    def __init__(self) -> None:
        self._asked: dict[int, tuple[float, asyncio.Future[str | None]]] = {}

    async def get(self, uid: int) -> str | None:
        """The name; None when there is none, or nobody answers in time."""
        loop = asyncio.get_running_loop()
        since, answer = self._asked.get(uid, (0.0, None))
        if answer is None or (answer.done() and loop.time() - since > KEPT_SECONDS):
            answer = loop.create_future()
            self._asked[uid] = (loop.time(), answer)
            # A daemon thread: a lookup that hangs for ever must not keep the daemon from ending.
            threading.Thread(target=_ask, args=(uid, loop, answer), daemon=True).start()
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                return await asyncio.shield(answer)
        except TimeoutError:
            return None


def find_name(uid: int) -> str | None:
    """The user whose name stands for this uid both ways; the name service may hang."""
    try:
        name = pwd.getpwuid(uid).pw_name
        return name if find_account(name).uid == uid else None
    except (KeyError, LaunchError, OSError):
        return None


def _ask(uid: int, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[str | None]) -> None:
    name = find_name(uid)
    if not loop.is_closed():
        loop.call_soon_threadsafe(answer.set_result, name)
