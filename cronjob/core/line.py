"""The runs that wait for slots, in the order in which they start."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import overload

#: (negative priority, monotonic seconds of becoming ready, turn, run key): sorts as it starts
Place = tuple[int, float, int, str]


@dataclass(frozen=True, slots=True)
class Line(Sequence[Place]):
    """Places, first one first; the front may leave without a copy."""

    places: tuple[Place, ...] = ()  #: ascending
    gone: int = 0  #: how many of them have left

    def __len__(self) -> int:
        return len(self.places) - self.gone

    @overload
    def __getitem__(self, index: int) -> Place: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Place, ...]: ...
    def __getitem__(self, index: int | slice) -> Place | tuple[Place, ...]:
        if isinstance(index, int) and index >= 0:
            return self.places[self.gone + index]
        return self.places[self.gone :][index]

    def without(self, count: int) -> "Line":
        """The line after the first `count` have left it."""
        gone = self.gone + count
        return Line(self.places, gone) if gone < len(self.places) else Line()

    def without_turns(self, turns: Collection[int]) -> "Line":
        """The line after those with these turns have left it, wherever they stood."""
        return Line(tuple(place for place in self[:] if place[2] not in turns))

    def joined_by(self, newcomers: Iterable[Place]) -> "Line":
        """The line with others, each where it belongs: mostly at the end, which costs little."""
        before, behind = self.places[self.gone :], tuple(sorted(newcomers))
        if before and behind and behind[0] < before[-1]:
            return Line(tuple(sorted((*before, *behind))))
        return Line(before + behind)
