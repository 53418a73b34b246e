"""The configuration file: TOML on the machine -> a config, or every problem with its place."""

import os
import re
import tomllib

from cronjob.core.config import Config, read_config
from cronjob.errors import ConfigError, TableFileError, printable
from cronjob.host.trustedfile import read_trusted, system_trust

_PLACE = re.compile(r"(?P<what>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)")


def load_config(path: str, *, required: bool) -> Config:
    """The config in the file; that of an empty file if it may be missing and is.

    It is read as a table is: it decides which files commands come from.  Raises `ConfigError`.
    """
    try:
        data = read_trusted(path, system_trust(os.geteuid()), "the configuration")
    except TableFileError as error:
        if error.missing and not required:
            return Config()
        raise ConfigError(f"{printable(path)}: {error}", passing=error.passing) from error
    try:
        return read_config(_parsed(data))
    except ConfigError as error:
        place = printable(path)
        joined = (f"{place}{':' if text[0].isdigit() else ': '}{text}" for text in error.problems)
        raise ConfigError(*joined) from error


def _parsed(data: bytes) -> dict[str, object]:
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        found = data[error.start]
        raise ConfigError(f"{line}:{column}: byte {found:#04x} is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        if (match := _PLACE.fullmatch(str(error))) is None:
            raise ConfigError(f"{error}") from error  # at the end of the file
        what = match["what"]
        raise ConfigError(f"{match['line']}:{match['column']}: {what}") from error
