"""Entries that are called otherwise now: what is going or waits of them follows.

A run keeps its key, by which people and the history know it.  What is found by the label of its
entry, such as earlier runs, shares and the entry itself, is found by the new one.
"""

from collections.abc import Mapping, MutableMapping
from typing import TypeVar

from cronjob.core import report
from cronjob.core.draft import Draft
from cronjob.core.line import Line
from cronjob.core.registry import also_under

V = TypeVar("V")


def follow(draft: Draft, renamed: Mapping[str, str]) -> None:
    """Give all that belongs to a label of before to the label of now."""
    if not renamed:
        return
    draft.recorded = also_under(draft.recorded, renamed)
    draft.crowded = frozenset(renamed.get(label, label) for label in draft.crowded)
    _relabel(draft, renamed)
    for label, slots in _moved(draft.group_slots, renamed).items():
        draft.group_slots[label] = draft.group_slots.get(label, 0) + slots
    for label, line in _moved(draft.aside, renamed).items():
        draft.aside[label] = draft.aside.get(label, Line()).joined_by(line)


def _relabel(draft: Draft, renamed: Mapping[str, str]) -> None:
    for label, keys in _moved(draft.of_label, renamed).items():
        runs = [draft.runs[key] for key in keys]
        draft.announce(report.renamed(runs[0].label, label, len(runs)))
        draft.runs.update((run.key, run._replace(label=label)) for run in runs)
        draft.of_label[label] = (*draft.of_label.get(label, ()), *keys)


def _moved(values: MutableMapping[str, V], renamed: Mapping[str, str]) -> dict[str, V]:
    """Take out what is there under labels of before; it by the labels of now.

    All of it at once: the label of one may be what another was called before.
    """
    return {now: values.pop(label) for label, now in renamed.items() if label in values}
