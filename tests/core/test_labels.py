"""What entries are called among all tables, before and after a reload."""

import time

import pytest

from cronjob.core.entry import Entry, Table, label_entries
from cronjob.core.table import parse_table


def table(source: str, *names: str) -> Table:
    return parse_table("".join(f"@daily name={n} root x\n" for n in names), source=source)


def called(labels: dict[str, Entry]) -> dict[str, str]:
    """`table:name` of each label."""
    return {label: f"{entry.source}:{entry.name}" for label, entry in labels.items()}


A, B, C = table("a", "x", "y"), table("b", "x"), table("c", "x")


@pytest.mark.parametrize(
    ("before", "after", "labels"),
    [
        ([A], [A, B], {"x": "a:x", "y": "a:y", "x~2": "b:x"}),
        ([A, B], [B], {"x~2": "b:x"}),
        ([A, B], [C, B], {"x": "c:x", "x~2": "b:x"}),
        ([B], [A, B], {"x~2": "a:x", "y": "a:y", "x": "b:x"}),
        ([A, B, C], [A, C], {"x": "a:x", "y": "a:y", "x~3": "c:x"}),
        ([A, B, C], [C, B, A], {"x~3": "c:x", "x~2": "b:x", "x": "a:x", "y": "a:y"}),
        ([], [A, B], {"x": "a:x", "y": "a:y", "x~2": "b:x"}),
    ],
)
def test_an_entry_keeps_its_label_whatever_tables_come_and_go(
    before: list[Table], after: list[Table], labels: dict[str, str]
) -> None:
    labelled = label_entries(before).items()
    found = label_entries(after, {entry.identity: label for label, entry in labelled})
    assert called(found) == labels
    assert list(found.values()) == [entry for table in after for entry in table.entries]


def test_ten_thousand_namesakes_do_not_each_count_from_one() -> None:
    tables = [table(f"t{number}", "x") for number in range(10_000)]
    begun = time.process_time()
    labels = label_entries(tables)
    assert len(labels) == 10_000
    assert labels["x~10000"].source == "t9999"
    assert time.process_time() - begun < 1.0  # every one from one: 5 s


def test_of_two_that_had_the_same_label_in_turn_the_first_keeps_it() -> None:
    before = {A.entries[0].identity: "x", B.entries[0].identity: "x"}
    assert called(label_entries([B, A], before)) == {"x": "b:x", "x~2": "a:x", "y": "a:y"}
