"""What is to be stored and is not yet: in order, and bounded while nothing can be stored."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cronjob.core.record import Begun, Over, Planned, Progress
from cronjob.host.history.items import run_of
from cronjob.ports import Item, Printed

MOST_ITEMS = 100_000  #: that wait; an item and what it refers to take some hundred bytes
MOST_OUTPUT = 16 << 20  #: bytes of output that wait


@dataclass(slots=True, eq=False)
class Recorded:
    """What one step of the engine has to be stored: all of it, or nothing."""

    items: list[Item]
    done: Callable[[], None] | None = None  #: who waits until it is stored

    output: int = field(init=False, default=0)  #: bytes

    def __post_init__(self) -> None:
        self.keep(self.items)

    def keep(self, items: list[Item]) -> None:
        """These are to be stored, and no others."""
        self.items = items
        printed = [item.kept for item in items if isinstance(item, Printed)]
        self.output = sum(len(kept.head) + len(kept.tail) for kept in printed)


@dataclass(slots=True)
class Shed:
    """What was given up, for others to be kept."""

    outputs: int = 0
    runs: int = 0

    def __bool__(self) -> bool:
        return bool(self.outputs or self.runs)


@dataclass(slots=True)
class Backlog:
    """Records in the order in which they came."""

    waiting: list[Recorded] = field(default_factory=list)
    _items: int = 0
    _output: int = 0  #: bytes

    def __bool__(self) -> bool:
        return bool(self.waiting)

    @property
    def items(self) -> int:
        """How many wait."""
        return self._items

    def add(self, items: list[Item], done: Callable[[], None] | None) -> None:
        """One more record."""
        recorded = Recorded(items, done)
        self.waiting.append(recorded)
        self._count(recorded, 1)

    def take(self, most: int, most_output: int) -> list[Recorded]:
        """The oldest records, of so many items and bytes of output together.

        One that has more itself is taken alone.
        """
        count = output = taken = 0
        for recorded in self.waiting:
            count += len(recorded.items)
            output += recorded.output
            if taken and (count > most or output > most_output):
                break
            taken += 1
        records, self.waiting = self.waiting[:taken], self.waiting[taken:]
        for recorded in records:
            self._count(recorded, -1)
        return records

    def replace(self, records: list[Recorded]) -> None:
        """These wait now, and nothing else."""
        self.waiting, self._items, self._output = records, 0, 0
        for recorded in records:
            self._count(recorded, 1)

    def release(self) -> Iterator[Callable[[], None]]:
        """Who waits for a record; they wait no more."""
        for recorded in self.waiting:
            if recorded.done is not None:
                yield recorded.done
                recorded.done = None

    def shed(self) -> Shed:
        """Come back within the bounds: outputs go first, the oldest of them; then whole runs.

        A run goes only if its beginning and its end both wait here, so that none is left in the
        history without an end.  One that has not ended stays, whatever the bound.
        """
        shed = Shed()
        if self._output > MOST_OUTPUT:
            shed.outputs = self._shed_outputs(MOST_OUTPUT // 2)
        if self._items > MOST_ITEMS:
            self._shed_repetitions()
        if self._items > MOST_ITEMS:
            shed.runs = self._shed_runs(MOST_ITEMS // 2)
        return shed

    def _shed_outputs(self, bound: int) -> int:
        count = 0
        for recorded in self.waiting:
            if self._output <= bound:
                break
            rest: list[Item] = [one for one in recorded.items if not isinstance(one, Printed)]
            count += len(recorded.items) - len(rest)
            self._count(recorded, -1)
            recorded.keep(rest)
            self._count(recorded, 1)
        return count

    def _shed_repetitions(self) -> None:
        """Of what replaces what was said before, only the latest is worth anything."""
        seen = set[object]()
        for recorded in reversed(self.waiting):
            kept = list[Item]()
            for item in reversed(recorded.items):
                key = _replaces(item)
                if key is None or key not in seen:
                    kept.append(item)
                seen.add(key)
            recorded.keep(kept[::-1])
        self.replace([recorded for recorded in self.waiting if recorded.items or recorded.done])

    def _shed_runs(self, bound: int) -> int:
        sizes: dict[str, int] = {}
        whole = list[str]()
        for recorded in self.waiting:
            for item in recorded.items:
                if (key := run_of(item)) is None:
                    continue
                if isinstance(item, Begun):
                    sizes[key] = 0
                if key in sizes:
                    sizes[key] += 1
                    if isinstance(item, Over):
                        whole.append(key)
        gone, excess = set[str](), self._items - bound
        for key in whole:
            if excess <= 0:
                break
            gone.add(key)
            excess -= sizes[key]
        self.drop(gone)
        return len(gone)

    def drop(self, runs: set[str]) -> None:
        """Nothing of these runs, by key, is to be stored."""
        for recorded in self.waiting:
            recorded.keep([item for item in recorded.items if run_of(item) not in runs])
        self.replace([recorded for recorded in self.waiting if recorded.items or recorded.done])

    def _count(self, recorded: Recorded, sign: int) -> None:
        self._items += sign * len(recorded.items)
        self._output += sign * recorded.output


def _replaces(item: Item) -> object:
    """What it is the latest word on; None for what is true besides others."""
    if isinstance(item, Progress):
        return Progress
    if isinstance(item, Planned):
        return item.schedule
    return None
