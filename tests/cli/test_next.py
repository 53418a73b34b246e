"""`cronjob next`: the fire times of one schedule."""

import re
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from cronjob.cli import main
from tests.cli.command import cronjob


def _times(output: str) -> list[datetime]:
    return [datetime.fromisoformat(line[4:]) for line in output.splitlines()]


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
    offsets = {line[-6:] for line in lines}
    assert offsets == {"+01:00", "+02:00"}
    # In spring 02:30 does not exist, and the first instant after the gap is 03:00.
    assert {line[-12:-6].strip() for line in lines} == {"02:30", "03:00"}
    assert len({line[4:14] for line in lines}) == 400  # once each day


def test_without_tz_the_zone_is_that_of_the_system() -> None:
    zone = {"TZ": "America/New_York"}
    assert b"-05:00" in cronjob("next", "-n1", "0 12 1 1 *", environment=zone).stdout


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
        (["@fortnightly"], "is not a known name"),
        (["--tz", "Mars/Olympus", "@daily"], 'unknown time zone "Mars/Olympus"'),
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
