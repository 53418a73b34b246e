"""`cronjob simulate`: what the daemon would do, on a clock that takes no time."""

import argparse
import json
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from cronjob.cli.columns import aligned
from cronjob.cli.instants import parse_instant
from cronjob.cli.slots import default_slots
from cronjob.cli.sources import origin_of, read_tables
from cronjob.cli.zones import zone_option
from cronjob.core.attempt import Attempt
from cronjob.core.chronicle import Chronicle, Occurrence, Tally, unfinished, zulu
from cronjob.core.entry import Entry, label_entries
from cronjob.core.fields import FieldError, parse_duration
from cronjob.core.found import Left
from cronjob.core.nearest import nearest_label
from cronjob.core.record import Progress
from cronjob.core.run import Run
from cronjob.core.simulation import Act, Simulation, exited
from cronjob.core.source import PLACES, Places
from cronjob.core.words import counted, seconds
from cronjob.errors import ConfigError, CronjobError, ScheduleError, quoted
from cronjob.host.clock import system_zone

_INSTANT = timedelta(microseconds=1)  # what fires at the start belongs to it, at the end not
LONGEST = timedelta(days=50 * 366)
MOST_FAILURES = 1001  # one more than there are retries


class WishError(CronjobError):
    """An option asks for what cannot be simulated: what was found, what is allowed."""


