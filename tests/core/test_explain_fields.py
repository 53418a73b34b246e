"""What an entry and its fields ask for, in words: one line a case."""

import pytest

from cronjob import parse_table
from cronjob.core.entry import Entry
from cronjob.core.explain.fields import command_words, field_words
from cronjob.core.fields import FIELDS


def _entry(fields: str = "", command: str = "true", columns: str = "@daily") -> Entry:
    table = parse_table(f"{columns} {fields} root {command}\n", source="t", zone="UTC", host="here")
    (entry,) = table.entries
    return entry


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("name=x", None),
        ("tz=Europe/Paris", "TZ of the command is Europe/Paris."),
        ("retry=0", "A failed run is not tried again."),
        ("retry=1,5m", "A failed run is tried again once, 5 minutes after each failure."),
        (
            "retry=3",
            "A failed run is tried again up to 3 times, after 30 seconds, doubled each time up to "
            "1 hour.",
        ),
        (
            "retry=3,30s..10m",
            "A failed run is tried again up to 3 times, after 30 seconds, doubled each time up to "
            "10 minutes.",
        ),
        (
            "retry=3,9s..9s",
            "A failed run is tried again up to 3 times, 9 seconds after each failure.",
        ),
        ("retry=2,0s..0s", "A failed run is tried again up to 2 times, without a delay."),
        ("retry-until=next", "No retry starts at its next fire time or later."),
        (
            "retry-until=2h",
            "No retry starts later than 2 hours after the start of the first attempt.",
        ),
        ("retry-on=failure", "It is tried again for any failure."),
        ("retry-on=75", "It is tried again for exit status 75."),
        (
            "retry-on=timeout,lost,75,64-66",
            "It is tried again for a timeout, a lost attempt and exit status 75 and 64 to 66.",
        ),
        (
            "retry-on=failure,!2",
            "It is tried again for any failure, but not for exit status 2.",
        ),
        ("timeout=90s", "An attempt that takes longer than 1 minute 30 seconds is ended."),
        ("grace=1m", "SIGKILL follows SIGTERM after 1 minute."),
        ("slots=1", "A run holds 1 slot."),
        ("slots=0", "A run holds no slots."),
        ("priority=-5", "It waits for slots with priority -5."),
        ("slots=auto", "The command takes slots of the daemon's as it needs them."),
        ("slots=auto:4", "The command takes at most 4 slots of the daemon's as it needs them."),
        ("overlap=skip", "A run that is due while an earlier one goes on is left out."),
        (
            "overlap=queue",
            "A run that is due while an earlier one goes on waits for its end, the newest one only",
        ),
        (
            "catchup=latest",
            "Of the fire times that passed without a start the last is made up for",
        ),
        ("deadline=1h", "A run that cannot start within 1 hour is missed."),
        (
            "when=load<4,mem>2G,psi.io<20,ac",
            "A run waits until the load is below 4, more than 2 GiB of memory are available, the "
            "pressure on io is below 20 % and the machine has mains power.",
        ),
        ("ok=0,3-5", "Success is exit status 0 and 3 to 5."),
        ("mail=failure", "Its output is mailed when the run fails"),
        ("log=never", "Its output is never logged"),
        ('on-failure="alert me"', "After a run that fails for good: alert me"),
        ("on-failure=none", "Nothing follows a run that fails for good"),
        ("on-success=cheer", "After a run that succeeds: cheer"),
        ("on-give-up=page", "After a run whose retries do not help: page"),
        ("nice=10", "Its nice value is 10"),
        ("umask=027", "Its umask is 027"),
        ("cwd=/srv", "It runs in /srv"),
        ("memory=512M", "It may use 512 MiB of memory"),
        ("memory=1000", "It may use 1000 bytes of memory"),
        ("cpu=50%", "It may use 50 % of one CPU"),
        ("open-files=64", "It may open 64 files at once"),
    ],
)
def test_a_field_has_its_sentence(field: str, sentence: str | None) -> None:
    found = list(field_words(_entry(field)))
    if sentence is None:
        assert found == []
        return
    assert found == [sentence.removesuffix(".") + "."]


def test_every_field_but_the_name_has_words() -> None:
    from cronjob.core.explain import fields

    assert [*fields._WORDS] == [name for name in FIELDS if name != "name"]


def test_fields_that_are_not_there_are_not_explained() -> None:
    assert list(field_words(_entry())) == []


def test_a_default_of_the_table_is_explained_with_the_entry() -> None:
    text = "@defaults timeout=1h\n@daily root true\n"
    (entry,) = parse_table(text, source="t", zone="UTC").entries
    assert list(field_words(entry)) == ["An attempt that takes longer than 1 hour is ended."]


def test_jitter_says_what_was_drawn() -> None:
    (words,) = field_words(_entry("jitter=1h"))
    assert words.startswith("It starts up to 1 hour after its fire time, on this host always ")


def test_the_command_and_its_standard_input_are_shown_escaped() -> None:
    entry = _entry(command="cat \x1b[2J%one%two\x07")
    assert list(command_words(entry)) == [
        r"root runs: cat \x1b[2J",
        "With this standard input:\n  one\n  two\\x07",
    ]


def test_a_user_table_without_a_known_owner_has_no_user() -> None:
    (entry,) = parse_table("@daily true\n", source="t", style="user", zone="UTC").entries
    assert list(command_words(entry)) == ["Runs: true"]
