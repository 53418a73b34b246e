"""Every difference that the vectors show is in STANDARDS, and every list there can be quoted."""

import re

from tests.core import test_corpus as corpus
from tests.docs.differences import lists

EXTENSIONS, LANGUAGE, CONDUCT, DEBIAN = lists().values()

#: Each reason of the vectors' lists, and words of the item that says it.
SAID = {
    "cronie": {
        corpus.REVERSED: "A range that runs backwards is an error",
        corpus.COLUMN_DIFFERENCES["cronie"]["parse-507"]: "with a step that ends on `sun`",
        corpus.DRAWN: "`~` draws the same value at each load",
        corpus.WRAPPED: "A number that is out of range is an error",
        "`-1` is `-` before an entry to cronie": "`-` before an entry",
        "`-` before an entry": "`-` before an entry",
        "a reversed range": "A range that runs backwards is an error",
        "a number beyond 32 bits": "A number that is out of range is an error",
        "a step beyond 31 bits": "A step beyond 31 bits is an error",
        "no command before the `%`": "A line without a command before the first `%`",
        "no command after the user": "A line without a command",
        "an environment line without a name": "A setting without a name is an error",
        "an unknown zone in CRON_TZ": "An unknown `CRON_TZ` is an error",
        "a line over 128 KiB": "A line over 128 KiB is an error",
    },
    "debian-cron": {
        corpus.SUNDAY: "may end on `sun`",
        corpus.TRAILING: "Text after a value",
        corpus.NO_TILDE: "`~` draws a value",
        corpus.UNLOGGED: "`-` before an entry",
        "an empty value needs quotes there": "A setting may be empty without quotes",
        "quotes inside of quotes are stripped there": "keeps its quotes inside",
        "blanks before a closing quote are stripped there": "and its blanks",
        "two backslashes become one there": "Two backslashes in a command stay two",
    },
}


def test_every_listed_difference_of_the_vectors_is_an_item() -> None:
    for program, items in (("cronie", LANGUAGE), ("debian-cron", [*LANGUAGE, *DEBIAN])):
        reasons = {
            *corpus.COLUMN_DIFFERENCES[program].values(),
            *corpus.SETTING_DIFFERENCES[program].values(),
            *corpus.PERCENT_DIFFERENCES[program].values(),
            *(corpus.CHOSEN_TO_REFUSE.values() if program == "cronie" else ()),
        }
        said = SAID["cronie"] | (SAID["debian-cron"] if program == "debian-cron" else {})
        assert reasons <= said.keys()
        for reason in reasons:
            assert [item for item in items if said[reason] in item], reason


def test_the_lists_can_be_quoted_as_they_are() -> None:
    assert list(lists()) == [
        "Extensions to POSIX.1-2008",
        "Differences from cronie in the language",
        "Differences from cronie in what happens",
        "Differences from Debian cron, besides those",
    ]
    for item in [*EXTENSIONS, *LANGUAGE, *CONDUCT, *DEBIAN]:
        assert re.search(r"[.;]$", item)
        assert "\\" not in item
        assert len(item) < 130
