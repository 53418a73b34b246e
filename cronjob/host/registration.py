"""The entries as the history knows them, kept up with the tables."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from cronjob.core.entry import Entry, Identity
from cronjob.core.found import KnownEntry
from cronjob.core.registry import Reconciled, Registered, labels_before, reconcile


class Registration:
    """What is known of entries now; `store(rows)` takes what differs from what is stored."""

    def __init__(self, store: Callable[[Sequence[Registered]], None]) -> None:
        self._store = store
        self._known: dict[Identity, KnownEntry] = {}

    def begin(self, known: Sequence[KnownEntry]) -> None:
        """Go on from what is stored."""
        self._known = {one.identity: one for one in known}

    @property
    def labels(self) -> dict[Identity, str]:
        """What entries were called, so that they keep their labels."""
        return labels_before(tuple(self._known.values()))

    def compare(self, entries: Mapping[str, Entry], now: datetime) -> Reconciled:
        """What these entries, by label, make of what is known."""
        return reconcile(tuple(self._known.values()), entries, now)

    def note(self, reconciled: Reconciled) -> None:
        """This holds from now on: what is recorded later belongs to the entries of now."""
        for row in reconciled.rows:
            if row.before is not None:
                del self._known[row.before]
            self._known[row.entry.identity] = row.entry
        if reconciled.rows:
            self._store(reconciled.rows)

    def store_again(self) -> None:
        """Everything, for a history that has lost it."""
        self._store(tuple(Registered(one) for one in self._known.values()))
