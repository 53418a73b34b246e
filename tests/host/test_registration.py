"""The registry is kept up with the tables, and stores what differs."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from cronjob.core.entry import Entry
from cronjob.core.registry import Reconciled, Registered
from cronjob.host.registration import Registration
from cronjob.testing import entries_of

NOW = datetime(2026, 3, 2, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
ONE = "0 9 * * * name=one root x\n"
TWO = "0 9 * * * name=two root y\n"
RENAMED = "0 9 * * * name=other root y\n"


class Store:
    """What was stored, one list for each call."""

    def __init__(self) -> None:
        self.calls: list[list[tuple[str, bool]]] = []
        self.registration = Registration(self._take)

    def update(self, entries: Mapping[str, Entry], now: datetime) -> Reconciled:
        """These are the entries from now on."""
        reconciled = self.registration.compare(entries, now)
        self.registration.note(reconciled)
        return reconciled

    def _take(self, rows: Sequence[Registered]) -> None:
        self.calls.append([(row.entry.label, row.entry.gone) for row in rows])


def test_only_what_differs_is_stored() -> None:
    store = Store()
    store.update(entries_of(ONE), NOW)
    store.update(entries_of(ONE), LATER)
    store.update(entries_of(ONE + TWO), LATER)
    store.update(entries_of(TWO), LATER)
    assert store.calls == [[("one", False)], [("two", False)], [("one", True)]]


def test_an_entry_is_in_force_since_it_came_and_a_renamed_one_goes_on() -> None:
    store = Store()
    store.update(entries_of(TWO), NOW)
    reconciled = store.update(entries_of(ONE + RENAMED), LATER)
    assert reconciled.since == {"one": LATER, "other": NOW}
    assert reconciled.renamed == {"two": "other"}
    assert set(store.registration.labels.values()) == {"one", "other"}


def test_all_of_it_is_stored_again_where_it_was_lost() -> None:
    store = Store()
    store.update(entries_of(ONE + TWO), NOW)
    store.update(entries_of(ONE), LATER)
    store.registration.store_again()
    assert sorted(store.calls[-1]) == [("one", False), ("two", True)]


def test_a_daemon_goes_on_from_what_another_has_stored() -> None:
    before, after = Store(), Store()
    before.update(entries_of(ONE + TWO), NOW)
    after.registration.begin(tuple(before.registration._known.values()))
    assert after.update(entries_of(ONE + TWO), LATER).since == {"one": NOW, "two": NOW}
    assert after.calls == []
