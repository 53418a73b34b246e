"""Which entries are due, and when to look again.

One heap node stands for one *distinct schedule* (canonical text with its stars, and zone), not for
one entry: ten thousand entries on the hour are one node.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from heapq import heapify, heappop, heappush

from cronjob.core.entry import Entry
from cronjob.core.schedule import FireTime, Schedule

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Node:
    """A distinct schedule, the labels of its entries, and its next fire time."""

    schedule: Schedule
    labels: tuple[str, ...]
    fire: FireTime | None


@dataclass(frozen=True, slots=True)
class Timetable:
    """The next fire time of every entry."""

    nodes: Mapping[Key, Node] = field(default_factory=dict)
    heap: tuple[tuple[datetime, Key], ...] = ()

    @property
    def next_at(self) -> datetime | None:
        """The earliest fire time that has not been taken; None when nothing will fire."""
        return self.heap[0][0] if self.heap else None

    def planned(
        self, entries: Mapping[str, Entry], after: datetime, *, keep: bool = True
    ) -> "Timetable":
        """The timetable of `entries`.

        Schedules that are already in it keep their next fire time if `keep`; the others are
        planned from `after` on.
        """
        grouped: dict[Key, list[str]] = {}
        schedules: dict[Key, Schedule] = {}
        for label, entry in entries.items():
            if not entry.schedule.reboot:
                grouped.setdefault(entry.schedule.key, []).append(label)
                schedules.setdefault(entry.schedule.key, entry.schedule)
        nodes = {}
        for key, labels in grouped.items():
            known = self.nodes.get(key) if keep else None
            fire = known.fire if known else schedules[key].next(after)
            nodes[key] = Node(schedules[key], tuple(labels), fire)
        return _with_heap(nodes)

    def replanned(self, now: datetime, *, wildcards_only: bool) -> "Timetable":
        """The timetable after the clock went back: planned anew from `now`."""
        nodes = {
            key: node
            if wildcards_only and not node.schedule.wildcard
            else replace(node, fire=node.schedule.next(now))
            for key, node in self.nodes.items()
        }
        return _with_heap(nodes)

    def take(self, now: datetime) -> tuple["Timetable", tuple[Node, ...]]:
        """Take out the nodes whose fire time has come, as they were; plan their next ones."""
        if self.next_at is None or self.next_at > now:
            return self, ()
        heap, nodes, taken = list(self.heap), dict(self.nodes), []
        while heap and heap[0][0] <= now:
            key = heappop(heap)[1]
            node = nodes[key]
            taken.append(node)
            following = node.schedule.next(now)
            nodes[key] = replace(node, fire=following)
            if following is not None:
                heappush(heap, (following.at, key))
        return Timetable(nodes, tuple(heap)), tuple(taken)

    def missed(self, since: datetime, until: datetime) -> Iterable[Node]:
        """The nodes that had a fire time in `since < at <= until`."""
        for node in self.nodes.values():
            first = node.schedule.next(since)
            if first is not None and first.at <= until:
                yield node


def _with_heap(nodes: dict[Key, Node]) -> Timetable:
    heap = [(node.fire.at, key) for key, node in nodes.items() if node.fire is not None]
    heapify(heap)
    return Timetable(nodes, tuple(heap))
