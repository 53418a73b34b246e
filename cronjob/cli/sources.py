"""The tables that a verb looks at: those of `--table`, or those that a daemon would read."""

import argparse
import os
import pwd
import sys
from collections.abc import Iterable
from datetime import tzinfo

from cronjob.cli.problems import print_problems
from cronjob.core.entry import Table
from cronjob.core.source import PLACES, Places
from cronjob.core.table import parse_table
from cronjob.errors import ConfigError, TableFileError, printable
from cronjob.host.clock import system_zone
from cronjob.host.cronlock import running_cron
from cronjob.host.identity import host_identity
from cronjob.host.origin import Origin
from cronjob.host.tablefiles import TableFiles, read_table_file, why_refused


def origin_of(
    arguments: argparse.Namespace, places: Places = PLACES, *, default_config: bool = True
) -> Origin:
    """Where the tables come from; `default_config` says whether there is a config by default."""
    default = places.config if default_config else None
    return Origin(
        tables=tuple(arguments.table or ()),
        config=arguments.config or default,
        config_required=arguments.config is not None,
        places=places,
    )


def read_tables(
    arguments: argparse.Namespace, places: Places = PLACES
) -> tuple[tuple[Table, ...], int]:
    """The tables, and the exit code so far; what is wrong with them goes to standard error."""
    zone, problem = system_zone()
    if problem:
        _say(f"cronjob: {problem}")
    if arguments.table:
        tables, code = _named_tables(arguments.table, zone)
    else:
        tables, code = daemon_tables(origin_of(arguments, places), zone)
    return tables, max(code, print_problems(tables, sys.stderr))


def _named_tables(paths: Iterable[str], zone: tzinfo) -> tuple[tuple[Table, ...], int]:
    """Files that a person may read are shown, also those that a daemon would refuse."""
    tables, code = [], 0
    for path in paths:
        try:
            text = read_table_file(path)
        except TableFileError as error:
            _say(f"{printable(path)}: {error}")
            code = 1
            continue
        if why := why_refused(path):
            _say(f"{printable(path)}: warning: a daemon of this user would refuse it: {why}")
        tables.append(parse_table(text, source=path, zone=zone, host=host_identity()))
    return tuple(tables), code


def daemon_tables(origin: Origin, zone: tzinfo) -> tuple[tuple[Table, ...], int]:
    """What a daemon would read now, and the exit code; refusals go to standard error."""
    try:
        sources = origin.sources(origin.read_config())
    except ConfigError as error:
        for problem in error.problems:
            _say(problem)
        return (), 1
    classic = ", ".join(source.path for source in sources if source.classic)
    if classic and (cron := running_cron(origin.places.cron_pids)) is not None:
        _say(f"cronjob: {cron}; a daemon does not read {classic} meanwhile")
        sources = tuple(source for source in sources if not source.classic)
    files = TableFiles(os.geteuid(), host_identity())
    owners = {candidate.owner for candidate in files.find(sources) if candidate.owner is not None}
    reading = files.read(zone, uids={name: _uid(name) for name in owners})
    for path, remark in files.remarks.items():
        _say(f"{printable(path)}: {remark}")
    if not reading.tables and not files.refused:
        _say(f"cronjob: there is no table: {', '.join(source.path for source in sources)}")
        return (), 1
    return reading.tables, int(files.refused)


def _uid(name: str) -> int | str:
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError, UnicodeError):
        return f'unknown user "{printable(name)}", whose table it would be'


def _say(text: str) -> None:
    print(text, file=sys.stderr)
