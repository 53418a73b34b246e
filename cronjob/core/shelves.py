"""A mapping that is made to be copied: what is large and changes a little with every step."""

from collections.abc import Iterator, MutableMapping
from typing import Self, TypeVar, overload

_SHELVES = 64
T = TypeVar("T")
V = TypeVar("V")


class Shelves(MutableMapping[str, V]):
    """Values by key; a copy shares every shelf until one of the two writes to it.

    Whoever was copied is written to no more: a state is copied into the draft of the next one.
    """

    __slots__ = ("_length", "_own", "_shelves")

    def __init__(self, shelves: list[dict[str, V]] | None = None, length: int = 0):
        self._shelves = [{}] * _SHELVES if shelves is None else shelves
        self._own: set[int] | None = None  # seen by nobody else; None: not even the list is
        self._length = length

    def copy(self) -> Self:
        """Another one with the same values."""
        return type(self)(self._shelves, self._length)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self)})"

    def __getitem__(self, key: str) -> V:
        return self._shelves[hash(key) % _SHELVES][key]

    def __setitem__(self, key: str, value: V) -> None:
        shelf = self._writable(key)
        self._length += key not in shelf
        shelf[key] = value

    def __delitem__(self, key: str) -> None:
        del self._writable(key)[key]
        self._length -= 1

    @overload
    def get(self, key: str, /) -> V | None: ...
    @overload
    def get(self, key: str, default: V | T, /) -> V | T: ...
    def get(self, key: str, default: T | None = None, /) -> V | T | None:
        """As of every mapping, without the price of an exception where there is nothing."""
        return self._shelves[hash(key) % _SHELVES].get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._shelves[hash(key) % _SHELVES]

    def __iter__(self) -> Iterator[str]:
        """In one order on every machine, which the shelves are not."""
        return iter(sorted(key for shelf in self._shelves for key in shelf))

    def __len__(self) -> int:
        return self._length

    def _writable(self, key: str) -> dict[str, V]:
        if self._own is None:
            self._own, self._shelves = set(), self._shelves.copy()
        index = hash(key) % _SHELVES
        if index not in self._own:
            self._own.add(index)
            self._shelves[index] = self._shelves[index].copy()
        return self._shelves[index]
