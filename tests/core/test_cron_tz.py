"""`CRON_TZ`: what cronie was seen to run, and what we run.

cronie adds the difference of two zones to the minute of the system's zone, so that an entry of
another zone is lost or doubled when either zone changes its clocks.  Here the entry has the rule
of its own zone.  Each case that differs is listed by its id with the reason and our answer.
"""

from datetime import UTC, datetime

from cronjob.core.table import parse_table
from cronjob.testing import entries_of
from tests.core.vectors import first_ten, load

#: Case -> why it differs, and when we run.
DIFFERENT = {
    "crontz-363": (
        "the system's zone repeats an hour: cronie drops what is due in it in any zone",
        ["2022-10-30T01:30"],
    ),
    "crontz-382": ("02:30 is skipped in the entry's zone: cronie drops it", ["2024-03-10T07:00"]),
    "crontz-383": ("02:00 is skipped in the entry's zone: cronie drops it", ["2024-03-10T07:00"]),
    "crontz-387": ("01:30 comes twice in the entry's zone: cronie runs it twice",
                   ["2024-11-03T05:30"]),
    "crontz-394": ("02:30 is skipped in the entry's zone: cronie drops it", ["2024-03-31T01:00"]),
    "crontz-395": ("02:00 is skipped in the entry's zone: cronie drops it", ["2024-03-31T01:00"]),
}  # fmt: skip
BOGUS = "Bogus/Zone"  # cronie reads an unknown zone as UTC


def table_of(cron_tz: str, expr: str) -> str:
    return f"CRON_TZ={cron_tz}\n{expr} root true\n"


def test_an_entry_below_cron_tz_runs_by_the_rule_of_its_own_zone() -> None:
    mismatches = []
    for case in load("cron_tz_run.jsonl"):
        if case["cron_tz"] == BOGUS:
            continue
        text = table_of(case["cron_tz"], case["expr"])
        (entry,) = entries_of(text, zone=case["zone"]).values()
        start, end = (datetime.fromtimestamp(case[key], UTC) for key in ("start", "end"))
        found = [f"{fire.at:%FT%H:%M}" for fire in entry.schedule.between(start, end)]
        cronie = [f"{datetime.fromtimestamp(at, UTC):%FT%H:%M}" for at in case["fires"]]
        _, expected = DIFFERENT.get(case["id"], ("", cronie))
        if found != expected or (found == cronie) is (case["id"] in DIFFERENT):
            mismatches.append(f"{case} but {found}")
    assert not mismatches, first_ten(mismatches)


def test_every_listed_difference_is_one_of_the_cases() -> None:
    assert set(DIFFERENT) <= {case["id"] for case in load("cron_tz_run.jsonl")}


def test_an_unknown_zone_is_an_error_where_cronie_runs_in_utc() -> None:
    cases = [case for case in load("cron_tz_run.jsonl") if case["cron_tz"] == BOGUS]
    assert len(cases) == 6
    for case in cases:
        table = parse_table(table_of(BOGUS, case["expr"]), source="t", zone=case["zone"])
        assert table.entries == ()
        assert str(table.errors[0]) == (
            't:1:9: CRON_TZ: unknown time zone "Bogus/Zone"; allowed are names like Europe/Paris'
        )
