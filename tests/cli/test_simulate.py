"""`cronjob simulate`: what the daemon would do."""

import json
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from cronjob.cli import main
from tests.cli.command import cronjob, shell

DAY = ("--from", "2026-03-02", "--to", "2026-03-03", "--tz", "UTC")
TABLE = (
    "0 9 * * * name=nine retry=2,30s root true\n"
    "0 * * * * name=hourly root true\n"
    "@reboot name=up root true\n"
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "some.tab"
    path.write_text(TABLE)
    path.chmod(0o600)
    return path


def simulated(table: Path, *options: str, range_: tuple[str, ...] = DAY) -> list[str]:
    told = StringIO()
    with redirect_stdout(told), redirect_stderr(StringIO()):
        code = main(["simulate", *range_, "--slots", "16", "--table", str(table), *options])
    assert code == 0
    return told.getvalue().splitlines()


def objects(table: Path, *options: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in simulated(table, "--json", *options)]


def test_each_start_is_a_line_with_time_zone_and_name(table: Path) -> None:
    lines = simulated(table)
    assert lines[0] == "2026-03-02 00:00:00+00:00  hourly  starts"
    assert [line for line in lines if "nine" in line] == [
        "2026-03-02 09:00:00+00:00  nine    starts"
    ]
    assert lines[-2:] == [
        "25 runs of 3 entries, 25 attempts, 0 failed, 0 runs gave up, 0 overlaps, "
        "0 fire times missed",
        "busiest minute: 2026-03-02 09:00+00:00, 2 of 16 slots at once",
    ]


def test_the_beginning_belongs_to_the_range_and_the_end_does_not(table: Path) -> None:
    starts = [line[:10] for line in simulated(table) if "hourly" in line]
    assert starts == ["2026-03-02"] * 24


def test_times_are_told_in_the_zone_that_is_asked_for(table: Path) -> None:
    span = ("--from", "2026-03-02T09:00Z", "--to", "2026-03-02T09:30Z", "--tz", "Asia/Kathmandu")
    lines = simulated(table, range_=span)
    assert lines[0] == "2026-03-02 14:45:00+05:45  nine    starts"


def test_without_tz_the_zone_is_that_of_the_system(table: Path) -> None:
    result = cronjob(
        *("simulate", "--from", "2026-03-02", "--to", "2026-03-03", "--table", str(table)),
        environment={"TZ": "America/New_York"},
    )
    assert b"2026-03-02 09:00:00-05:00  nine    starts\n" in result.stdout


def test_a_reboot_entry_starts_only_when_the_machine_boots(table: Path) -> None:
    result = cronjob("simulate", *DAY, "--table", str(table))
    assert b" up " not in result.stdout
    assert result.stderr == (
        b"cronjob: 1 @reboot entry does not start, since --reboot is not given: up\n"
    )
    result = cronjob("simulate", *DAY, "--table", str(table), "--reboot")
    assert result.stdout.startswith(b"2026-03-02 00:00:00+00:00  up")
    assert result.stderr == b""


def test_fail_makes_the_first_attempts_of_every_run_fail(table: Path) -> None:
    lines = [line[11:] for line in simulated(table, "--fail", "nine=2") if " nine" in line]
    place = f"({table}:1)"
    assert lines == [
        "09:00:00+00:00  nine    starts",
        f"09:00:01+00:00  nine    attempt 1 failed: exit status 1 after 1s {place}",
        "09:00:01+00:00  nine    retry 1 of 2 in 30s, at 09:00:31Z",
        "09:00:31+00:00  nine    attempt 2 starts",
        f"09:00:32+00:00  nine    attempt 2 failed: exit status 1 after 1s {place}",
        "09:00:32+00:00  nine    retry 2 of 2 in 1m, at 09:01:32Z",
        "09:01:32+00:00  nine    attempt 3 starts",
    ]


def test_a_run_whose_retries_do_not_suffice_gives_up(table: Path) -> None:
    lines = simulated(table, "--fail", "nine=3")
    assert any("retries are exhausted, gave up after 3 attempts" in line for line in lines)
    assert "3 failed, 1 run gave up" in lines[-2]


def test_a_run_that_begins_while_an_earlier_one_goes_is_an_overlap(table: Path) -> None:
    lines = simulated(table, "--lasts", "hourly=2h30m")
    assert "2026-03-02 01:00:00+00:00  hourly  starts, overlaps 1 earlier run" in lines
    assert "2026-03-02 02:00:00+00:00  hourly  starts, overlaps 2 earlier runs" in lines
    assert "23 overlaps" in lines[-3]
    assert lines[-1] == "unfinished at the end: 2 attempts going, 0 runs waiting"


def test_lasts_without_a_name_is_for_all(table: Path) -> None:
    ended = objects(table, "--lasts", "90m", "--lasts", "nine=1s", "--fail", "nine=1")
    (failed,) = [one for one in ended if one["event"] == "attempt-ended"]
    assert failed["seconds"] == 1.0
    assert ended[-1]["overlaps"] == 23


def test_runs_beyond_the_slots_wait_and_say_how_long(table: Path) -> None:
    lines = simulated(table, "--slots", "1", "--lasts", "10s")
    assert (
        "2026-03-02 09:00:00+00:00  hourly  waits for a slot: 1 of 1 are taken, 0 runs ahead"
        in (lines)
    )
    assert "2026-03-02 09:00:10+00:00  hourly  starts, waited 10s for a slot" in lines
    assert "longest wait: 10s" in lines


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ("2026-03-02T10:20=-30m", "10:00:00+00:00  hourly  starts, pass 2 of its fire time"),
        ("2026-03-02T10:59=+2m", "11:01:00+00:00  hourly  starts, 1m after its fire time"),
        ("2026-03-02T10:59:30Z=+12h", "the clock went forward by 12h"),
    ],
)
def test_the_clock_may_be_set(table: Path, step: str, text: str) -> None:
    assert any(text in line for line in simulated(table, "--step-clock", step))


