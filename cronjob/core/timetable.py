"""Which entries are due, and when to look again.

One heap node stands for one *distinct schedule* (canonical text with its stars, and zone), not for
one entry: ten thousand entries on the hour are one node.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from cronjob.core.entry import Entry
from cronjob.core.schedule import FireTime, Schedule
from cronjob.core.zone import Exact, Fold, Gap, civil

Key = tuple[str, str]


class Node(NamedTuple):
    """A distinct schedule, the labels of its entries, and its next fire time."""

    schedule: Schedule
    labels: tuple[str, ...]
    fire: FireTime | None
    dealt_with: datetime | None = None  #: the wall time up to which fire times were taken


class Taken(NamedTuple):
    """A node whose fire time has come, as it was."""

    node: Node
    fire: FireTime
    alone: bool  #: no other fire time of it has come


class Skipped(NamedTuple):
    """A node with fire times that new rules of its zone have put into the past."""

    node: Node
    since: datetime  #: they are later than this


@dataclass(frozen=True, slots=True)
class Timetable:
    """The next fire time of every entry."""

    heap: tuple[tuple[datetime, Key, Node], ...] = ()  #: by the next fire time
    never: tuple[Node, ...] = ()  #: what has no fire time any more
    lifted: tuple[Node, ...] = ()  #: whose fire time was taken, and the next is not looked for yet

    @property
    def nodes(self) -> dict[Key, Node]:
        """All nodes but those that are lifted, by the key of their schedule."""
        return {node.schedule.key: node for node in (*(n for _, _, n in self.heap), *self.never)}

    @property
    def next_at(self) -> datetime | None:
        """The earliest fire time that has not been taken; None when nothing will fire."""
        return self.heap[0][0] if self.heap else None

    def upcoming(self) -> Iterator[tuple[datetime, Node]]:
        """The nodes by their next fire times, found only as far as they are asked for."""
        frontier = [(self.heap[0][:2], 0)] if self.heap else []
        while frontier:
            (at, _), index = heappop(frontier)
            yield at, self.heap[index][2]
            for child in (2 * index + 1, 2 * index + 2):
                if child < len(self.heap):
                    heappush(frontier, (self.heap[child][:2], child))

    def planned(
        self, entries: Mapping[str, Entry], after: datetime, quiet: datetime | None = None
    ) -> tuple["Timetable", tuple[Skipped, ...]]:
        """The timetable of `entries`, and what a changed zone makes it skip.

        Schedules that are already in it keep their next fire time, those whose zone has other
        rules now are moved to these, and the others are planned from `after` on: fixed ones from
        `quiet` on, if that is later.
        """
        fixed_after = max(after, quiet or after)
        before, nodes, skipped = self.nodes, list[Node](), list[Skipped]()
        for schedule, labels in _distinct(entries):
            known = before.get(schedule.key)
            if known is None:
                start = after if schedule.wildcard else fixed_after
                node = Node(schedule, labels, schedule.next(start))
            elif known.schedule.zone is schedule.zone:
                node = known._replace(labels=labels)
            else:
                node, since = _moved(known, schedule, after)
                node = node._replace(labels=labels)
                if since is not None:
                    skipped.append(Skipped(node, since))
            nodes.append(node)
        return _timetable(nodes), tuple(skipped)

    def replanned(self, now: datetime, *, wildcards_only: bool) -> "Timetable":
        """The timetable after the clock went back: planned anew from `now`."""
        return _timetable(
            node
            if wildcards_only and not node.schedule.wildcard
            else node._replace(fire=node.schedule.next(now), dealt_with=None)
            for node in self.nodes.values()
        )

    def take(self, now: datetime) -> tuple["Timetable", tuple[Taken, ...]]:
        """Take out the nodes whose fire time has come, as they were; plan their next ones."""
        if self.next_at is None or self.next_at > now:
            return self, ()
        heap, never, taken = list(self.heap), self.never, []
        while heap and heap[0][0] <= now:
            _, key, node = heappop(heap)
            assert node.fire is not None, "what has no fire time is not in the heap"
            following, dealt_with = node.schedule.next(node.fire.at), node.fire.nominal
            alone = following is None or following.at > now
            if not alone:
                following = node.schedule.next(now)
                dealt_with = max(dealt_with, _wall(now, node.schedule))
            taken.append(Taken(node, node.fire, alone))
            node = Node(node.schedule, node.labels, following, dealt_with)
            if following is not None:
                heappush(heap, (following.at, key, node))
            else:
                never = (*never, node)
        return Timetable(tuple(heap), never, self.lifted), tuple(taken)

    def lift(self, now: datetime) -> "Timetable":
        """Take out the nodes whose fire time has come, without a look at what follows it.

        To look costs more than all else that a start needs, so with many nodes it is not first.
        """
        heap, lifted = list(self.heap), list(self.lifted)
        while heap and heap[0][0] <= now:
            lifted.append(heappop(heap)[2])
        return Timetable(tuple(heap), self.never, tuple(lifted))

    def follow(self, most: int) -> tuple["Timetable", tuple[Node, ...]]:
        """Look for the fire times that follow those of the first `most` nodes that are lifted.

        These nodes, with what was found, are told too.
        """
        if not self.lifted:
            return self, ()
        heap, never, found = list(self.heap), list(self.never), list[Node]()
        for node in self.lifted[:most]:
            assert node.fire is not None, "what has no fire time is not lifted"
            following = node.schedule.next(node.fire.at)
            after = Node(node.schedule, node.labels, following, node.fire.nominal)
            found.append(after)
            if following is not None:
                heappush(heap, (following.at, node.schedule.key, after))
            else:
                never.append(after)
        return Timetable(tuple(heap), tuple(never), self.lifted[most:]), tuple(found)


def _distinct(entries: Mapping[str, Entry]) -> Iterable[tuple[Schedule, tuple[str, ...]]]:
    """The schedules that fire at times, each with the labels of its entries."""
    grouped: dict[Key, tuple[Schedule, list[str]]] = {}
    for label, entry in entries.items():
        if not entry.schedule.reboot:
            grouped.setdefault(entry.schedule.key, (entry.schedule, []))[1].append(label)
    return ((schedule, tuple(labels)) for schedule, labels in grouped.values())


def _moved(known: Node, schedule: Schedule, now: datetime) -> tuple[Node, datetime | None]:
    """The node under new rules of its zone, and since when it skips fire times, if it does.

    A wildcard schedule follows real time, so it is planned from `now` on.  A fixed one goes on on
    the wall, where it was: it neither repeats a wall time, nor loses one without a word.
    """
    if schedule.wildcard:
        return known._replace(schedule=schedule, fire=schedule.next(now)), None
    wall = _wall(now, known.schedule)
    if known.dealt_with is not None:
        wall = max(wall, known.dealt_with)  # later than now after a step back, and in a fold
    since = _instant(wall, schedule)
    fire = schedule.next(since)
    while fire is not None and fire.nominal <= wall:
        since, fire = fire.at, schedule.next(fire.at)
    skips = fire is not None and fire.at <= now
    if skips:
        fire = schedule.next(now)
    return known._replace(schedule=schedule, fire=fire), since if skips else None


def _wall(now: datetime, schedule: Schedule) -> datetime:
    return now.astimezone(schedule.zone).replace(tzinfo=None, fold=0)


def _instant(wall: datetime, schedule: Schedule) -> datetime:
    """The first instant at which a clock in the zone shows `wall`, or would have to."""
    match civil(wall, schedule.zone):
        case Exact(at):
            return at
        case Fold(first, _):
            return first
        case Gap(end, _):
            return end - timedelta(microseconds=1)


def _timetable(nodes: Iterable[Node]) -> Timetable:
    heap, never = list[tuple[datetime, Key, Node]](), list[Node]()
    for node in nodes:
        if node.fire is not None:
            heap.append((node.fire.at, node.schedule.key, node))
        else:
            never.append(node)
    heapify(heap)
    return Timetable(tuple(heap), tuple(never))
