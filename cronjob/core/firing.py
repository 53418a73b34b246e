"""What is due begins: in batches by its order, and what comes late by rules of its own.

The plan is the timetable; where it goes on after a restart, a reload and a step back is found here
too, and what is missed by that.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from cronjob.core import admission, catchup, policy, report
from cronjob.core.catchup import MadeUp, Terms
from cronjob.core.draft import Draft
from cronjob.core.fields import CatchUp
from cronjob.core.found import Left
from cronjob.core.missed import Absence, Missed
from cronjob.core.record import Planned
from cronjob.core.run import instant_of, run_key
from cronjob.core.schedule import FireTime, Schedule
from cronjob.core.timetable import Node, Taken
from cronjob.core.words import seconds

DOWN = "no daemon was running"
DOUBTED = "the history could not be written then, so they may have run"
_EACH_SLOT = 2  # due runs that a step begins, if that is more than a batch
_INSTANT = timedelta(microseconds=1)
_SHORTEST = timedelta(minutes=1)  # between two fire times of a schedule

Starts = list[tuple[FireTime, str]]  # fire times with a label each
Alike = tuple[Schedule, Terms, tuple[str, ...]]  # labels of entries with equal terms


def start_due(draft: Draft) -> None:
    """Start what is due by either clock."""
    admission.run_timers(draft)
    if not draft.stopping:
        take_due(draft)
        _begin_some(draft)


def _begin_some(draft: Draft) -> None:
    """Begin what may start at once, and a little more; the rest of a burst waits for its turn."""
    most = max(draft.batch, _EACH_SLOT * draft.slots)
    batch, draft.burst = draft.burst[:most], draft.burst[most:]
    begin_in_order(draft, batch)
    follow(draft, most)


def begin_all(draft: Draft, shown: datetime) -> None:
    """Begin the rest of a burst, by a clock that shows this, before anything else changes."""
    follow(draft, len(draft.timetable.lifted))
    if draft.stopping or not draft.burst:
        return
    now, draft.now = draft.now, shown
    burst, draft.burst = draft.burst, ()
    begin_in_order(draft, burst)
    draft.now = now


def begin_in_order(draft: Draft, batch: Iterable[tuple[FireTime, str]]) -> None:
    """Of what is due at the same time, what stands first begins first; the line does the rest."""
    for fire, label in sorted(batch, key=lambda start: _order(draft, *start)[1:]):
        admission.begin(draft, label, fire)


def follow(draft: Draft, most: int) -> None:
    """Look for what follows the fire times that were taken, of so many schedules."""
    draft.timetable, nodes = draft.timetable.follow(most)
    _note_plans(draft, nodes)


def _note_plans(draft: Draft, nodes: Iterable[Node]) -> None:
    for node in nodes:
        at = node.fire.at if node.fire is not None else None
        draft.note(Planned(" ".join(node.schedule.key), at))


def _enqueue(draft: Draft, starts: Starts) -> None:
    draft.burst += tuple(sorted(starts, key=lambda start: _order(draft, *start)))


def _order(draft: Draft, fire: FireTime, label: str) -> tuple[int, datetime, str, int]:
    """As the line has it: the highest priority first, then by time and place."""
    entry = draft.entries[label]
    return -entry.fields.priority, fire.at, entry.source, entry.line


# -- what has come -------------------------------------------------------------------------------


def take_due(draft: Draft, *, resuming: bool = False) -> None:
    """Put what has come into the burst, unless it is missed; `resuming`: none of it is late."""
    now, earliest = draft.now, draft.timetable.next_at
    if earliest is None or earliest > now:
        return
    if now - earliest < _SHORTEST:
        known = len(draft.timetable.lifted)
        draft.timetable = draft.timetable.lift(now)
        lifted = draft.timetable.lifted[known:]
        _enqueue(draft, [(n.fire, label) for n in lifted if n.fire for label in n.labels])
    else:
        _take_what_is_late(draft, earliest, timedelta() if resuming else now - earliest)


def _take_what_is_late(draft: Draft, earliest: datetime, late: timedelta) -> None:
    """Of what has come long ago, start what its entry or the bands allow; the rest is missed."""
    taken = _taken(draft)
    absence = Absence(earliest - _INSTANT, draft.now, f"woken {seconds(late.total_seconds())} late")
    starts, fates = Starts(), list[MadeUp]()
    for one in taken:
        alike = catchup.alike(one.node.labels, draft.entries, one.fire.at - _INSTANT)
        for terms, labels in alike.items():
            if terms.mode is CatchUp.NONE or not late:
                fires, fate = _by_the_bands(one, labels, absence, late)
            else:
                fires, fate = _made_up(one, labels, terms, absence)
            starts += [(fire, label) for fire in fires for label in labels]
            fates.append(fate)
    _enqueue(draft, starts)
    begin_all(draft, draft.now)  # of several runs of an entry, overlap= decides before one starts
    _report_missed(draft, absence, [fate.missed for fate in fates], earliest)
    make_up(draft, fates)


def _taken(draft: Draft) -> tuple[Taken, ...]:
    """Take what has come out of the timetable, and note what follows it."""
    draft.timetable, taken = draft.timetable.take(draft.now)
    following = draft.timetable.nodes if taken else {}
    _note_plans(draft, [following[one.node.schedule.key] for one in taken])
    return taken


def _by_the_bands(
    one: Taken, labels: tuple[str, ...], absence: Absence, late: timedelta
) -> tuple[Iterable[FireTime], MadeUp]:
    schedule, now = one.node.schedule, absence.until
    decision = policy.due(schedule, one.fire, now, late, alone=one.alone)
    row = None
    if decision.missed:
        until = decision.starts[0].at - _INSTANT if decision.starts else now
        row = absence.missed(schedule, labels, one.fire.at - _INSTANT, until)
    return decision.starts, MadeUp(labels, missed=row)


def _made_up(
    one: Taken, labels: tuple[str, ...], terms: Terms, absence: Absence
) -> tuple[Iterable[FireTime], MadeUp]:
    schedule, now = one.node.schedule, absence.until
    oldest = now - policy.LATENESS
    fires = schedule.between(max(oldest, terms.since), now)
    return fires, catchup.made_up(
        schedule, labels, terms, absence, oldest, now, started=bool(fires)
    )


def make_up(draft: Draft, fates: Iterable[MadeUp]) -> None:
    """Begin what is made up for, the oldest first: those of an entry wait for each other."""
    starts = [(fire, label) for fate in fates for fire in fate.starts for label in fate.labels]
    if not starts:
        return
    begin_all(draft, draft.now)  # what is due now goes first
    capped = [label for fate in fates if fate.capped for label in fate.labels]
    starts.sort(key=lambda start: _order(draft, *start)[1:])
    labels = {label for _, label in starts}
    first, last = starts[0][0].at, starts[-1][0].at
    draft.announce(report.caught_up(len(starts), len(labels), first, last, capped, catchup.MOST))
    for fire, label in starts:
        admission.begin(draft, label, fire, caught_up=True)


def _report_missed(
    draft: Draft, absence: Absence, found: Iterable[Missed | None], since: datetime
) -> None:
    """One line for all that was missed in an absence, with a row for each schedule."""
    rows = tuple(row for row in found if row is not None)
    if rows:
        entries = sum(len(row.labels) for row in rows)
        why = rows[0].why if len(rows) == 1 else absence.why
        draft.announce(report.missed(len(rows), entries, since, absence.until, why), rows)


# -- where the plan goes on ----------------------------------------------------------------------


def go_back(draft: Draft, *, taken: datetime, shown: datetime) -> None:
    """The clock stands before what it has shown, and fire times up to `taken` have been taken.

    Wildcard schedules follow it; fixed ones wait until it is made up for.
    """
    draft.passes += 1
    draft.planned, draft.progress_due = draft.now, True
    draft.repeats_until = max(taken, draft.repeats_until or taken)
    high_water = max(shown, draft.high_water or shown)
    quiet = policy.back_band(high_water - draft.now).fixed is policy.Plan.KEPT
    draft.high_water = high_water if quiet else None
    draft.timetable = draft.timetable.replanned(draft.now, wildcards_only=quiet)
    _note_plans(draft, draft.timetable.nodes.values())


def replan(draft: Draft) -> None:
    """Put the entries of tables that were read again into the timetable."""
    draft.timetable, skipped = draft.timetable.planned(draft.entries, draft.now)
    _note_plans(draft, draft.timetable.nodes.values())
    if skipped:
        since = min(one.since for one in skipped)
        absence = Absence(since, draft.now, "the rules of their time zone changed")
        rows = [absence.missed(one.node.schedule, one.node.labels, one.since) for one in skipped]
        _report_missed(draft, absence, rows, since)


def resume(draft: Draft, left: Left, since: Mapping[str, datetime]) -> list[MadeUp]:
    """Go on where the daemon before left the plan; what is to be made up for is the answer.

    A label that is not in `since` has no fire time before now.
    """
    now, planned = draft.now, draft.planned
    going_on = policy.resume(planned, left.stopped, now)
    if draft.high_water is not None and draft.high_water - now > policy.LONG:
        draft.high_water = None
    draft.timetable, _ = draft.timetable.planned(draft.entries, going_on.after, draft.high_water)
    _note_plans(draft, draft.timetable.nodes.values())
    if going_on.after - now >= policy.STEP:
        draft.announce(report.clock_behind(going_on.after - now))
        go_back(draft, taken=going_on.after, shown=going_on.after)
    if planned is None or planned >= now:
        return []
    return _deal_with_downtime(draft, planned, going_on, left, since)


def _deal_with_downtime(
    draft: Draft,
    planned: datetime,
    going_on: policy.Resume,
    left: Left,
    since: Mapping[str, datetime],
) -> list[MadeUp]:
    """What becomes of the fire times that came after `planned`, while no daemon was there.

    The latest ones start as if they were on time.  Those that came while the history could not be
    written may have run, and to run twice is worse than not to run.
    """
    now = draft.now
    certain = min(left.uncertain_since or now, now)
    down = Absence(planned, max(going_on.after, planned), DOWN)
    taken = {one.node.schedule.key: one for one in _taken(draft)}
    few = going_on.missed_since is None and certain == now
    nodes = [one.node for one in taken.values()] if few else draft.timetable.nodes.values()
    groups = _alike(draft, nodes, planned, since)
    starts, fates = Starts(), list[MadeUp]()
    for schedule, terms, labels in groups:
        come = _come(taken.get(schedule.key), now)
        fires = [fire for fire in come if terms.since < fire.at <= certain]
        starts += [(fire, label) for fire in fires for label in labels]
        until = min(down.until, certain)
        fates.append(
            catchup.made_up(schedule, labels, terms, down, until, now, started=bool(fires))
        )
    _enqueue(draft, starts)
    _report_missed(draft, down, [fate.missed for fate in fates], planned)
    if certain < now:
        _report_doubted(draft, groups, max(certain, planned))
    return fates


def _alike(
    draft: Draft, nodes: Iterable[Node], planned: datetime, since: Mapping[str, datetime]
) -> list[Alike]:
    """The entries of the nodes in groups that have the same fate."""
    recorded = _recorded(draft)
    in_force = {label: since.get(label, draft.now) for label in draft.entries}
    groups: list[Alike] = []
    for node in nodes:
        floor = _floor(draft, node, planned)
        alike = catchup.alike(node.labels, draft.entries, floor, in_force, recorded)
        groups += [(node.schedule, terms, labels) for terms, labels in alike.items()]
    return groups


def _report_doubted(draft: Draft, groups: Iterable[Alike], since: datetime) -> None:
    """What came while the history could not be written is missed, whether it ran or not."""
    doubted = Absence(since, draft.now, DOUBTED)
    rows = [
        doubted.missed(schedule, labels, max(terms.since, since), draft.now, terms.recorded)
        for schedule, terms, labels in groups
    ]
    _report_missed(draft, doubted, rows, since)


def _floor(draft: Draft, node: Node, planned: datetime) -> datetime:
    """The instant up to which the fire times of a schedule have been dealt with."""
    if draft.high_water is None or node.schedule.wildcard:
        return planned
    return max(planned, draft.high_water)


def _come(one: Taken | None, now: datetime) -> list[FireTime]:
    """The fire times of a schedule that have come, from its next one on."""
    if one is None:
        return []
    return [one.fire] if one.alone else [one.fire, *one.node.schedule.between(one.fire.at, now)]


def _recorded(draft: Draft) -> dict[str, frozenset[datetime]]:
    """By label, the fire times of which the run of this pass has its record already."""
    found = defaultdict[str, set[datetime]](set)
    for key in draft.recorded:
        label, at = key.rpartition("@")[0], instant_of(key)
        if key == run_key(label, at, admission.pass_of(draft, at)):
            found[label].add(at)
    return {label: frozenset(times) for label, times in found.items()}
