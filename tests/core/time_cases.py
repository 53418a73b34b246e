"""What happens when clocks change: one table, which tests run and docs/explanation/time.md shows.

A row is played by the daemon's own engine on a fake clock.  What it starts is written as the wall
clock of the zone reads at the start, and `for` the time that the table asked for where the two
differ; `again` is a further pass over an instant that the clock has shown before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal

from cronjob.core.events import Launch
from cronjob.core.zone import named_zone
from cronjob.testing import Simulation, entries_of

Happening = Literal["set", "suspended", "late", "rules", "zone"]


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Something that happens to the machine's clock, to the rules of the zone, or to the daemon."""

    at: str  #: the wall time before it
    by: str  #: how far: `+1h`, `-30m`; the name of the other zone, when it is that
    what: Happening = "set"

    @property
    def length(self) -> timedelta:
        """How far the clock moves, or for how long nothing runs."""
        amount, unit = int(self.by[:-1]), self.by[-1]
        return timedelta(hours=amount) if unit == "h" else timedelta(minutes=amount)


@dataclass(frozen=True, slots=True)
class TimeCase:
    """One change of a clock, and what entries do about it."""

    title: str
    zone: str
    start: str  #: local time, as is `end`
    end: str
    starts: dict[str, str]  #: columns -> what is started
    why: str
    disturbances: tuple[Disturbance, ...] = ()


def played(case: TimeCase) -> dict[str, str]:
    """What the engine starts, entry by entry, in the words of `TimeCase.starts`."""
    lines = [f"{columns} name=e{n} root true\n" for n, columns in enumerate(case.starts)]
    entries = entries_of("".join(lines), zone=case.zone)
    simulation = Simulation(entries, start=_instant(case.start, case.zone))
    for disturbance in case.disturbances:
        before = _instant(disturbance.at, case.zone)
        simulation.run_until(before)
        if disturbance.what == "late":  # time goes by for both clocks, and nobody looks
            simulation.clock.advance(disturbance.length)
            simulation.wake()
        elif disturbance.what == "zone":
            simulation.reload(entries_of("".join(lines), zone=disturbance.by))
        elif disturbance.what == "rules":  # the wall clock moves, and real time does not
            ruled = NewRules(case.zone, before, disturbance.length)
            simulation.reload(entries_of("".join(lines), zone=ruled))
        else:
            simulation.jump_wall(disturbance.length)
    simulation.run_until(_instant(case.end, case.zone))
    return {
        columns: ", ".join(_started(simulation, f"e{n}")) or "nothing"
        for n, columns in enumerate(case.starts)
    }


class NewRules(tzinfo):
    """A zone as an edition of the database has it, in which it is at another offset for good."""

    def __init__(self, key: str, at: datetime, by: timedelta) -> None:
        self.key = key
        self._offset = (at.astimezone(named_zone(key)).utcoffset() or timedelta()) + by

    def utcoffset(self, _: datetime | None) -> timedelta:
        return self._offset

    def dst(self, _: datetime | None) -> timedelta:
        return timedelta()

    def tzname(self, _: datetime | None) -> str:
        return self.key


def _instant(local: str, zone: str) -> datetime:
    return datetime.fromisoformat(local).replace(tzinfo=named_zone(zone)).astimezone(UTC)


def _started(simulation: Simulation, label: str) -> Iterator[str]:
    for at, effect in simulation.timeline:
        if not isinstance(effect, Launch) or effect.run.label != label:
            continue
        run = effect.run
        local = at.astimezone(run.entry.schedule.zone)
        shown, wanted = local.isoformat(timespec="minutes")[11:], f"{run.fire.nominal:%H:%M}"
        asked_for = "" if shown.startswith(wanted) else f" for {wanted}"
        yield f"{local:%a} {shown}{asked_for}{' again' if '#' in run.key else ''}"


