"""Which files are tables, by their names, and which sources a config asks for."""

import pytest

from cronjob.core.config import Config
from cronjob.core.source import (
    CRON_D_NAMES,
    OUR_NAMES,
    PLACES,
    SPOOL_NAMES,
    configured_sources,
    named_sources,
)


@pytest.mark.parametrize(
    ("name", "ours", "debian", "cronie"),
    [
        ("backup", True, True, True),
        ("e2scrub_all", True, True, True),
        ("0hourly", True, True, True),
        ("my-site_2", True, True, True),
        ("site.example.com", True, False, True),
        ("nightly.tab", True, False, True),
        ("with blank", True, False, True),
        ("ünlaut", True, False, True),
        ("new\nline", True, False, True),
        (".placeholder", False, False, False),
        (".#lock", False, False, False),
        ("backup~", False, False, False),
        ("#backup#", False, False, False),
        ("#backup", False, False, False),
        ("backup.bak", False, False, True),
        (".backup.swp", False, False, False),
        ("backup.swp", False, False, True),
        ("backup.orig", False, False, True),
        ("backup.dpkg-old", False, False, True),
        ("backup.dpkg-dist", False, False, True),
        ("backup.ucf-new", False, False, True),
        ("backup.rpmsave", False, False, False),
        ("backup.rpmorig", False, False, False),
        ("backup.rpmnew", False, False, False),
        ("backup.rpm", False, False, True),
        ("dpkg-old", True, True, True),
        ("bak", True, True, True),
    ],
)
def test_a_name_is_that_of_a_table_by_the_rule_of_its_directory(
    name: str, ours: bool, debian: bool, cronie: bool
) -> None:
    rules = (OUR_NAMES, CRON_D_NAMES["debian"], CRON_D_NAMES["cronie"])
    assert [rule.why_skipped(name) == "" for rule in rules] == [ours, debian, cronie]


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("ann", True),
        ("a.b", True),
        ("#ann", False),
        ("tmp.4711", False),
        (".x", False),
        ("ann~", False),
    ],
)
def test_in_the_spool_what_crontab_leaves_is_no_table(name: str, table: bool) -> None:
    assert (SPOOL_NAMES.why_skipped(name) == "") is table


def test_without_a_config_our_own_table_and_directory_are_read() -> None:
    assert [(s.path, s.place, s.classic) for s in configured_sources(Config())] == [
        ("/etc/cronjob.tab", "file", False),
        ("/etc/cronjob.d", "directory", False),
    ]


def test_the_tables_of_cron_are_added_by_the_config_and_are_classic() -> None:
    config = Config(crontab=True, cron_d=True, spool=True)
    added = configured_sources(config)[2:]
    assert [(s.path, s.place, s.style) for s in added] == [
        ("/etc/crontab", "file", "system"),
        ("/etc/cron.d", "directory", "system"),
        ("/var/spool/cron/crontabs", "directory", "user"),
    ]
    assert all(source.classic and not source.required for source in added)


def test_the_spool_is_that_of_the_named_cron_or_the_named_directory() -> None:
    for config, path in (
        (Config(spool=True, file_names="cronie"), "/var/spool/cron"),
        (Config(spool="/srv/tabs"), "/srv/tabs"),
    ):
        assert configured_sources(config)[-1].path == path


def test_tables_named_on_the_command_line_must_be_there() -> None:
    assert [(s.path, s.required, s.classic) for s in named_sources(["a", "b"])] == [
        ("a", True, False),
        ("b", True, False),
    ]


def test_all_places_can_be_below_another_root() -> None:
    places = PLACES.below("/srv/x")
    paths = [places.config, places.table, places.directory, places.crontab, places.cron_d]
    paths += [*places.spools.values(), *places.cron_pids, places.root]
    assert all(path.startswith("/srv/x") for path in paths)
    assert places.table == "/srv/x/etc/cronjob.tab"
