"""Who a number is."""

import asyncio
import threading

import pytest

from cronjob.host import lookup, usernames
from cronjob.host.usernames import UserNames, find_name

NOT_A_USER = 3_999_999_999


def test_the_name_of_a_number_is_the_account_that_has_it() -> None:
    assert find_name(0) == "root"
    assert find_name(NOT_A_USER) is None


def test_a_name_service_that_hangs_knows_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(usernames, "find_name", lambda _: str(release.wait()))
    monkeypatch.setattr(lookup, "LOOKUP_SECONDS", 0.01)
    try:
        assert asyncio.run(UserNames().get(7)) is None
    finally:
        release.set()
