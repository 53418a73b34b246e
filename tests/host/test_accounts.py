import asyncio
import os
import pwd
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from cronjob.errors import LaunchError
from cronjob.host import accounts, lookup
from cronjob.host.accounts import Account, Accounts, expiry_of, find_account

ANN = Account("ann", 1000, 1001, (1001, 27), "/home/ann")


@pytest.mark.parametrize(
    ("line", "expiry"),
    [
        ("ann:*:19000:0:99999:7:::\n", None),
        ("ann:*:19000:0:99999:7::0:\n", date(1970, 1, 1)),
        ("anna:*:1:0:9:7::1:\nann:*:19000:0:99999:7::20000:\n", date(2024, 10, 4)),
        ("ann:*:19000:0:99999:7::never:\n", None),
        ("ann:*:19000\n", None),
        ("ann:*:19000:0:99999:7::99999999999:\n", None),
        ("", None),
    ],
)
def test_a_local_account_expires_on_the_day_that_shadow_says(
    line: str, expiry: date | None, tmp_path: Path
) -> None:
    (tmp_path / "shadow").write_text(line)
    assert expiry_of("ann", str(tmp_path / "shadow")) == expiry


@pytest.mark.parametrize(("day", "expired"), [(1, date(1970, 1, 2)), (1_000_000, None)])
def test_an_account_is_not_used_after_its_expiry(
    day: int, expired: date | None, tmp_path: Path
) -> None:
    me = pwd.getpwuid(os.geteuid()).pw_name
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/shadow").write_text(f"{me}:*:::::: {day}:\n".replace(" ", ""))
    assert find_account(me, str(tmp_path)).expired == expired


def test_an_account_is_all_numbers() -> None:
    me = pwd.getpwuid(os.geteuid())
    account = asyncio.run(Accounts().get(me.pw_name))
    assert (account.uid, account.gid) == (me.pw_uid, me.pw_gid)
    assert me.pw_gid in account.groups


@pytest.mark.parametrize("name", ["no-such-user-here", "nul\0byte", ""])
def test_an_unknown_user_is_said_by_name(name: str) -> None:
    with pytest.raises(LaunchError, match=r"^unknown user"):
        asyncio.run(Accounts().get(name))


def _asked(monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], Account]) -> None:
    monkeypatch.setattr(accounts, "find_account", answer)


def test_a_burst_asks_the_name_service_once_per_user(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(name: str) -> Account:
        asked.append(name)
        return ANN

    async def burst() -> None:
        accounts = Accounts()
        await asyncio.gather(*(accounts.get(name) for name in ("ann", "bob") for _ in range(50)))

    _asked(monkeypatch, answer)
    asyncio.run(burst())
    assert sorted(asked) == ["ann", "bob"]


def test_a_name_service_that_hangs_costs_its_limit_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hang = threading.Event()

    def answer(name: str) -> Account:
        if name == "slow":
            hang.wait(60)
        return ANN

    async def both() -> None:
        accounts = Accounts()
        slow = asyncio.create_task(accounts.get("slow"))
        assert await accounts.get("ann") is ANN
        with pytest.raises(LaunchError, match=r'^no answer about user "slow" within'):
            await slow
        hang.set()

    _asked(monkeypatch, answer)
    monkeypatch.setattr(lookup, "LOOKUP_SECONDS", 0.5)
    asyncio.run(both())
