"""From the files of a machine to entries, and what is said on the way."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cronjob.core.config import Config
from cronjob.core.report import Report
from cronjob.core.source import PLACES
from cronjob.core.zone import zone_name
from cronjob.errors import LaunchError
from cronjob.host.accounts import Account, Accounts
from cronjob.host.identity import own_name
from cronjob.host.loading import Loader
from cronjob.host.origin import Origin

ME = own_name()


class Told:
    """A journal that keeps what it is told."""

    def __init__(self) -> None:
        self.reports: list[Report] = []

    def tell(self, report: Report) -> None:
        self.reports.append(report)

    def take(self) -> list[tuple[str, str]]:
        """Event and text of what was told since the last call."""
        taken, self.reports = self.reports, []
        return [(report.event, report.text) for report in taken]


class LateAccounts(Accounts):
    """A name service that knows nobody at first."""

    def __init__(self) -> None:
        super().__init__()
        self.ready = False

    async def get(self, name: str) -> Account:
        if not self.ready:
            raise LaunchError(f'no answer about user "{name}" within 5 s')
        return Account(name, os.geteuid(), os.getegid(), (), "/")


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o644)
    return path


def loading(
    root: Path,
    scenario: Callable[[Loader, Told], Awaitable[None]],
    config: Config | None = None,
    accounts: Accounts | None = None,
) -> None:
    """Run a scenario with a loader of the sources below `root`."""

    async def run() -> None:
        told = Told()
        origin = Origin(places=PLACES.below(str(root)), config=f"{root}/etc/cronjob.toml")
        put(root / "etc/timezone", "Europe/Paris\n")
        start = config or origin.read_config()
        loader = Loader(origin, start, told, accounts or LateAccounts(), lambda: None)
        try:
            await scenario(loader, told)
        finally:
            loader.close()

    asyncio.run(run())


@pytest.fixture(autouse=True)
def _no_zone_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ", raising=False)


def test_a_table_whose_account_is_not_known_yet_waits_for_it(tmp_path: Path) -> None:
    accounts = LateAccounts()
    put(tmp_path / "etc/cronjob.toml", "tables.spool = true\n")
    path = put(tmp_path / "var/spool/cron/crontabs" / ME, "@daily true\n")

    async def scenario(loader: Loader, told: Told) -> None:
        assert await loader.load() is False
        assert loader.unsettled
        why = f'no answer about user "{ME}" within 5 s, whose table it would be'
        assert ("table-refused", f"{path}: {why}") in told.take()
        assert await loader.load() is False
        assert told.take() == []
        accounts.ready = True
        assert await loader.load() is True
        assert not loader.unsettled
        assert [entry.user for entry in loader.entries.values()] == [ME]
        assert told.take() == [("table-accepted", f"{path}: no longer refused")]

    loading(tmp_path, scenario, accounts=accounts)


def test_a_machine_short_of_descriptors_is_looked_at_again_and_nothing_changes_meanwhile(
    tmp_path: Path, no_descriptors: Callable[[], AbstractContextManager[None]]
) -> None:
    accounts = LateAccounts()
    accounts.ready = True
    table = put(tmp_path / "etc/cronjob.tab", f"0 12 * * * tz=Asia/Tokyo {ME} true\n")

    async def scenario(loader: Loader, told: Told) -> None:
        await loader.load()
        before = loader.entries
        table.write_text(f"0 13 * * * {ME} true\n")
        told.take()
        with no_descriptors():
            assert await loader.load(again=True) is False
        assert loader.entries == before
        assert loader.unsettled
        why = "cannot load the tables: Too many open files; what is in effect stays in effect"
        assert told.take() == [("load", why)]
        assert await loader.load() is True
        assert not loader.unsettled
        assert [entry.schedule.text for entry in loader.entries.values()] == ["0 13 * * *"]

    loading(tmp_path, scenario, accounts=accounts)


def test_what_stays_wrong_is_said_once_and_again_when_it_is_wished(tmp_path: Path) -> None:
    accounts = LateAccounts()
    accounts.ready = True
    place = put(tmp_path / "etc/cronjob.tab", "61 * * * * root true\n")
    put(tmp_path / "etc/cronjob.d/a~", "")
    refused = put(tmp_path / "etc/cronjob.d/b", "")
    refused.chmod(0o666)

    async def scenario(loader: Loader, told: Told) -> None:
        events = ["table-skipped", "table-refused", "table-problem"]
        await loader.load()
        assert [event for event, _ in told.take()] == events
        await loader.load()
        assert told.take() == []
        await loader.load(again=True)
        assert [event for event, _ in told.take()] == events
        place.write_text("62 * * * * root true\n")
        assert await loader.load() is True
        assert [event for event, _ in told.take()] == ["table-problem"]

    loading(tmp_path, scenario, accounts=accounts)


def test_nothing_that_changes_is_no_change(tmp_path: Path) -> None:
    accounts = LateAccounts()
    accounts.ready = True
    put(tmp_path / "etc/cronjob.tab", f"@daily {ME} true\n")

    async def scenario(loader: Loader, _: Told) -> None:
        assert await loader.load() is True
        before = loader.entries
        assert await loader.load() is False
        assert loader.entries is before
        assert await loader.load(again=True) is True

    loading(tmp_path, scenario, accounts=accounts)


def test_the_zone_of_the_system_is_that_of_entries_without_one(tmp_path: Path) -> None:
    accounts = LateAccounts()
    accounts.ready = True
    put(tmp_path / "etc/cronjob.tab", f"@daily {ME} true\n@daily tz=Asia/Tokyo {ME} true\n")

    async def scenario(loader: Loader, _: Told) -> None:
        for zone in ("Europe/Paris", "America/New_York"):
            put(tmp_path / "etc/timezone", f"{zone}\n")
            assert await loader.load() is True
            zones = [zone_name(entry.schedule.zone) for entry in loader.entries.values()]
            assert zones == [zone, "Asia/Tokyo"]

    loading(tmp_path, scenario, accounts=accounts)


def test_a_machine_without_any_table_is_said(tmp_path: Path) -> None:
    async def scenario(loader: Loader, told: Told) -> None:
        assert await loader.load() is False
        ((event, text),) = told.take()
        assert event == "no-table"
        assert text.endswith("/etc/cronjob.tab, " + f"{tmp_path}/etc/cronjob.d")

    loading(tmp_path, scenario)
