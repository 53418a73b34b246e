"""The configuration: every key, every problem at once."""

from datetime import date, timedelta
from typing import Any

import pytest

from cronjob.core.config import KEYS, Config, Retention, read_config
from cronjob.core.fields import MOST_SLOTS
from cronjob.errors import ConfigError

#: One good value for each key that is not its default.
GOOD: dict[str, object] = {
    "slots": 8,
    "tables.crontab": True,
    "tables.cron-d": True,
    "tables.spool": "/srv/crontabs",
    "tables.file-names": "cronie",
    "mail.sendmail": "/opt/mail/sendmail",
    "hooks.on-failure": "alert",
    "hooks.on-success": "ping https://example.com/$CRONJOB_NAME",
    "hooks.on-give-up": "page --now",
    "history.keep-for": "36h",
    "history.keep-runs": 7,
    "history.max-size": "20M",
}


def nested(name: str, value: object) -> dict[str, Any]:
    """The mapping that TOML gives for one key."""
    section, _, key = name.rpartition(".")
    return {section: {key: value}} if section else {key: value}


def problems(mapping: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as raised:
        read_config(mapping)
    return raised.value.problems


def test_a_file_without_keys_has_the_defaults() -> None:
    assert read_config({}) == read_config({"tables": {}}) == Config()


@pytest.mark.parametrize("name", KEYS)
def test_each_key_has_its_effect_and_no_other(name: str) -> None:
    config = read_config(nested(name, GOOD[name]))
    differing = {f for f in Config.__slots__ if getattr(config, f) != getattr(Config(), f)}
    assert differing == {KEYS[name].attribute}
    assert getattr(config, KEYS[name].attribute) == GOOD[name]


def test_without_a_file_nothing_of_cron_is_read() -> None:
    assert Config() == Config(
        slots=None, crontab=False, cron_d=False, spool=False, file_names="debian"
    )


@pytest.mark.parametrize("spool", [True, False, "/srv/spool"])
def test_the_spool_is_where_it_always_is_or_where_the_file_says(spool: bool | str) -> None:
    assert read_config({"tables": {"spool": spool}}).spool == spool


@pytest.mark.parametrize("slots", [1, MOST_SLOTS])
def test_the_limits_of_slots_are_allowed(slots: int) -> None:
    assert read_config({"slots": slots}).slots == slots


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        ({"slots": 0}, "slots is 0; allowed is a whole number from 1 to 65536"),
        ({"slots": 65537}, "slots is 65537; allowed is a whole number from 1 to 65536"),
        ({"slots": True}, "slots is true; allowed is a whole number from 1 to 65536"),
        ({"slots": 1.5}, "slots is 1.5; allowed is a whole number from 1 to 65536"),
        (
            {"slots": -(1 << 99999)},
            "slots is a number of 100000 bits; allowed is a whole number from 1 to 65536",
        ),
        ({"slots": "8"}, 'slots is "8"; allowed is a whole number from 1 to 65536'),
        ({"slots": {}}, "slots is a section; allowed is a whole number from 1 to 65536"),
        ({"tables": {"crontab": 1}}, "tables.crontab is 1; allowed is true or false"),
        ({"tables": {"cron-d": []}}, "tables.cron-d is a list; allowed is true or false"),
        (
            {"tables": {"spool": "var/spool"}},
            'tables.spool is "var/spool"; allowed is true, false or an absolute path in quotes',
        ),
        (
            {"tables": {"file-names": "Debian"}},
            'tables.file-names is "Debian"; allowed is "debian" or "cronie"',
        ),
        (
            {"tables": {"spool": "/a\0b"}},
            r'tables.spool is "/a\x00b"; allowed is true, false or '
            "an absolute path in quotes",
        ),
        (
            {"slots": date(2027, 1, 1)},
            "slots is a date or time; allowed is a whole number from 1 to 65536",
        ),
        ({"tables": {"slots": 4}}, 'unknown key "tables.slots"; did you mean slots?'),
        ({"slot": 4}, 'unknown key "slot"; did you mean slots?'),
        ({"crontab": True}, 'unknown key "crontab"; did you mean tables.crontab?'),
        ({"table": {"crontab": True}}, 'unknown section "table"; did you mean tables?'),
        ({"tables": {"cron_d": True}}, 'unknown key "tables.cron_d"; did you mean tables.cron-d?'),
        ({"tables": True}, "tables is true; it is a section: [tables]"),
        ({"\x1b": 1}, f'unknown key "\\x1b"; allowed are {", ".join(KEYS)}'),
    ],
)
def test_a_problem_names_the_key_what_was_found_and_what_is_allowed(
    mapping: dict[str, Any], problem: str
) -> None:
    assert problems(mapping) == (problem,)


def test_all_problems_are_found_at_once() -> None:
    found = problems({"slots": 0, "tables": {"crontab": 3, "cron-d": True, "what": 1}, "else": 2})
    assert [text.split()[0] for text in found] == ["slots", "tables.crontab", "unknown", "unknown"]


@pytest.mark.parametrize(
    ("mapping", "retention"),
    [
        ({}, Retention(keep_for=timedelta(days=90), keep_runs=1000, max_size=1 << 30)),
        ({"keep-for": "1h", "keep-runs": 1}, Retention(keep_for=timedelta(hours=1), keep_runs=1)),
        ({"max-size": "1M"}, Retention(max_size=1 << 20)),
    ],
)
def test_how_much_history_is_kept_is_read_from_its_section(
    mapping: dict[str, Any], retention: Retention
) -> None:
    assert read_config({"history": mapping}).retention == retention


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("keep-for", "59m", 'is "59m"; allowed is a duration in quotes, an hour at least'),
        ("keep-for", 90, "is 90; allowed is a duration in quotes, an hour at least"),
        ("keep-for", "1 month", 'is "1 month"; allowed is a duration'),
        ("keep-runs", 0, "is 0; allowed is a whole number from 1 to 1000000000"),
        ("keep-runs", True, "is true; allowed is a whole number"),
        ("keep-runs", "10", 'is "10"; allowed is a whole number'),
        ("max-size", "1000K", 'is "1000K"; allowed is a size in quotes, 1M at least'),
        ("max-size", "1GB", 'is "1GB"; allowed is a size'),
        ("max-size", 10**9, "is 1000000000; allowed is a size in quotes"),
    ],
)
def test_a_bound_of_the_history_that_makes_no_sense_is_refused(
    key: str, value: object, said: str
) -> None:
    (problem,) = problems({"history": {key: value}})
    assert problem.startswith(f"history.{key} {said}")
