"""From the files of the machine to the entries that a daemon runs, and again after each change."""

import asyncio
import os
from collections.abc import Callable
from datetime import tzinfo

from cronjob.core.config import Config
from cronjob.core.entry import Entry, Identity, Table, label_entries
from cronjob.core.report import Priority, Report, refused
from cronjob.core.source import Source
from cronjob.core.zone import forget_zones, zone_name
from cronjob.errors import ConfigError, LaunchError, printable
from cronjob.host.accounts import Accounts
from cronjob.host.clock import system_zone
from cronjob.host.cronlock import RunningCron, running_cron
from cronjob.host.identity import host_identity, own_name
from cronjob.host.journal import Journal, NewsJournal
from cronjob.host.origin import Origin
from cronjob.host.shortage import passes
from cronjob.host.tablefiles import Candidate, Reading, TableFiles
from cronjob.host.watch import ANYTHING, Point, Watcher, points_of
from cronjob.host.zonefiles import digests, zone_files

MOST_READINGS = 5  #: in a row, while what leads to the tables keeps changing


class Loader:
    """Reads what the origin names, watches it, and says once what it cannot use.

    `changed` is called when it is worth loading again.
    """

    def __init__(
        self,
        origin: Origin,
        config: Config,
        journal: Journal,
        accounts: Accounts,
        changed: Callable[[], None],
    ) -> None:
        self.config = config
        self.entries: dict[str, Entry] = {}  #: by label
        self.labels: dict[Identity, str] = {}  #: what entries are called, and were before
        self.tables = 0  #: how many there are
        self.unsettled = False  #: whether to look again soon although nothing will tell
        self._origin = origin
        self._journal = journal
        self._accounts = accounts
        self._files = TableFiles(os.geteuid(), host_identity())
        self._watcher = Watcher(changed)
        self._candidates: tuple[Candidate, ...] = ()
        self._config_refused = False
        self._cron: RunningCron | None = None
        self._refused: set[str] = set()  #: the paths that could not be read
        self._zone_name = ""  #: of the machine
        self._zone_digests: dict[str, bytes] = {}  #: of the files of all zones in use, by path
        self._news = NewsJournal(journal)  #: what holds for each loading
        self._refusals = NewsJournal(journal)  #: what holds while the tables do not change
        self._checks: set[asyncio.Task[None]] = set()

    async def load(self, *, again: bool = False) -> bool:
        """Read everything; whether anything that is in effect differs.

        `again` takes nothing from an earlier loading: all is parsed, looked up and said anew.
        """
        changed = False
        for _ in range(MOST_READINGS):
            points = await asyncio.to_thread(self._points)
            self._news.begin(anew=again)
            unwatched = self._watcher.watch(points)
            self.unsettled = bool(unwatched)
            self._say_once(Priority.WARNING, "watch", unwatched)
            try:
                changed |= await self._load(again)
            except OSError as error:
                if not passes(error):
                    raise
                self._put_off(error)
                return changed
            again = False
            if await asyncio.to_thread(self._points) == points:
                return changed
        self._watcher.again()
        return changed

    def close(self) -> None:
        """Watch nothing any more."""
        self._watcher.close()

    def _put_off(self, error: OSError) -> None:
        text = f"cannot load the tables: {error.strerror}; what is in effect stays in effect"
        self._say_once(Priority.ERROR, "load", text)
        self.unsettled = True

    async def _load(self, again: bool) -> bool:
        anew = self._zones_changed() or again
        config = self._read_config()
        sources = self._origin.sources(config)
        cron = self._running_cron(sources)
        # What may have to be put off lies above: from here on there is an effect.
        if anew:
            forget_zones()
        config_changed, self.config = config != self.config, config
        zone, problem = system_zone(self._origin.places.root)
        self._zone_name = zone_name(zone)
        self._say_once(Priority.WARNING, "zone", problem)
        reading = await self._read(self._without_cron(sources, cron), zone, anew)
        self._say_remarks()
        self._say_problems(reading.tables if again else reading.fresh)
        if not reading.tables and not self._refused:
            paths = ", ".join(source.path for source in sources)
            self._say_once(Priority.WARNING, "no-table", f"there is no table: {paths}")
        if reading.changed or anew:
            self._refusals.begin(anew=again)
            self._take_over(reading.tables)
        self._note_zones()
        return reading.changed or config_changed or anew

    # -- reading ---------------------------------------------------------------------------------

    def _read_config(self) -> Config:
        """The configuration; a bad one leaves that which is in effect."""
        try:
            config = self._origin.read_config()
        except ConfigError as error:
            self._config_refused = True
            for problem in error.problems:
                text = f"{problem}; the last good configuration stays in effect"
                self._say_once(Priority.ERROR, "config", text)
            self.unsettled |= error.passing
            return self.config
        if self._config_refused:
            self._config_refused = False
            self._tell(Priority.NOTICE, "config", f"{self._origin.config}: it can be used again")
        return config

    async def _read(self, sources: tuple[Source, ...], zone: tzinfo, anew: bool) -> Reading:
        # In threads, since many files or a long table must not delay what is due.
        self._candidates = await asyncio.to_thread(self._files.find, sources)
        owners = {candidate.owner for candidate in self._candidates} - {None}
        uids = dict(await asyncio.gather(*(self._uid(name) for name in owners if name)))
        reading = await asyncio.to_thread(self._files.read, zone, uids=uids, anew=anew)
        # A name service that starts late tells nobody, nor does a descriptor that becomes free.
        orphans = any(isinstance(uid, str) for uid in uids.values())
        self.unsettled |= orphans or self._files.passing
        return reading

    async def _uid(self, name: str) -> tuple[str, int | str]:
        try:
            return name, (await self._accounts.get(name)).uid
        except LaunchError as error:
            return name, f"{error}, whose table it would be"

    def _running_cron(self, sources: tuple[Source, ...]) -> RunningCron | None:
        """The cron that runs the tables of cron among these, if there are any."""
        if any(source.classic for source in sources):
            return running_cron(self._origin.places.cron_pids)
        return None

    def _without_cron(
        self, sources: tuple[Source, ...], cron: RunningCron | None
    ) -> tuple[Source, ...]:
        """The sources, without cron's own while a cron runs them."""
        classic = ", ".join(source.path for source in sources if source.classic)
        before, self._cron = self._cron, cron
        if cron is None:
            if before is not None and classic:
                self._tell(Priority.INFO, "cron-gone", f"no cron is running now; reading {classic}")
            return sources
        text = f"{cron}; not reading {classic} meanwhile, so that nothing runs twice"
        self._say_once(Priority.WARNING, "cron-running", text)
        return tuple(source for source in sources if not source.classic)

    def _points(self) -> frozenset[Point]:
        """Where anything that a loading reads may change."""
        origin, sources = self._origin, self._origin.sources(self.config)
        places = origin.places
        paths = [os.path.join(places.root, "etc", name) for name in ("localtime", "timezone")]
        paths += self._zone_digests
        paths += [candidate.path for candidate in self._candidates]
        paths += [source.path for source in sources]
        paths += [origin.config] if origin.config else []
        if any(source.classic for source in sources):
            paths += places.cron_pids
        if any(source.style == "user" for source in sources):
            paths.append(places.passwd)
        points = {point for path in paths for point in points_of(path)}
        directories = (source.path for source in sources if source.place == "directory")
        return frozenset(points | {Point(os.path.realpath(path), ANYTHING) for path in directories})

    # -- zones -----------------------------------------------------------------------------------

    def _zones_changed(self) -> bool:
        """Whether the rules of a zone in use were changed, as by an update of the database."""
        return digests(self._zone_digests) != self._zone_digests

    def _note_zones(self) -> None:
        names = {zone_name(entry.schedule.zone) for entry in self.entries.values()}
        try:
            self._zone_digests = digests(zone_files({self._zone_name, *names}))
        except OSError:
            self.unsettled = True  # those of before serve until then

    # -- entries ---------------------------------------------------------------------------------

    def _take_over(self, tables: tuple[Table, ...]) -> None:
        self.tables = len(tables)
        entries = label_entries(tables, self.labels)
        self.labels |= {entry.identity: label for label, entry in entries.items()}
        if os.geteuid() != 0:
            entries = self._own_entries(entries)
        self.entries = entries
        self._check_users(entries)

    def _own_entries(self, entries: dict[str, Entry]) -> dict[str, Entry]:
        """Those of the account that runs the daemon; only root can run commands as others."""
        own = own_name()
        for label, entry in entries.items():
            if entry.user != own:
                why = f"it is for {entry.user}, and a daemon run by {own} runs {own}'s entries only"
                self._refusals.tell(refused(label, entry, why))
        return {label: entry for label, entry in entries.items() if entry.user == own}

    def _check_users(self, entries: dict[str, Entry]) -> None:
        """Say early what would fail late: a user that does not exist (now)."""
        by_user: dict[str, list[tuple[str, Entry]]] = {}
        for label, entry in entries.items():
            if entry.user is not None:
                by_user.setdefault(entry.user, []).append((label, entry))
        for user, theirs in by_user.items():
            task = asyncio.get_running_loop().create_task(self._check_user(user, theirs))
            self._checks.add(task)
            task.add_done_callback(self._checks.discard)

    async def _check_user(self, user: str, entries: list[tuple[str, Entry]]) -> None:
        try:
            await self._accounts.get(user)
        except LaunchError as error:
            for label, entry in entries:
                why = f"{error}, until there is one"
                self._refusals.tell(refused(label, entry, why))

    # -- words -----------------------------------------------------------------------------------

    def _say_remarks(self) -> None:
        refused = {path for path, remark in self._files.remarks.items() if remark.kind == "refused"}
        for path in sorted(self._refused - refused):
            self._tell(Priority.INFO, "table-accepted", f"{printable(path)}: no longer refused")
        self._refused = refused
        for path, remark in self._files.remarks.items():
            text = f"{printable(path)}: {remark}"
            if remark.kind == "refused":
                self._say_once(Priority.ERROR, "table-refused", text)
            else:
                self._say_once(Priority.NOTICE, "table-skipped", text)

    def _say_problems(self, tables: tuple[Table, ...]) -> None:
        for problem in (problem for table in tables for problem in table.problems):
            bad = problem.severity == "error"
            self._tell(Priority.ERROR if bad else Priority.WARNING, "table-problem", str(problem))

    def _say_once(self, priority: Priority, event: str, text: str) -> None:
        """Tell it unless the loading before has told it; nothing when the text is empty."""
        if text:
            self._news.tell(Report(event, priority, text))

    def _tell(self, priority: Priority, event: str, text: str) -> None:
        self._journal.tell(Report(event, priority, text))
