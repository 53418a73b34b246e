"""docs/explanation/time.md: the rules in words, and the table of cases that tests play.

`python -m tests.docs.time_page` prints the page.
"""

import sys
from collections.abc import Iterator, Sequence

from cronjob.core.schedule import Schedule
from tests.core.time_cases import CLOCK, FOLDS, GAPS, RULES, TimeCase
from tests.docs.manpage import ROOT

PAGE = ROOT / "docs/explanation/time.md"

WORDS = """\
# What happens when clocks change

Twice a year, in many places, the clocks change: an hour is skipped in spring and comes twice in
autumn. Now and then somebody sets the clock of a machine, or closes its lid. This page says what
`cronjob` does then, and why. The rules are those of Debian's cron, but in the time zone of each
entry instead of the machine's. The cases further down are not prose: a test plays each of them
with the daemon's own engine, and this page is written from the same table.

## A time of day that never comes, or comes twice

An entry asks for a time on the wall of its zone: `30 2 * * *` with `tz=Europe/Berlin` asks for 2:30
in Berlin. On most days 2:30 comes once. On the last Sunday of March the clocks in Berlin go from
2:00 to 3:00, and 2:30 never comes: it lies in a *gap*. On the last Sunday of October they go from
3:00 back to 2:00, and 2:30 comes twice: it lies in a *fold*.

What the table means by 2:30 depends on the entry, and cron tells two kinds apart by the first
character of the minute and of the hour:

- A **fixed** entry has no star there: `30 2 * * *`, `@daily`, `0,30 9-17 * * 1-5`. It stands for
  work that is to be done once. In a gap it runs once, at the first instant after the gap, also
  when several of its times were skipped. In a fold it runs at the first of the two.
- A **wildcard** entry has a star there: `*/15 * * * *`, `30 * * * *`, `@hourly`, `* 2 * * *`. It
  stands for work that follows real time. A gap takes no time, so nothing runs in it. In a fold it
  runs in both passes, since as much real time has passed.

A gap of more than three hours is not made up for: when a whole day is struck from the calendar,
there was no such day. Changes of half an hour, at midnight, or for good follow the same rules.

To see it beforehand, ask for the fire times around the date, or let the engine run over the night:

```console
$ cronjob next '30 2 * * *' --tz Europe/Berlin --from 2027-03-27 -n 3
$ cronjob simulate --from 2027-03-28 --to 2027-03-29 --tz Europe/Berlin
```

To be out of the way of all this, choose a time of day that the clocks of your zone never skip or
repeat, such as noon, or a zone that never changes: `tz=UTC`.

## A clock that is set, a machine that sleeps, a daemon that is late

These have nothing to do with zones. The daemon compares the wall clock, which may be set, with the
monotonic clock, which cannot. When the wall clock has run ahead, or the daemon was kept from
running, some fire times have passed without a start:

| late by | fixed entries | wildcard entries |
|---|---|---|
| up to 5 minutes | all that was missed | all that was missed |
| up to 3 hours | once | if they match the present minute |
| more | missed | missed |

*Late* counts from the first fire time that has passed, which is when the daemon meant to wake up.
When the wall clock goes back, it shows times again that it has shown before:

| back by | fixed entries | wildcard entries |
|---|---|---|
| up to 3 hours | wait until the clock is where it was | follow the clock and run again |
| more | planned anew | planned anew |

What is missed is said in the journal. What passes while no daemon runs is another matter: up to a
minute starts all the same, as [cronjob(1)](../man/cronjob.1) describes under OPERATION, and the
rest is missed. In both cases `catchup` decides instead where an entry has it: nothing in the first
table holds then, and [cronjob.tab(5)](../man/cronjob.tab.5) says under CATCH-UP what does.

The engine plays this too. Here the machine sleeps for two hours, and a day later the clock is set
back by one:

```console
$ cronjob simulate --from 2027-03-01 --to 2027-03-03 \\
    --step-clock 2027-03-01T02:00=+2h --step-clock 2027-03-02T12:00=-1h
```

## Rules of a zone that change

Governments change their minds, and the zone database of the machine is updated while the daemon
runs. It plans the entries of that zone by the new rules at once. A fixed entry goes on on the wall:
a time that comes again is not run again, and a time that is jumped over is missed, which is said.
A wildcard entry follows real time. When the zone of the machine itself is another one, the entries
without a `tz=` are planned in it from that moment on.
"""

HOW_TO_READ = """\
## The cases

*Starts* are what the wall clock in the zone reads, with its offset from UTC. Where an entry asked
for another time, *for* says which; *again* marks a run for an instant that had been before.
"""

SECTIONS = (
    ("Times that never come", GAPS),
    ("Times that come twice", FOLDS),
    ("Clocks that are set, and late daemons", CLOCK),
    ("Rules that change", RULES),
)


def kind(columns: str, zone: str) -> str:
    """What the table of a case calls an entry."""
    return "wildcard" if Schedule.parse(columns, zone=zone).wildcard else "fixed"


def rows(case: TimeCase) -> Iterator[str]:
    """The Markdown table of one case."""
    yield "| entry | kind | starts |"
    yield "|---|---|---|"
    for columns, starts in case.starts.items():
        yield f"| `{columns}` | {kind(columns, case.zone)} | {starts} |"


def section(title: str, cases: Sequence[TimeCase]) -> Iterator[str]:
    """One group of cases."""
    yield f"\n### {title}\n"
    for case in cases:
        happened = "".join(f", at {step.at[11:]}" for step in case.disturbances)
        yield f"**{case.title}{happened}.** {case.why}\n"
        yield f"`{case.zone}`, from {case.start} to {case.end}:\n"
        yield from rows(case)
        yield ""


def page() -> str:
    """The whole page."""
    lines = [WORDS, HOW_TO_READ.rstrip()]
    for title, cases in SECTIONS:
        lines += section(title, cases)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(page())
