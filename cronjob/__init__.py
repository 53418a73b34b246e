"""cronjob: crontabs in their own time zones, with retries and a record.

`__all__` is the public surface; everything else is private, whatever its spelling.  The names are
imported when they are first used: the launcher and `cronjob --help` need none of them.
"""

from importlib import import_module

TYPE_CHECKING = False  # typing itself is not worth its memory in the launcher
if TYPE_CHECKING:
    from cronjob.core.entry import Entry, Problem, Setting, Table
    from cronjob.core.fields import Fields
    from cronjob.core.schedule import FireTime, Schedule
    from cronjob.core.table import parse_table
    from cronjob.errors import CronjobError, ScheduleError

__version__ = "0.1.0"

__all__ = [
    "CronjobError",
    "Entry",
    "Fields",
    "FireTime",
    "Problem",
    "Schedule",
    "ScheduleError",
    "Setting",
    "Table",
    "__version__",
    "parse_table",
]

_HOMES = {
    "cronjob.core.entry": ("Entry", "Problem", "Setting", "Table"),
    "cronjob.core.fields": ("Fields",),
    "cronjob.core.schedule": ("FireTime", "Schedule"),
    "cronjob.core.table": ("parse_table",),
    "cronjob.errors": ("CronjobError", "ScheduleError"),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            value = globals()[name] = getattr(import_module(home), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
