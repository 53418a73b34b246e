"""Mails and hooks that wait to be sent: in order, but nobody's hold up those of others for long."""

from collections import Counter, deque
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


class Outbox(Generic[T]):
    """What waits, by user; of one user at most `of_one` are out at once, and `most` wait in all."""

    def __init__(self, of_one: int, most: int) -> None:
        self._of_one, self._most = of_one, most
        self._numbers = count()
        self._waiting: dict[str, deque[tuple[int, T]]] = {}  #: no user without any
        self._out = Counter[str]()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def add(self, user: str, one: T) -> T | None:
        """One more; what is dropped for it: the oldest of whoever has most, if too many wait."""
        dropped = None
        if len(self) >= self._most:
            dropped = self._pop(max(self._waiting, key=lambda name: len(self._waiting[name])))
        self._waiting.setdefault(user, deque()).append((next(self._numbers), one))
        return dropped

    def take(self) -> T | None:
        """What is to be sent now: of whoever has fewest out, the oldest.  `done` follows."""
        may = [user for user in self._waiting if self._out[user] < self._of_one]
        if not may:
            return None
        user = min(may, key=lambda name: (self._out[name], self._waiting[name][0][0]))
        self._out[user] += 1
        return self._pop(user)

    def done(self, user: str) -> None:
        """One of the user's that were taken is out no more."""
        self._out[user] -= 1
        if not self._out[user]:
            del self._out[user]

    def clear(self) -> None:
        """Nothing waits any more."""
        self._waiting.clear()

    def _pop(self, user: str) -> T:
        waiting = self._waiting[user]
        _, one = waiting.popleft()
        if not waiting:
            del self._waiting[user]
        return one
