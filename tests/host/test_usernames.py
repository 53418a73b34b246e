"""Who a number is."""

import asyncio
import threading

import pytest

from cronjob.host import usernames
from cronjob.host.usernames import UserNames, find_name

NOT_A_USER = 3_999_999_999


def test_the_name_of_a_number_is_the_account_that_has_it() -> None:
    assert find_name(0) == "root"
    assert find_name(NOT_A_USER) is None


def test_a_burst_of_questions_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def find(uid: int) -> str:
        asked.append(uid)
        return f"user{uid}"

    monkeypatch.setattr(usernames, "find_name", find)

    async def scene() -> None:
        names = UserNames()
        wanted = (names.get(uid) for uid in [7, 7, 8, 7])
        assert await asyncio.gather(*wanted) == ["user7", "user7", "user8", "user7"]

    asyncio.run(scene())
    assert sorted(asked) == [7, 8]


def test_a_name_service_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(usernames, "find_name", lambda _: str(release.wait()))
    monkeypatch.setattr(usernames, "LOOKUP_SECONDS", 0.01)
    try:
        assert asyncio.run(UserNames().get(7)) is None
    finally:
        release.set()
