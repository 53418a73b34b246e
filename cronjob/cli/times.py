"""`cronjob next`: when a schedule fires."""

import argparse
import sys

from cronjob.core.schedule import Schedule
from cronjob.errors import ScheduleError
from cronjob.host.clock import SystemClock, system_zone
from cronjob.host.identity import host_identity


def show_next(options: argparse.Namespace) -> int:
    """Print the next fire times, in the schedule's own zone; 1 when there is none."""
    zone, problem = (options.tz, "") if options.tz else system_zone()
    if problem:
        print(f"cronjob: {problem}", file=sys.stderr)
    try:
        schedule = Schedule.parse(options.expression, zone=zone, seed=host_identity())
    except ScheduleError as error:
        print(f"cronjob: {error}", file=sys.stderr)
        return 2
    if schedule.reboot:
        print("@reboot has no times: it starts once per boot")
        return 0
    fire = schedule.next(SystemClock().now())
    if fire is None:
        print(f"{schedule.text} never fires", file=sys.stderr)
        return 1
    for _ in range(options.n):
        if fire is None:
            break
        local = fire.at.astimezone(schedule.zone)
        print(f"{local:%a} {local.isoformat(' ', 'minutes')}")
        fire = schedule.next(fire.at)
    return 0