GAPS = [
    TimeCase(
        "New York, 10 March 2024: at 2:00 it is 3:00",
        "America/New_York", "2024-03-10 00:00", "2024-03-10 04:30",
        {
            "30 2 * * *": "Sun 03:00-04:00 for 02:30",
            "0,20,40 2 * * *": "Sun 03:00-04:00 for 02:00",
            "0,30 2,3 * * *": "Sun 03:00-04:00 for 02:00, Sun 03:30-04:00",
            "*/20 2 * * *": "nothing",
            "@hourly": "Sun 01:00-05:00, Sun 03:00-04:00, Sun 04:00-04:00",
        },
        "A fixed entry runs once for all its times that were skipped; a wildcard entry never saw "
        "them.",
    ),
    TimeCase(
        "Lord Howe, 6 October 2024: at 2:00 it is 2:30",
        "Australia/Lord_Howe", "2024-10-06 01:00", "2024-10-06 03:10",
        {
            "10 2 * * *": "Sun 02:30+11:00 for 02:10",
            "45 2 * * *": "Sun 02:45+11:00",
            "*/15 2 * * *": "Sun 02:30+11:00, Sun 02:45+11:00",
        },
        "A change of the clocks may be of half an hour.",
    ),
    TimeCase(
        "Cairo, 26 April 2024: at midnight it is 1:00",
        "Africa/Cairo", "2024-04-25 23:00", "2024-04-26 02:00",
        {
            "@daily": "Fri 01:00+03:00 for 00:00",
            "0 0 26 4 *": "Fri 01:00+03:00 for 00:00",
            "*/30 * * * *": "Thu 23:30+02:00, Fri 01:00+03:00, Fri 01:30+03:00, Fri 02:00+03:00",
        },
        "The day begins at 1:00, and what belongs to midnight runs then.",
    ),
    TimeCase(
        "São Paulo, 4 November 2018: at midnight it is 1:00",
        "America/Sao_Paulo", "2018-11-03 22:00", "2018-11-04 02:00",
        {
            "0 0 * * 0": "Sun 01:00-02:00 for 00:00",
            "59 23 * * 6": "Sat 23:59-03:00",
            "* 0 * * *": "nothing",
        },
        "The day of the week is that of the time asked for.",
    ),
    TimeCase(
        "Havana, 10 March 2024: at midnight it is 1:00",
        "America/Havana", "2024-03-09 22:00", "2024-03-10 03:10",
        {
            "30 0 10 3 *": "Sun 01:00-04:00 for 00:30",
            "15 */2 * * *": "Sat 22:15-05:00, Sun 02:15-04:00",
        },
        "With a star in the hour an entry is a wildcard entry, whatever its minute says.",
    ),
    TimeCase(
        "Troll, 31 March 2024: at 1:00 it is 3:00",
        "Antarctica/Troll", "2024-03-31 00:00", "2024-03-31 04:00",
        {
            "15 1,2,3 * * *": "Sun 03:00+02:00 for 01:15, Sun 03:15+02:00",
            "30 1 * * *": "Sun 03:00+02:00 for 01:30",
        },
        "A gap of two hours swallows 1:15 and 2:15: one run, where cron would start two at once.",
    ),
    TimeCase(
        "Casey, 18 October 2009: at 2:00 it is 5:00",
        "Antarctica/Casey", "2009-10-18 00:00", "2009-10-18 06:00",
        {"0 3 * * *": "Sun 05:00+11:00 for 03:00"},
        "Three hours are the longest gap that is made up for.",
    ),
    TimeCase(
        "Samoa, 30 December 2011: a day that never was",
        "Pacific/Apia", "2011-12-29 00:00", "2011-12-31 23:00",
        {
            "0 12 * * *": "Thu 12:00-10:00, Sat 12:00+14:00",
            "0 12 30 12 *": "nothing",
            "0 */12 * * *": "Thu 12:00-10:00, Sat 00:00+14:00, Sat 12:00+14:00",
        },
        "A gap of more than three hours is not made up for: there was no such day.",
    ),
    TimeCase(
        "Pyongyang, 4 May 2018: at 23:30 it is midnight",
        "Asia/Pyongyang", "2018-05-04 23:00", "2018-05-05 01:00",
        {
            "45 23 * * *": "Sat 00:00+09:00 for 23:45",
            "0 0 5 5 *": "Sat 00:00+09:00",
            "*/15 * * * *": "Fri 23:15+08:30, Sat 00:00+09:00, Sat 00:15+09:00, Sat 00:30+09:00, "
            "Sat 00:45+09:00, Sat 01:00+09:00",
        },
        "A zone may change its offset for good; the rule is the same.",
    ),
]  # fmt: skip

