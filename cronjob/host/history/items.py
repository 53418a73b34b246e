"""Items: of which run each is, and those of one kind together."""

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter

from cronjob.core.record import Begun, Ended, Launching, NoticeSent, Over, Started
from cronjob.ports import Heard, Item, Printed

_RUN_OF: dict[type[Item], Callable[[Item], str]] = {
    **dict.fromkeys((Begun, Launching), attrgetter("run.key")),
    **dict.fromkeys((Started, Heard, Ended, Printed, Over, NoticeSent), attrgetter("run")),
}

#: In which order one run has them.
_STAGES: dict[type[Item], int] = {
    Begun: 0,
    Launching: 1,
    Started: 2,
    Heard: 2,
    Ended: 3,
    Printed: 4,
    Over: 5,
}


def run_of(item: Item) -> str | None:
    """The key of the run that it is about."""
    key = _RUN_OF.get(type(item))
    return key(item) if key is not None else None


def grouped(items: Iterable[Item]) -> Iterator[tuple[type[Item], list[Item]]]:
    """All items, those of one kind together wherever that comes to the same.

    What is told of one run stays in its order, and nothing passes what is of no run.
    """
    gathered: dict[type[Item], list[Item]] = {}
    reached: dict[str | None, int] = {}  #: the stage of each run
    for item in items:
        kind, key = type(item), run_of(item)
        stage = _STAGES.get(kind, -1)
        if stage <= reached.get(key, -1):
            yield from _in_order(gathered)
            gathered, reached = {}, {}
        if stage < 0:
            yield kind, [item]
            continue
        reached[key] = stage
        gathered.setdefault(kind, []).append(item)
    yield from _in_order(gathered)


def _in_order(
    gathered: dict[type[Item], list[Item]],
) -> Iterator[tuple[type[Item], list[Item]]]:
    return ((kind, gathered[kind]) for kind in _STAGES if kind in gathered)
