"""`cronjob next`: the fire times of a schedule or an entry."""

import json
import re
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from cronjob.cli import main
from tests.cli.command import cronjob

TABLE = """\
@defaults tz=Europe/Berlin
30 2 * * * name=backup root /sbin/backup
0 12 * * * name=late jitter=1h root true
@reboot name=boot root true
0 0 30 2 * name=never root true
"""


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "a.tab"
    path.write_text(TABLE)
    return str(path)


def _times(output: str) -> list[datetime]:
    return [datetime.fromisoformat(line[4:]) for line in output.splitlines()]


def _next(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["next", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out.splitlines()


def test_five_times_are_printed_in_ascending_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["next", "*/10 * * * *"]) == 0
    times = _times(capsys.readouterr().out)
    assert len(times) == 5
    assert {b - a for a, b in pairwise(times)} == {timedelta(minutes=10)}


def test_a_line_is_weekday_date_time_and_offset(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["next", "-n", "1", "--tz", "Asia/Kathmandu", "@daily"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"[A-Z][a-z]{2} \d{4}-\d\d-\d\d 00:00\+05:45", line)
    assert f"{datetime.fromisoformat(line[4:]):%a}" == line[:3]


def test_the_offset_follows_the_zone_through_the_year(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["next", "-n", "400", "--tz", "Europe/Paris", "30 2 * * *"]) == 0
    lines = capsys.readouterr().out.splitlines()
    offsets = {line[20:26] for line in lines}
    assert offsets == {"+01:00", "+02:00"}
    # In spring 02:30 does not exist, and the first instant after the gap is 03:00.
    assert {line[15:20] for line in lines} == {"02:30", "03:00"}
    assert len({line[4:14] for line in lines}) == 400  # once each day


def test_without_tz_the_zone_is_that_of_the_system() -> None:
    zone = {"TZ": "America/New_York"}
    assert b"-05:00" in cronjob("next", "-n1", "0 12 1 1 *", environment=zone).stdout


@pytest.mark.parametrize(
    ("zone", "expression", "start", "lines"),
    [
        (
            "Europe/Berlin",
            "30 2 * * *",
            "2027-03-27",
            [
                "Sat 2027-03-27 02:30+01:00",
                "Sun 2027-03-28 03:00+02:00  02:30 does not exist that day: runs at 03:00",
                "Mon 2027-03-29 02:30+02:00",
            ],
        ),
        (
            "Europe/Berlin",
            "*/30 2 * * *",
            "2027-10-31T02:15",
            [
                "Sun 2027-10-31 02:30+02:00  02:30 comes twice that day: first pass",
                "Sun 2027-10-31 02:00+01:00  02:00 comes twice that day: second pass",
            ],
        ),
        (
            "Pacific/Apia",
            "0 9 * * *",
            "2011-12-29T12:00",
            [
                "Fri 2011-12-30  09:00 does not exist that day: no run, since the clocks skip "
                "1 day, and more than 3 hours are not made up for",
                "Sat 2011-12-31 09:00+14:00",
            ],
        ),
        (
            "Africa/Monrovia",
            "@daily",
            "1972-01-06T12:00",
            ["Fri 1972-01-07 00:44:30+00:00  00:00 does not exist that day: runs at 00:44:30"],
        ),
    ],
)
def test_what_a_clock_change_moves_doubles_or_drops_is_marked(
    zone: str,
    expression: str,
    start: str,
    lines: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    number = sum(":" in line[15:18] for line in lines)
    arguments = (expression, "--tz", zone, "--from", start, "-n", str(number))
    assert _next(capsys, *arguments) == lines


@pytest.mark.parametrize(
    ("start", "first"),
    [
        ("2027-03-27", "Sat 2027-03-27 02:30+01:00"),
        ("2027-03-27T02:29:59", "Sat 2027-03-27 02:30+01:00"),
        ("2027-03-27T02:30", "Sun 2027-03-28 03:00+02:00"),  # strictly later
        ("2027-03-27T01:30Z", "Sun 2027-03-28 03:00+02:00"),
        ("2027-03-27T01:29Z", "Sat 2027-03-27 02:30+01:00"),
        ("2027-03-27T02:29+01:00", "Sat 2027-03-27 02:30+01:00"),
        ("2027-03-28T02:45", "Sun 2027-03-28 03:00+02:00"),  # skipped: the change is still to come
        ("2027-03-28T03:00", "Mon 2027-03-29 02:30+02:00"),
        ("2027-10-31T02:15", "Sun 2027-10-31 02:30+02:00"),  # comes twice: the first one
        ("2027-10-31T02:15+01:00", "Mon 2027-11-01 02:30+01:00"),  # the second one
    ],
)
def test_from_is_an_instant_or_a_wall_time_of_the_zone(
    start: str, first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("30 2 * * *", "--tz", "Europe/Berlin", "--from", start, "-n1")
    (line,) = _next(capsys, *arguments)
    assert line.startswith(first)


@pytest.mark.parametrize(
    "start", ["", "tomorrow", "2027-02-30", "0999-01-01", "9991-01-01", "2027-03-28T02:30+99:00"]
)
def test_a_bad_from_is_exit_status_2_with_what_is_allowed(
    start: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["next", "@daily", "--from", start]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f'cronjob: --from "{start}" is not understood; allowed are ')


def test_an_object_in_json_has_the_instant_the_wall_times_and_the_mark(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ("30 2 * * *", "--tz", "Europe/Berlin", "--from", "2027-03-28", "-n2", "--json")
    first, second = json.loads("\n".join(_next(capsys, *arguments)))
    assert first == {
        "at": "2027-03-28T01:00:00Z",
        "local": "2027-03-28T03:00:00+02:00",
        "nominal": "2027-03-28T02:30:00",
        "zone": "Europe/Berlin",
        "elsewhere": None,
        "start_delay": 0.0,
        "mark": {"kind": "moved", "text": "02:30 does not exist that day: runs at 03:00"},
        "lost": [],
    }
    assert (second["at"], second["mark"]) == ("2027-03-29T00:30:00Z", None)


def test_an_object_in_json_says_what_was_lost_before_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ("*/20 2 * * *", "--tz", "Europe/Berlin", "--from", "2027-03-28", "-n1", "--json")
    (found,) = json.loads("\n".join(_next(capsys, *arguments)))
    (lost,) = found["lost"]
    assert (lost["nominal"], lost["count"], lost["kind"]) == ("2027-03-28T02:00:00", 3, "lost")
    assert lost["text"].startswith("02:00, 02:20 and 02:40 do not exist that day: no run")


def test_an_entry_fires_in_its_own_zone(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("backup", "--table", table, "--from", "2027-03-27T12:00", "-n1")
    assert _next(capsys, *arguments) == [
        "Sun 2027-03-28 03:00+02:00  02:30 does not exist that day: runs at 03:00"
    ]


def test_with_an_entry_tz_shows_its_times_in_a_second_zone(
    table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("backup", "--table", table, "--from", "2027-01-01", "-n1", "--tz", "Asia/Tokyo")
    assert _next(capsys, *arguments) == [
        "Fri 2027-01-01 02:30+01:00 = Fri 2027-01-01 10:30+09:00 Asia/Tokyo"
    ]
    (found,) = json.loads("\n".join(_next(capsys, *arguments, "--json")))
    assert (found["zone"], found["elsewhere"]) == ("Europe/Berlin", "2027-01-01T10:30:00+09:00")


def test_the_jitter_of_an_entry_is_shown(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("late", "--table", table, "-n1", "--from", "2027-01-01")
    (line,) = _next(capsys, *arguments)
    assert re.fullmatch(
        r"Fri 2027-01-01 12:00\+01:00  starts \d+ (minutes?|seconds?).* later \(jitter\)", line
    )
    (found,) = json.loads("\n".join(_next(capsys, *arguments, "--json")))
    assert 0 < found["start_delay"] < 3600


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("bakcup", 'no entry is called "bakcup"; the nearest of 4 entries is backup; '),
        ("zzz", 'no entry is called "zzz" among 4 entries; '),
        ("backup~2", "; the nearest of 4 entries is backup; "),
        ("back", "; the nearest of 4 entries is backup; "),
        ("5,10", 'no entry is called "5,10" among 4 entries; '),
        ("b\u00e4ckup", "; the nearest of 4 entries is backup; "),
    ],
)
def test_an_unknown_entry_is_exit_status_1_with_the_nearest(
    label: str, words: str, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["next", label, "--table", table]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "cronjob: no entry is called " in captured.err
    assert words in captured.err


def test_a_table_that_cannot_be_read_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["next", "backup", "--table", str(tmp_path / "none")]) == 1
    captured = capsys.readouterr()
    assert str(tmp_path / "none") in captured.err
    assert 'no entry is called "backup" among 0 entries' in captured.err


def test_entries_of_two_tables_with_one_name_are_told_apart_by_their_labels(
    table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "b.tab"
    other.write_text("0 7 * * * name=backup tz=Asia/Tokyo root true\n")
    arguments = ("--table", table, "--table", str(other), "--from", "2027-01-01", "-n1")
    assert _next(capsys, "backup", *arguments) == ["Fri 2027-01-01 02:30+01:00"]
    assert _next(capsys, "backup~2", *arguments) == ["Fri 2027-01-01 07:00+09:00"]


@pytest.mark.parametrize("number", [1, 3, 100])
def test_n_says_how_many(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["next", "-n", str(number), "* * * * *"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == number


@pytest.mark.parametrize(
    "number", ["0", "-1", "100001", "1000000000000", "0000000001234567", "", "1.5", "\u0663"]
)
def test_a_number_out_of_bounds_is_a_usage_error(
    number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["next", f"-n{number}", "@daily"] if number else ["next", "-n", "", "@daily"])
    assert ended.value.code == 2
    assert "is not a number from 1 to 100000" in capsys.readouterr().err


def test_reboot_has_no_times_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["next", "@reboot"]) == 0
    assert capsys.readouterr().out == "@reboot has no times: it starts once per boot\n"


def test_reboot_in_json_is_an_empty_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["next", "@reboot", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_the_end_of_the_fire_times_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["next", "0 0 1 1 *", "--tz", "UTC", "--from", "9990-06-01", "-n20"]) == 0
    captured = capsys.readouterr()
    assert 0 < len(captured.out.splitlines()) < 20
    assert captured.err == "0 0 1 1 * does not fire again within 50 years\n"


def test_a_schedule_that_never_fires_is_exit_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["next", "0 0 30 2 *"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "0 0 30 2 * never fires\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["61 * * * *"], 'minute "61" is out of range 0-59'),
        (["* * * *"], "has 4 columns"),
        (["* * * * * *"], "has 6 columns"),
        ([""], "has 0 columns"),
        (["30 2 * * *  root  true"], "7 columns; allowed are five (minute hour day-of-month month"),
        (["30 2 * * * tz=UTC"], "or an @name, without the fields, the user and the command of a"),
        (["@daily root true"], "without the fields, the user and the command of a line; --tz"),
        (["@fortnightly"], "is not a known name"),
        (["--tz", "", "@daily"], '--tz: unknown time zone ""; allowed are names like'),
        (["--tz", "Mars/Olympus", "@daily"], '--tz: unknown time zone "Mars/Olympus"'),
        (["--tz", "berlin", "@daily"], "like Europe/Paris; did you mean Europe/Berlin?"),
        (["--tz", "\x1b[2J", "@daily"], r'unknown time zone "\x1b[2J"'),
    ],
)
def test_a_bad_schedule_or_zone_is_exit_status_2_with_the_reason(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["next", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("cronjob: ")
    assert words in captured.err