FOLDS = [
    TimeCase(
        "New York, 3 November 2024: at 2:00 it is 1:00 again",
        "America/New_York", "2024-11-03 00:00", "2024-11-03 02:10",
        {
            "30 1 * * *": "Sun 01:30-04:00",
            "0,30 1 * * *": "Sun 01:00-04:00, Sun 01:30-04:00",
            "*/30 1 * * *": "Sun 01:00-04:00, Sun 01:30-04:00, Sun 01:00-05:00, Sun 01:30-05:00",
            "30 * * * *": "Sun 00:30-04:00, Sun 01:30-04:00, Sun 01:30-05:00",
            "0 2 * * *": "Sun 02:00-05:00",
        },
        "`*/30` and `0,30` name the same minutes. Only the star makes a wildcard entry, which runs "
        "both times.",
    ),
    TimeCase(
        "Lord Howe, 7 April 2024: at 2:00 it is 1:30 again",
        "Australia/Lord_Howe", "2024-04-07 01:10", "2024-04-07 02:10",
        {
            "45 1 * * *": "Sun 01:45+11:00",
            "*/15 1 * * *": "Sun 01:15+11:00, Sun 01:30+11:00, Sun 01:45+11:00, Sun 01:30+10:30, "
            "Sun 01:45+10:30",
        },
        "Only the half hour that comes twice is run twice.",
    ),
    TimeCase(
        "São Paulo, 17 February 2018: at midnight it is 23:00 again",
        "America/Sao_Paulo", "2018-02-17 22:50", "2018-02-18 00:10",
        {
            "@daily": "Sun 00:00-03:00",
            "30 23 * * *": "Sat 23:30-02:00",
            "30 * * * *": "Sat 23:30-02:00, Sat 23:30-03:00",
        },
        "Midnight comes once, after both passes of the hour before it.",
    ),
    TimeCase(
        "Newfoundland, 27 October 2002: at 0:01 it is 23:01 of the day before again",
        "America/St_Johns", "2002-10-26 22:50", "2002-10-27 00:30",
        {
            "@daily": "Sun 00:00-02:30",
            "30 23 * * *": "Sat 23:30-02:30",
            "0 * * * *": "Sat 23:00-02:30, Sun 00:00-02:30, Sun 00:00-03:30",
        },
        "The day begins twice; a daily entry runs at its first midnight.",
    ),
    TimeCase(
        "Dublin, 31 March 2024: at 1:00 it is 2:00",
        "Europe/Dublin", "2024-03-31 00:00", "2024-03-31 02:10",
        {"30 1 * * *": "Sun 02:00+01:00 for 01:30"},
        "In the database Irish summer is standard time, and winter an hour less; that changes "
        "nothing.",
    ),
    TimeCase(
        "Dublin, 27 October 2024: at 2:00 it is 1:00 again",
        "Europe/Dublin", "2024-10-27 00:10", "2024-10-27 02:10",
        {"30 1 * * *": "Sun 01:30+01:00", "30 */1 * * *": "Sun 00:30+01:00, Sun 01:30+01:00, "
         "Sun 01:30+00:00"},
        "The same in autumn.",
    ),
    TimeCase(
        "Casablanca, 10 March 2024: at 3:00 it is 2:00 again, for Ramadan",
        "Africa/Casablanca", "2024-03-10 01:40", "2024-03-10 03:10",
        {"30 2 * * *": "Sun 02:30+01:00", "*/30 2 * * *": "Sun 02:00+01:00, Sun 02:30+01:00, "
         "Sun 02:00+00:00, Sun 02:30+00:00"},
        "Some zones change their clocks four times a year.",
    ),
]  # fmt: skip

