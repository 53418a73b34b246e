"""Which zone was probably meant."""

import pytest

from cronjob.cli.zones import nearest_zone

ZONES = ("America/New_York", "Europe/Berlin", "Europe/Paris", "Europe/Rome", "Etc/GMT+3", "UTC")


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Europe/Paris ", "Europe/Paris"),
        ("utc", "UTC"),
        ("Rome", "Europe/Rome"),
        ("New York", "America/New_York"),
        ("America/NewYork", "America/New_York"),
        ("UTC+3", None),
        ("CEST", None),
        ("Europe", None),
        ("Mars/Olympus", None),
        ("", None),
        ("\udcff", None),
    ],
)
def test_a_place_a_slip_or_another_case_has_a_suggestion(name: str, zone: str | None) -> None:
    assert nearest_zone(name, ZONES) == zone