@dataclass(frozen=True, slots=True)
class Script:
    """What the options say about attempts."""

    lasts: timedelta
    lasts_of: Mapping[str, timedelta]  #: by label
    fails_of: Mapping[str, int]  #: how many attempts of each run fail first, by label

    def __call__(self, run: Run, attempt: Attempt) -> Act:
        """How this attempt goes."""
        fails = attempt.number <= self.fails_of.get(run.label, 0)
        return Act(self.lasts_of.get(run.label, self.lasts), exited(int(fails)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is to be simulated."""

    start: datetime
    end: datetime
    zone: tzinfo  #: in which times are read and printed
    steps: tuple[tuple[datetime, timedelta], ...]  #: when the clock is set, and by how much
    script: Script


def simulate(options: argparse.Namespace, places: Places = PLACES) -> int:
    """Print what would happen; 1 when a table has an error, 2 when an option is wrong."""
    try:
        config = origin_of(options, places).read_config()
    except ConfigError as error:
        for problem in error.problems:
            print(f"cronjob: {problem}", file=sys.stderr)
        return 1
    tables, code = read_tables(options, places)
    entries = label_entries(tables)
    try:
        wishes = _wishes(options, entries)
    except (ScheduleError, WishError) as error:
        print(f"cronjob: {error}", file=sys.stderr)
        return 2
    if not options.reboot:
        _say_what_does_not_boot(entries)
    slots = options.slots or config.slots or default_slots()
    _play(options, wishes, entries, slots)
    return code


def _play(
    options: argparse.Namespace, wishes: Wishes, entries: Mapping[str, Entry], slots: int
) -> None:
    if options.summary:
        tell: Callable[[Occurrence], None] = _ignore
    elif options.json:
        tell = _print_object
    else:
        tell = _line_printer(wishes.zone, max(map(len, entries), default=0))
    chronicle = Chronicle(tell, {label: Tally() for label in entries})
    before = wishes.start - _INSTANT  # so that what is due at the start is due
    simulation = Simulation(
        entries,
        start=wishes.start,
        slots=slots,
        script=wishes.script,
        watch=chronicle.watch,
        with_processes=False,
        left=Left(progress=Progress(before)),
        since=dict.fromkeys(entries, before),
        reboot=options.reboot,
    )
    for at, by in wishes.steps:
        simulation.run_until(at)
        simulation.jump_wall(by)
    simulation.run_until(wishes.end - _INSTANT)
    if options.json:
        _print_summary_objects(chronicle, simulation, entries_too=options.summary)
    else:
        if options.summary:
            print(_summary_table(chronicle.tallies), end="")
        print(_summary_text(chronicle, simulation, wishes.zone), end="")


# -- what happens --------------------------------------------------------------------------------


def _ignore(_: Occurrence) -> None:
    pass


def _line_printer(zone: tzinfo, width: int) -> Callable[[Occurrence], None]:
    def tell(one: Occurrence) -> None:
        local = one.at.astimezone(zone).isoformat(" ", "seconds")
        print(f"{local}  {one.name:<{width}}  {one.text}")

    return tell


_encode = json.JSONEncoder().encode


def _print_object(one: Occurrence) -> None:
    known = {"event": one.event, "at": zulu(one.at), "name": one.name or None}
    print(_encode({**known, **dict(one.details), "text": one.text}))


# -- the sum of it -------------------------------------------------------------------------------

_HEADS = (
    *("NAME", "RUNS", "ATTEMPTS", "FAILED", "GAVE UP", "OVERLAPS", "LONGEST WAIT"),
    *("SKIPPED", "MISSED"),
)


def _summary_table(tallies: Mapping[str, Tally]) -> str:
    rows = [
        (
            *(label, str(tally.runs), str(tally.attempts), str(tally.failures)),
            *(str(tally.gave_up), str(tally.overlaps), _waited(tally)),
            *(str(tally.skipped), str(tally.missed)),
        )
        for label, tally in tallies.items()
    ]
    return aligned([_HEADS, *rows]) + "\n" if rows else ""


def _waited(tally: Tally) -> str:
    return seconds(tally.longest_wait) if tally.longest_wait >= 0.001 else "-"


def _summary_text(chronicle: Chronicle, simulation: Simulation, zone: tzinfo) -> str:
    total = chronicle.total()
    entries = counted(len(chronicle.tallies), "entry", "entries")
    parts = [
        f"{counted(total.runs, 'run')} of {entries}, {counted(total.attempts, 'attempt')}",
        f"{total.failures} failed",
        f"{counted(total.gave_up, 'run')} gave up",
        f"{counted(total.overlaps, 'overlap')}",
        f"{counted(total.missed, 'fire time')} missed",
    ]
    if total.skipped:
        parts.append(f"{counted(total.skipped, 'run')} skipped")
    lines = [", ".join(parts)]
    if total.longest_wait >= 0.001:
        lines.append(f"longest wait: {seconds(total.longest_wait)}")
    if chronicle.busiest is not None:
        minute = chronicle.busiest.astimezone(zone).isoformat(" ", "minutes")
        taken = f"{chronicle.most_slots} of {simulation.state.slots} slots"
        lines.append(f"busiest minute: {minute}, {taken} at once")
    going, waiting = unfinished(simulation)
    if going or waiting:
        attempts, runs = counted(going, "attempt"), counted(waiting, "run")
        lines.append(f"unfinished at the end: {attempts} going, {runs} waiting")
    return "\n".join(lines) + "\n"


def _print_summary_objects(
    chronicle: Chronicle, simulation: Simulation, *, entries_too: bool
) -> None:
    if entries_too:
        for label, tally in chronicle.tallies.items():
            print(_encode({"event": "entry-summary", "name": label, **_members(tally)}))
    going, waiting = unfinished(simulation)
    whole = {
        "event": "summary",
        "entries": len(chronicle.tallies),
        **_members(chronicle.total()),
        "slots": simulation.state.slots,
        "most_slots": chronicle.most_slots,
        "busiest": zulu(chronicle.busiest) if chronicle.busiest else None,
        "going": going,
        "waiting": waiting,
    }
    print(_encode(whole))


def _members(tally: Tally) -> dict[str, object]:
    return {
        "runs": tally.runs,
        "attempts": tally.attempts,
        "failures": tally.failures,
        "gave_up": tally.gave_up,
        "overlaps": tally.overlaps,
        "longest_wait": tally.longest_wait,
        "skipped": tally.skipped,
        "missed": tally.missed,
    }


# -- what is asked for ---------------------------------------------------------------------------


def _wishes(options: argparse.Namespace, entries: Mapping[str, Entry]) -> Wishes:
    """Read the options.  Raises `ScheduleError` and `WishError`."""
    zone = system_zone()[0] if options.tz is None else zone_option(options.tz)
    start = parse_instant(options.start, zone, "--from")
    end = parse_instant(options.end, zone, "--to")
    if end <= start:
        raise WishError(f"--to {quoted(options.end)} is not later than --from")
    if end - start > LONGEST:
        raise WishError(f"--to {quoted(options.end)} is more than 50 years after --from")
    steps = sorted(_step(text, zone, start, end) for text in options.step_clock or ())
    everyone, lasts_of = timedelta(seconds=1), dict[str, timedelta]()
    for text in options.lasts or ():
        label, _, duration = text.rpartition("=")
        if label:
            lasts_of[_known(label, "--lasts", entries)] = _duration(duration, "--lasts", text)
        else:
            everyone = _duration(duration, "--lasts", text)
    fails_of = dict(_failure(text, entries) for text in options.fail or ())
    script = Script(everyone, lasts_of, fails_of)
    return Wishes(start=start, end=end, zone=zone, steps=tuple(steps), script=script)


def _step(text: str, zone: tzinfo, start: datetime, end: datetime) -> tuple[datetime, timedelta]:
    at, _, by = text.rpartition("=")
    if not at or by[:1] not in ("+", "-"):
        raise WishError(
            f"--step-clock {quoted(text)} is not understood; allowed is a time, an equals sign, "
            "+ or - and a duration, like 2027-03-28T02:30=-1h"
        )
    instant = parse_instant(at, zone, "--step-clock")
    if not start <= instant < end:
        raise WishError(f"--step-clock {quoted(text)} is not between --from and --to")
    duration = _duration(by[1:], "--step-clock", text)
    return instant, duration if by[0] == "+" else -duration


def _failure(text: str, entries: Mapping[str, Entry]) -> tuple[str, int]:
    label, _, number = text.rpartition("=")
    plain = number.isascii() and number.isdigit() and len(number) <= 9
    if not label or not plain or not 1 <= int(number) <= MOST_FAILURES:
        raise WishError(
            f"--fail {quoted(text)} is not understood; allowed is the name of an entry, an "
            f"equals sign and a number from 1 to {MOST_FAILURES}, like backup=2"
        )
    return _known(label, "--fail", entries), int(number)


def _duration(text: str, option: str, whole: str) -> timedelta:
    try:
        return parse_duration(text)
    except FieldError as error:
        raise WishError(
            f"{option} {quoted(whole)}: {quoted(text)} is not understood; allowed is {error}"
        ) from None


def _known(label: str, option: str, labels: Collection[str]) -> str:
    if label in labels:
        return label
    near = nearest_label(label, labels)
    hint = f"; did you mean {near}?" if near else ""
    entries = counted(len(labels), "entry", "entries")
    raise WishError(f"{option}: no entry is called {quoted(label)}{hint} ({entries})")


def _say_what_does_not_boot(entries: Mapping[str, Entry]) -> None:
    labels = [label for label, entry in entries.items() if entry.schedule.reboot]
    if labels:
        which = counted(len(labels), "@reboot entry", "@reboot entries")
        verb = "does" if len(labels) == 1 else "do"
        text = f"{which} {verb} not start, since --reboot is not given: {', '.join(labels)}"
        print(f"cronjob: {text}", file=sys.stderr)