def test_missed_fire_times_are_one_line_for_each_entry(table: Path) -> None:
    lines = simulated(table, "--step-clock", "2026-03-02T05:30=+10h")
    missed = [line[16:] for line in lines if "fire time" in line[:60]]
    assert missed == [
        ":00+00:00  hourly  missed 10 fire times from 2026-03-02 06:00:00Z to 2026-03-02 15:00:00Z:"
        " woken 9h 30m late",
        ":00+00:00  nine    missed 1 fire time of 2026-03-02 09:00:00Z: woken 9h 30m late",
    ]
    assert "11 fire times missed" in lines[-2]


def test_a_start_that_jitter_delays_says_so(tmp_path: Path) -> None:
    path = tmp_path / "jitter.tab"
    path.write_text("0 9 * * * name=nine jitter=3h root true\n")
    words, why = simulated(path)[0].split(" after its fire time")
    assert "  nine  starts, " in words
    assert why == " (jitter)"
    path.write_text("0 9 * * * name=nine jitter=1m root true\n")
    late = simulated(path, "--step-clock", "2026-03-02T08:59=+10m")
    assert late[1].endswith("  nine  starts, 9m after its fire time")


def test_a_start_that_the_clock_puts_before_its_fire_time_says_so(table: Path) -> None:
    options = ("--slots", "1", "--lasts", "30m", "--step-clock", "2026-03-02T09:10=-1h")
    started = [line for line in simulated(table, *options) if "before its fire time" in line]
    words = "hourly  starts, 30m before its fire time, waited 30m for a slot"
    assert started == [f"2026-03-02 08:30:00+00:00  {words}"]


def test_an_entry_that_is_wider_than_the_pool_is_told_as_not_run(tmp_path: Path) -> None:
    path = tmp_path / "wide.tab"
    path.write_text("0 9 * * * name=wide slots=3 root true\n")
    lines = simulated(path, "--slots", "2")
    assert lines[0] == (
        f"2026-03-02 00:00:00+00:00  wide  {path}:1: wide is not run: it wants 3 slots, "
        "the pool has 2"
    )