CLOCK = [
    TimeCase(
        "Set forward by 4 minutes",
        "UTC", "2024-06-03 09:00", "2024-06-03 10:05",
        {
            "0 10 * * *": "Mon 10:02+00:00 for 10:00",
            "59 9 * * *": "Mon 10:02+00:00 for 09:59",
            "*/2 10 * * *": "Mon 10:02+00:00 for 10:00, Mon 10:02+00:00, Mon 10:04+00:00",
        },
        "Up to five minutes late, everything that was missed is started.",
        (Disturbance("2024-06-03 09:58", "+4m"),),
    ),
    TimeCase(
        "Set forward by an hour",
        "UTC", "2024-06-03 09:00", "2024-06-03 11:00",
        {
            "10 10 * * *": "Mon 10:50+00:00 for 10:10",
            "10,40 10 * * *": "Mon 10:50+00:00 for 10:40",
            "*/20 10 * * *": "nothing",
            "*/10 10 * * *": "Mon 10:50+00:00",
        },
        "Up to three hours late, a fixed entry runs once and a wildcard entry only if it matches "
        "the present minute.",
        (Disturbance("2024-06-03 09:50", "+1h"),),
    ),
    TimeCase(
        "Set forward by five hours",
        "UTC", "2024-06-03 09:00", "2024-06-03 15:30",
        {"0 10 * * *": "nothing", "0 15 * * *": "Mon 15:00+00:00"},
        "What is more than three hours late is missed, and the journal says so.",
        (Disturbance("2024-06-03 09:50", "+5h"),),
    ),
    TimeCase(
        "Suspended for two hours",
        "UTC", "2024-06-03 09:00", "2024-06-03 12:00",
        {"0 10 * * *": "Mon 11:50+00:00 for 10:00", "*/15 * * * *": "Mon 09:15+00:00, "
         "Mon 09:30+00:00, Mon 09:45+00:00, Mon 12:00+00:00"},
        "To the daemon a machine that slept is a clock that was set forward.",
        (Disturbance("2024-06-03 09:50", "+2h", "suspended"),),
    ),
    TimeCase(
        "Suspended overnight",
        "UTC", "2024-06-03 22:00", "2024-06-04 07:30",
        {"0 3 * * *": "nothing", "0 7 * * *": "Tue 07:00+00:00"},
        "A night is more than three hours.",
        (Disturbance("2024-06-03 22:50", "+8h", "suspended"),),
    ),
    TimeCase(
        "The daemon is stopped for 3 minutes, and the clock goes on",
        "UTC", "2024-06-03 09:00", "2024-06-03 10:05",
        {"0 10 * * *": "Mon 10:01+00:00 for 10:00", "59 * * * *": "Mon 10:01+00:00 for 09:59"},
        "Late is late, whatever the reason; the bands are the same.",
        (Disturbance("2024-06-03 09:58", "+3m", "late"),),
    ),
    TimeCase(
        "Set back by an hour",
        "UTC", "2024-06-03 09:30", "2024-06-03 11:30",
        {
            "0 10,11 * * *": "Mon 10:00+00:00, Mon 11:00+00:00",
            "30 9 * * *": "nothing",
            "0 * * * *": "Mon 10:00+00:00, Mon 10:00+00:00 again, Mon 11:00+00:00",
        },
        "Up to three hours back, fixed entries wait until the clock is where it was; wildcard "
        "entries follow the clock.",
        (Disturbance("2024-06-03 10:20", "-1h"),),
    ),
    TimeCase(
        "Set back by five hours",
        "UTC", "2024-06-03 05:30", "2024-06-03 10:10",
        {
            "0 10 * * *": "Mon 10:00+00:00, Mon 10:00+00:00 again",
            "0 6 * * *": "Mon 06:00+00:00, Mon 06:00+00:00 again",
            "*/30 9 * * *": "Mon 09:00+00:00, Mon 09:30+00:00, Mon 09:00+00:00 again, "
            "Mon 09:30+00:00 again",
        },
        "More than three hours back, the old time was wrong, and everything is planned anew.",
        (Disturbance("2024-06-03 10:05", "-5h"),),
    ),
]  # fmt: skip

RULES = [
    TimeCase(
        "The zone database puts Tashkent back by an hour",
        "Asia/Tashkent", "2024-06-03 09:00", "2024-06-03 13:00",
        {
            "30 9 * * *": "Mon 09:30+05:00",
            "30 10 * * *": "Mon 10:30+04:00",
            "30 * * * *": "Mon 09:30+05:00, Mon 09:30+04:00, Mon 10:30+04:00, Mon 11:30+04:00",
        },
        "A fixed entry does not run again at a wall time at which it has run; a wildcard entry "
        "follows real time.",
        (Disturbance("2024-06-03 10:00", "-1h", "rules"),),
    ),
    TimeCase(
        "The zone database puts Tashkent forward by an hour",
        "Asia/Tashkent", "2024-06-03 09:00", "2024-06-03 12:00",
        {
            "30 9 * * *": "Mon 09:30+05:00",
            "30 10 * * *": "nothing",
            "30 11 * * *": "Mon 11:30+06:00",
            "30 * * * *": "Mon 09:30+05:00, Mon 11:30+06:00, Mon 12:30+06:00",
        },
        "What the new rules put into the past is missed, and the journal says so.",
        (Disturbance("2024-06-03 10:00", "+1h", "rules"),),
    ),
    TimeCase(
        "The zone of the system is changed from Berlin to London",
        "Europe/Berlin", "2024-06-03 09:00", "2024-06-03 12:00",
        {
            "30 9 * * *": "Mon 09:30+02:00, Mon 09:30+01:00",
            "30 10 * * *": "Mon 10:30+01:00",
            "*/30 * * * *": "Mon 09:30+02:00, Mon 10:00+02:00, Mon 09:30+01:00, Mon 10:00+01:00, "
            "Mon 10:30+01:00, Mon 11:00+01:00",
        },
        "Another zone is another schedule, and it is planned from that moment on.",
        (Disturbance("2024-06-03 10:00", "Europe/London", "zone"),),
    ),
]  # fmt: skip

CASES = [*GAPS, *FOLDS, *CLOCK, *RULES]
