"""Questions to a name service that may be slow."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from cronjob.host import lookup
from cronjob.host.lookup import Lookup


def counted(asked: list[int]) -> Callable[[int], str]:
    def find(number: int) -> str:
        asked.append(number)
        return f"user{number}"

    return find


def test_a_burst_of_questions_is_asked_once() -> None:
    asked: list[int] = []

    async def scene() -> None:
        users = Lookup(counted(asked))
        wanted = (users.get(number) for number in [7, 7, 8, 7])
        assert await asyncio.gather(*wanted) == ["user7", "user7", "user8", "user7"]
        assert (users.known(7), users.known(9)) == ("user7", None)

    asyncio.run(scene())
    assert sorted(asked) == [7, 8]


def test_an_answer_that_is_too_old_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "KEPT_SECONDS", -1.0)
    asked: list[int] = []

    async def scene() -> None:
        users = Lookup(counted(asked))
        await users.get(7)
        assert users.known(7) is None
        await users.get(7)

    asyncio.run(scene())
    assert asked == [7, 7]


def test_whatever_goes_wrong_is_told_and_not_waited_for() -> None:
    def find(number: int) -> str:
        raise UnicodeError(f"{number} has no name that can be read")

    async def scene() -> None:
        users = Lookup(find)
        with pytest.raises(UnicodeError, match="7 has no name"):
            await users.get(7)
        assert users.known(7) is None

    asyncio.run(scene())


def test_a_service_that_hangs_is_not_waited_for_and_not_asked_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    release = threading.Event()

    def find(number: int) -> str:
        asked.append(number)
        release.wait()
        return "late"

    monkeypatch.setattr(lookup, "LOOKUP_SECONDS", 0.01)

    async def scene() -> None:
        users = Lookup(find)
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await users.get(7)
        monkeypatch.undo()
        release.set()
        assert await users.get(7) == "late"

    try:
        asyncio.run(scene())
    finally:
        release.set()
    assert asked == [7]