# -- for programs --------------------------------------------------------------------------------


def test_json_is_one_object_a_line(table: Path) -> None:
    found = objects(table, "--fail", "nine=1")
    starts, *_ = [one for one in found if one.get("name") == "nine"]
    assert starts == {
        "event": "attempt-started",
        "at": "2026-03-02T09:00:00Z",
        "name": "nine",
        "run": "nine@2026-03-02T09:00Z",
        "attempt": 1,
        "fire_time": "2026-03-02T09:00:00Z",
        "nominal": "2026-03-02T09:00:00",
        "waited": 0.0,
        "overlaps": 0,
        "caught_up": False,
        "text": "starts",
    }
    kinds = [one["event"] for one in found if one.get("name") == "nine"]
    assert kinds == ["attempt-started", "attempt-ended", "retry-planned", "attempt-started"]
    ended = next(one for one in found if one["event"] == "attempt-ended")
    assert (ended["outcome"], ended["exit_status"], ended["attempt"]) == ("failed", 1, 1)


def test_json_is_in_utc_however_the_range_is_written(table: Path) -> None:
    span = ("--from", "2026-03-02T09:30+01:00", "--to", "2026-03-02T10:30+01:00")
    first, *_ = simulated(table, "--json", range_=span)
    assert json.loads(first)["at"] == "2026-03-02T09:00:00Z"


def test_json_ends_with_the_summary(table: Path) -> None:
    *_, last = objects(table, "--lasts", "hourly=90m")
    assert last == {
        "event": "summary",
        "entries": 3,
        "runs": 25,
        "attempts": 25,
        "failures": 0,
        "gave_up": 0,
        "overlaps": 23,
        "longest_wait": 0.0,
        "skipped": 0,
        "missed": 0,
        "slots": 16,
        "most_slots": 3,
        "busiest": "2026-03-02T09:00:00Z",
        "going": 1,
        "waiting": 0,
    }


def test_missed_fire_times_in_json_have_first_last_count_and_reason(table: Path) -> None:
    found = objects(table, "--step-clock", "2026-03-02T05:30=+10h")
    first, second = (one for one in found if one["event"] == "missed")
    assert {name: first[name] for name in ("name", "first", "last", "count", "reason")} == {
        "name": "hourly",
        "first": "2026-03-02T06:00:00Z",
        "last": "2026-03-02T15:00:00Z",
        "count": 10,
        "reason": "woken 9h 30m late",
    }
    assert (second["name"], second["count"]) == ("nine", 1)


def test_what_is_made_up_for_after_a_step_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "t.tab"
    path.write_text("0 * * * * name=a catchup=all catchup-within=90m root x\n")
    lines = simulated(path, "--step-clock", "2026-03-02T05:30=+5h")
    shown = [line.partition("  ")[2].strip() for line in lines if " 10:30:" in line]
    assert shown == [
        "the clock went forward by 5h",
        "a  missed 3 fire times from 2026-03-02 06:00:00Z to 2026-03-02 08:00:00Z: "
        "woken 4h 30m late; older than catchup-within, 1 hour 30 minutes",
        "2 missed fire times of 1 entry are made up for, "
        "from 2026-03-02 09:00:00Z to 2026-03-02 10:00:00Z",
        "a  starts, 1h 30m after its fire time, caught up",
        "a  starts, 30m after its fire time, caught up, "
        "waited 1s for an earlier fire time to be made up for",
    ]


def test_the_summary_has_a_row_for_each_entry_and_no_occurrence(table: Path) -> None:
    lines = simulated(table, "--summary", "--slots", "1", "--lasts", "10s", "--fail", "nine=1")
    assert lines[:4] == [
        "NAME    RUNS  ATTEMPTS  FAILED  GAVE UP  OVERLAPS  LONGEST WAIT  SKIPPED  MISSED",
        "nine    1     2         1       0        0         -             0        0",
        "hourly  24    24        0       0        0         10s           0        0",
        "up      0     0         0       0        0         -             0        0",
    ]
    kinds = [one["event"] for one in objects(table, "--summary")]
    assert kinds == [*["entry-summary"] * 3, "summary"]


