"""What a daemon notes of the boot, for a start without a history."""

from pathlib import Path

import pytest

from cronjob.core.report import Report
from cronjob.host.bootnote import BootNote

BOOT = "b00t:42"


class Notes:
    """The note in a folder of its own, and what is told about it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "booted"
        self.told: list[Report] = []

    def of(self, boot: str = BOOT) -> BootNote:
        """As a daemon of that boot has it."""
        return BootNote(str(self.path), boot, self.told.append)


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path)


@pytest.mark.parametrize("labels", [(), ("server",), ("a", "b~2", "n\udce4me")])
def test_a_note_holds_for_its_boot(notes: Notes, labels: tuple[str, ...]) -> None:
    notes.of().write(labels)
    assert notes.of().read() == labels
    assert notes.of("another").read() is None
    assert notes.told == []
    assert [path.name for path in notes.path.parent.iterdir()] == ["booted"]


def test_the_latest_note_counts(notes: Notes) -> None:
    notes.of().write(("server",))
    notes.of().write(())
    assert notes.of().read() == ()


def test_where_there_is_none_nothing_is_known(notes: Notes) -> None:
    assert notes.of().read() is None
    assert notes.told == []


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\xff", b"{", b"[]", b"null", b"{}", b'{"boot": "b00t:42"}'),
        b'{"boot": "b00t:42", "interrupted": 1}',
    ],
)
def test_a_note_that_says_nothing_is_none_and_that_is_said(notes: Notes, content: bytes) -> None:
    notes.path.write_bytes(content)
    assert notes.of().read() is None
    (told,) = notes.told
    assert told.event == "boot-note"
    assert told.text.startswith(f"{notes.path} cannot be used: ")


def test_a_note_that_cannot_be_replaced_is_taken_away(notes: Notes) -> None:
    """It would say of a server that a stop ended that it ended by itself."""
    notes.of().write(())
    Path(f"{notes.path}.new").mkdir()  # so that no file can be made there
    notes.of().write(("server",))
    assert notes.of().read() is None
    assert notes.told[0].text == f"{notes.path} cannot be written: Is a directory"
