"""Where tables come from: which files and directories, and which names in these are tables."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from cronjob.core.config import Config, FileNames
from cronjob.core.entry import Style

Place = Literal["file", "directory"]


@dataclass(frozen=True, slots=True)
class NameRule:
    """Which names in a directory are not those of tables, first match wins."""

    skipped: tuple[tuple[re.Pattern[str], str], ...]  #: what matches, and what it is
    table: re.Pattern[str] = re.compile(r".*", re.DOTALL)
    allowed: str = ""  #: what `table` matches, in words

    def why_skipped(self, name: str) -> str:
        """What the file is when it is no table; empty when it is one."""
        for pattern, reason in self.skipped:
            if pattern.fullmatch(name):
                return reason
        return "" if self.table.fullmatch(name) else self.allowed


def _names(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)


_HIDDEN = (_names(r"\..*"), "its name begins with a dot")
_BACKUP = (_names(r".*~"), "its name ends in ~, as an editor's backup")
_LEFTOVERS = (
    (_names(r"#.*"), "its name begins with #, as what an editor saves by itself"),
    (_names(r".*\.(?:bak|orig|swp)"), "it is what an editor or patch leaves"),
    (_names(r".*\.(?:dpkg|ucf)-.*"), "it is what a package manager leaves"),
    (_names(r".*\.rpm(?:save|orig|new|moved)?"), "it is what a package manager leaves"),
)
OUR_NAMES = NameRule((_HIDDEN, _BACKUP, *_LEFTOVERS))
#: cron.d is read by the rule of the cron that the machine has, so that nothing runs that did not.
CRON_D_NAMES: dict[FileNames, NameRule] = {
    # Debian cron database.c valid_name
    "debian": NameRule(
        (_HIDDEN,),
        _names(r"[A-Za-z0-9_-]+"),
        "Debian's cron reads only names of letters, digits, _ and -",
    ),
    # cronie database.c not_a_crontab
    "cronie": NameRule(
        (
            _HIDDEN,
            _BACKUP,
            (_names(r"#.*"), "its name begins with #"),
            (_names(r".*\.rpm(?:save|orig|new)"), "it is what a package manager leaves"),
        )
    ),
}
SPOOL_NAMES = NameRule(
    (_HIDDEN, _BACKUP, (_names(r"#.*"), "its name begins with #"),
     (_names(r"tmp\..*"), "it is what crontab(1) writes before it installs a table"))
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file that is a table, or a directory of such files."""

    path: str
    place: Place = "file"
    style: Style = "system"
    classic: bool = False  #: it is cron's own: cron's language only, and not while cron runs
    required: bool = False  #: that it is missing is worth a word
    names: NameRule = OUR_NAMES  #: in a directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where on the machine everything is."""

    config: str = "/etc/cronjob.toml"
    table: str = "/etc/cronjob.tab"
    directory: str = "/etc/cronjob.d"
    crontab: str = "/etc/crontab"
    cron_d: str = "/etc/cron.d"
    spools: dict[FileNames, str] = field(
        default_factory=lambda: {"debian": "/var/spool/cron/crontabs", "cronie": "/var/spool/cron"}
    )
    cron_pids: tuple[str, ...] = ("/run/crond.pid", "/var/run/crond.pid")  #: cron's, cronie's
    root: str = "/"  #: the system's zone is that of `etc/localtime` and `etc/timezone` below it
    passwd: str = "/etc/passwd"

    def below(self, root: str) -> "Places":
        """All of them below another root, but for the accounts."""

        def move(path: str) -> str:
            return root + path

        return Places(
            root=root,
            config=move(self.config),
            table=move(self.table),
            directory=move(self.directory),
            crontab=move(self.crontab),
            cron_d=move(self.cron_d),
            spools={names: move(path) for names, path in self.spools.items()},
            cron_pids=tuple(map(move, self.cron_pids)),
        )


PLACES = Places()


def named_sources(paths: Iterable[str]) -> tuple[Source, ...]:
    """Those that the command line names, in place of all others."""
    return tuple(Source(path=path, required=True) for path in paths)


def configured_sources(config: Config, places: Places = PLACES) -> tuple[Source, ...]:
    """Those that are always read, and those that the config adds."""
    sources = [Source(path=places.table), Source(path=places.directory, place="directory")]
    if config.crontab:
        sources.append(Source(path=places.crontab, classic=True))
    if config.cron_d:
        names = CRON_D_NAMES[config.file_names]
        sources.append(Source(path=places.cron_d, place="directory", classic=True, names=names))
    if config.spool:
        path = config.spool if isinstance(config.spool, str) else places.spools[config.file_names]
        sources.append(
            Source(path=path, place="directory", style="user", classic=True, names=SPOOL_NAMES)
        )
    return tuple(sources)
