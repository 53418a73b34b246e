"""The files of the zone database."""

import zoneinfo
from collections.abc import Iterator
from pathlib import Path

import pytest

from cronjob.host.zonefiles import digests, zone_files


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """Two folders of zones, the first one wins; each zone holds the name of its folder."""
    before = zoneinfo.TZPATH
    for folder, zones in (("first", ("UTC", "Asia/Tokyo")), ("second", ("UTC", "Asia/Oral"))):
        for zone in zones:
            path = tmp_path / folder / zone
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(folder)
    zoneinfo.reset_tzpath([tmp_path / "first", tmp_path / "second"])
    yield tmp_path
    zoneinfo.reset_tzpath(before)


def test_a_zone_has_the_file_that_it_is_read_from_or_none(database: Path) -> None:
    found = zone_files(["UTC", "Asia/Oral", "Asia/Tokyo", "UTC", "No/Zone", "+01:00", "Asia"])
    names = ("second/Asia/Oral", "first/Asia/Tokyo", "first/UTC")
    assert found == tuple(str(database / name) for name in names)


@pytest.mark.usefixtures("database")
def test_new_rules_make_another_digest_and_a_new_time_does_not() -> None:
    (path,) = zone_files(["UTC"])
    before = digests([path])
    Path(path).touch()
    assert digests([path]) == before
    Path(path).write_text("new")
    assert digests([path]) != before
    Path(path).unlink()
    assert digests([path]) == {path: b""}
