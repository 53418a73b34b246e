"""cronjob: crontabs in their own time zones, with retries and a record.

This page is the public surface; everything else is private, whatever its spelling.
"""

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