def test_the_same_input_gives_the_same_output(table: Path) -> None:
    options = ("--fail", "nine=1", "--slots", "1", "--step-clock", "2026-03-02T10:20=-30m")
    first, second = (
        cronjob(
            *("simulate", *DAY, "--table", str(table), "--json", *options),
            environment={"PYTHONHASHSEED": seed},
        )
        for seed in ("1", "2")
    )
    assert first.stdout == second.stdout


# -- bad input, bad surroundings -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--to", "2026-03-02"], '--to "2026-03-02" is not later than --from'),
        (["--to", "2026-03-01"], '--to "2026-03-01" is not later than --from'),
        (["--to", "2099-03-01"], '--to "2099-03-01" is more than 50 years after --from'),
        (["--to", "tomorrow"], '--to "tomorrow" is not understood; allowed are a date like'),
        (["--from", "2026-02-30"], '--from "2026-02-30" is not understood'),
        (["--tz", "Mars/Olympus"], '--tz: unknown time zone "Mars/Olympus"'),
        (["--tz", ""], '--tz: unknown time zone ""'),
        (["--fail", "nin=2"], '--fail: no entry is called "nin"; did you mean nine? (3 entries)'),
        (["--fail", "nine"], '--fail "nine" is not understood; allowed is the name of an entry'),
        (["--fail", "nine=0"], "a number from 1 to 1001, like backup=2"),
        (["--fail", "nine=-1"], "a number from 1 to 1001"),
        (["--lasts", "nine=soon"], '--lasts "nine=soon": "soon" is not understood; allowed is a'),
        (["--lasts", "10"], "allowed is a duration like 90s, 5m"),
        (["--lasts", "x=1s"], '--lasts: no entry is called "x" (3 entries)'),
        (["--step-clock", "2026-03-02T10:00=1h"], "an equals sign, + or - and a duration"),
        (["--step-clock", "+1h"], "an equals sign, + or - and a duration"),
        (["--step-clock", "2026-03-02T10:00=+soon"], '"soon" is not understood'),
        (["--step-clock", "noon=+1h"], '--step-clock "noon" is not understood'),
        (["--step-clock", "2026-03-04=+1h"], "is not between --from and --to"),
    ],
)
def test_a_wrong_option_is_exit_status_2_with_the_reason(
    table: Path, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", *DAY, "--table", str(table), *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err


def test_the_range_must_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "--from", "2026-03-02"])
    assert ended.value.code == 2
    assert "the following arguments are required: --to" in capsys.readouterr().err


def test_a_table_in_error_is_said_and_its_good_lines_are_simulated(tmp_path: Path) -> None:
    path = tmp_path / "bad.tab"
    path.write_text("61 9 * * * root true\n0 9 * * * name=good root true\n")
    result = cronjob("simulate", *DAY, "--table", str(path))
    assert result.returncode == 1
    assert b'bad.tab:1:1: minute "61" is out of range' in result.stderr
    assert b"09:00:00+00:00  good  starts\n" in result.stdout


def test_a_table_without_entries_does_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.tab"
    path.write_text("# nothing\n")
    assert simulated(path) == [
        "0 runs of 0 entries, 0 attempts, 0 failed, 0 runs gave up, 0 overlaps, 0 fire times missed"
    ]


def test_a_reader_that_goes_away_ends_it_in_peace(tmp_path: Path) -> None:
    path = tmp_path / "busy.tab"
    path.write_text("* * * * * name=busy root true\n")
    result = shell(
        '"$@" | head -n 1; echo "${PIPESTATUS[0]}"',
        *("simulate", "--from", "2026-01-01", "--to", "2056-01-01", "--tz", "UTC"),
        *("--table", str(path)),
    )
    assert result.stdout == b"2026-01-01 00:00:00+00:00  busy  starts\n0\n"
    assert result.stderr == b""
