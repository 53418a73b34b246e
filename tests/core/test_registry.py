"""Which entries there have been: what an edit, a rename or an absence makes of them."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from cronjob.core.entry import Entry, Identity, Table, label_entries
from cronjob.core.found import KnownEntry, Left, Unfinished
from cronjob.core.registry import (
    Reconciled,
    definition,
    followed,
    labels_before,
    reconcile,
)
from cronjob.core.table import parse_table

at = datetime.fromisoformat
MONDAY = at("2026-03-02T10:00Z")
TUESDAY = MONDAY + timedelta(days=1)


def tables(**texts: str) -> list[Table]:
    return [parse_table(text + "\n", source=source) for source, text in texts.items()]


def stored(known: tuple[KnownEntry, ...], found: Reconciled) -> tuple[KnownEntry, ...]:
    """What a store has after it took the rows."""
    rows = {one.identity: one for one in known}
    for row in found.rows:
        rows.pop(row.before or row.entry.identity, None)
        rows[row.entry.identity] = row.entry
    return tuple(rows.values())


def after(known: tuple[KnownEntry, ...], now: datetime, **texts: str) -> Reconciled:
    return reconcile(known, label_entries(tables(**texts), labels_before(known)), now)


def known(**texts: str) -> tuple[KnownEntry, ...]:
    """What is stored since Monday."""
    return stored((), after((), MONDAY, **texts))


def one(text: str) -> Entry:
    (table,) = tables(a=text)
    return table.entries[0]


BACKUP = "0 9 * * * name=backup root run"


def test_what_is_there_already_is_not_stored_again() -> None:
    found = after(known(a=BACKUP), TUESDAY, a=BACKUP)
    assert found == Reconciled((), {"backup": MONDAY}, {})


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("0 9 * * * name=backup retry=3 root other", MONDAY),  # the schedule is the same
        ("MAILTO=x\n0 9 * * * name=backup root run", MONDAY),
        ("0 9-9 * * * name=backup root run", MONDAY),
        ("0 10 * * * name=backup root run", TUESDAY),
        ("*/60 9 * * * name=backup root run", TUESDAY),  # a star follows real time
        ("0 9 * * * tz=Asia/Tokyo name=backup root run", TUESDAY),
        ("0 9 * * * name=new root other", TUESDAY),
        ("0 9 * * * name=new nobody run", TUESDAY),
    ],
)
def test_a_schedule_counts_from_the_edit_that_brought_it(text: str, since: datetime) -> None:
    (found,) = after(known(a=BACKUP), TUESDAY, a=text).since.values()
    assert found == since


@pytest.mark.parametrize(
    ("texts", "identity", "label"),
    [
        ({"a": "0 9 * * * name=new root run"}, Identity("", "a", "new"), "new"),
        ({"a": "0 9 * * * name=new retry=9 timeout=1h root run"}, Identity("", "a", "new"), "new"),
        ({"b": BACKUP}, Identity("", "b", "backup"), "backup"),
    ],
)
def test_another_name_or_table_keeps_the_history(
    texts: dict[str, str], identity: Identity, label: str
) -> None:
    before = known(a=BACKUP)
    found = after(before, TUESDAY, **texts)
    (row,) = found.rows
    assert (row.before, row.entry.identity) == (before[0].identity, identity)
    assert (row.entry.label, row.entry.since, row.entry.gone) == (label, MONDAY, False)
    assert found.renamed == ({} if label == "backup" else {"backup": label})


def test_each_is_the_origin_of_one_at_most() -> None:
    twice = "0 9 * * * name=x root run\n0 9 * * * name=y root run"
    thrice = "\n".join(f"0 9 * * * name={name} root run" for name in "klm")
    found = after(known(a=twice), TUESDAY, a=thrice)
    names = {row.entry.identity.name: row.before and row.before.name for row in found.rows}
    assert names == {"k": "x", "l": "y", "m": None}
    assert found.since == {"k": MONDAY, "l": MONDAY, "m": TUESDAY}


def test_the_history_of_one_who_is_still_there_is_not_taken() -> None:
    found = after(known(a=BACKUP), TUESDAY, a=f"{BACKUP}\n0 9 * * * name=copy root run")
    assert [(row.entry.label, row.before) for row in found.rows] == [("copy", None)]


def test_a_table_of_another_owner_does_not_inherit() -> None:
    def table(owner: str) -> list[Table]:
        text = "0 9 * * * name=n run\n"
        return [parse_table(text, source=f"/spool/{owner}", style="user", owner=owner)]

    before = stored((), reconcile((), label_entries(table("ann")), MONDAY))
    found = reconcile(before, label_entries(table("bob")), TUESDAY)
    assert before[0].identity.owner == "ann"
    assert [row.before for row in found.rows] == [None, None]
    assert [row.entry.gone for row in found.rows] == [False, True]


def test_who_goes_and_comes_back_has_missed_nothing_between() -> None:
    before = known(a=BACKUP)
    away = stored(before, after(before, TUESDAY, a="# nothing"))
    assert away == (before[0]._replace(gone=True),)
    assert after(away, TUESDAY, a="").rows == ()  # that is known
    back = after(away, TUESDAY, a=BACKUP)
    assert back.since == {"backup": TUESDAY}
    assert [(row.entry.gone, row.before) for row in back.rows] == [(False, None)]


def test_a_label_is_free_for_others_while_its_entry_is_gone() -> None:
    before = known(a=BACKUP)
    away = stored(before, after(before, TUESDAY, b="0 1 * * * name=backup root other"))
    assert {row.identity.source: (row.label, row.gone) for row in away} == {
        "a": ("backup", True),
        "b": ("backup", False),
    }
    both = after(away, TUESDAY, a=BACKUP, b="0 1 * * * name=backup root other")
    assert [row.entry.label for row in both.rows] == ["backup~2"]
    assert both.renamed == {}


def test_labels_outlive_a_restart_whatever_tables_come_first() -> None:
    before = known(a=BACKUP, b=BACKUP)
    texts = {"0": "1 1 * * * name=backup root other", "b": BACKUP, "a": BACKUP}
    labels = label_entries(tables(**texts), labels_before(before))
    assert {label: entry.source for label, entry in labels.items()} == {
        "backup": "a",
        "backup~2": "b",
        "backup~3": "0",
    }


def test_what_was_left_is_followed_to_its_new_label() -> None:
    run = Unfinished("x@2026-03-02T09:00Z", "x", MONDAY, MONDAY.replace(tzinfo=None), 1, "root")
    left = Left(
        unfinished=(run, run._replace(label="z")),
        recorded=frozenset({"x@2026-03-02T09:00Z", "z@2026-03-02T09:00Z#2"}),
        interrupted=("x", "z"),
    )
    found = followed(left, {"x": "y"})
    assert [(run.key[0], run.label) for run in found.unfinished] == [("x", "y"), ("x", "z")]
    assert found.recorded == left.recorded | {"y@2026-03-02T09:00Z"}
    assert found.interrupted == ("y", "z")
    assert followed(left, {}) is left


def test_a_definition_is_of_who_does_what_and_when() -> None:
    entry = one("0 9 * * * name=a retry=1 root run %hello")
    same = one("@defaults timeout=1m\nFOO=x\n0 9 * * * name=b root run %hello")
    assert definition(entry) == definition(same)
    others = [
        one("0 9 * * * name=a nobody run %hello"),
        one("0 9 * * * name=a root run %other"),
        one("0 9 * * * name=a root runs %hello"),
        one("1 9 * * * name=a root run %hello"),
        one("0 9 * * * tz=Asia/Tokyo name=a root run %hello"),
        replace(entry, user=None),
    ]
    found = {definition(other) for other in [entry, *others]}
    assert len(found) == 7


def test_ten_thousand_entries_are_compared_at_once() -> None:
    from time import process_time

    text = "\n".join(f"{n % 60} {n // 60 % 24} * * * root run {n}" for n in range(10_000))
    entries = label_entries(tables(a=text))
    before = stored((), reconcile((), entries, MONDAY))
    begun = process_time()
    assert reconcile(before, entries, TUESDAY).rows == ()
    assert process_time() - begun < 1.0
