"""`cronjob explain`: a schedule or an entry in words."""

from pathlib import Path

import pytest

from cronjob.cli import main
from tests.cli.command import cronjob

TABLE = """\
@defaults tz=Europe/Berlin
30 2 * * * name=backup retry=3,30s..10m jitter=1h root /sbin/backup%one%two
@reboot name=boot root true
0 0 30 2 * name=never root true
"""


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "a.tab"
    path.write_text(TABLE)
    return str(path)


def test_an_expression_is_explained_and_its_next_fire_times_follow(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["explain", "*/30 1 * * *", "--tz", "Europe/Berlin"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["*/30 1 * * * in Europe/Berlin", "At 01:00 and 01:30 every day."]
    assert lines[2].startswith("Wildcard, since minute begins with *")
    assert lines[3].startswith("The next clock changes of Europe/Berlin, on ")
    assert lines[4:6] == ["", "The next fire times:"]
    assert [line[15:20] in ("01:00", "01:30") for line in lines[6:]] == [True] * 3


def test_a_name_is_translated(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "@daily", "--tz", "UTC"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["@daily in UTC", "@daily stands for 0 0 * * *.", "At 00:00 every day."]


def test_an_entry_is_explained_with_its_command_and_its_fields(
    table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "backup", "--table", table]) == 0
    captured = capsys.readouterr()
    head, schedule, fields, times = captured.out.split("\n\n")
    assert head.splitlines() == [
        f"backup ({table}:2)",
        "root runs: /sbin/backup",
        "With this standard input:",
        "  one",
        "  two",
    ]
    assert schedule.splitlines()[:2] == ["30 2 * * * in Europe/Berlin", "At 02:30 every day."]
    assert fields.splitlines()[:2] == [
        "TZ of the command is Europe/Berlin.",
        "A failed run is tried again up to 3 times, after 30 seconds, doubled each time up to 10 "
        "minutes.",
    ]
    assert times.count(" later (jitter)") == 3


def test_with_an_entry_tz_is_a_second_zone_for_its_times(
    table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "backup", "--table", table, "--tz", "Asia/Tokyo"]) == 0
    output = capsys.readouterr().out
    assert "30 2 * * * in Europe/Berlin" in output
    assert output.count("+09:00 Asia/Tokyo") == 3


def test_reboot_is_explained_without_times(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "boot", "--table", table]) == 0
    output = capsys.readouterr().out
    assert "Once per boot, when the daemon starts." in output
    assert "The next fire times" not in output


@pytest.mark.parametrize("subject", ["never", "0 0 30 2 *"])
def test_what_never_fires_is_explained_with_exit_status_1(
    subject: str, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", subject, "--table", table]) == 1
    assert "It never fires: February has no day 30." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["61 * * * *"], 2, 'minute "61" is out of range 0-59'),
        (["* * * *"], 2, "has 4 columns"),
        (["--tz", "Mars/Olympus", "@daily"], 2, 'unknown time zone "Mars/Olympus"'),
        (["--tz", "Mars/Olympus", "backup"], 2, 'unknown time zone "Mars/Olympus"'),
        (["bakcup"], 1, 'no entry is called "bakcup"; the nearest of 3 entries is backup'),
    ],
)
def test_what_cannot_be_explained_is_refused_with_the_reason(
    arguments: list[str], code: int, words: str, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", *arguments, "--table", table]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("cronjob: ")
    assert words in captured.err


def test_what_a_table_holds_cannot_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "a.tab"
    path.write_bytes(b"@daily name=x root echo \x1b[2J\xff%\x07\n")
    ended = cronjob("explain", "x", "--table", str(path))
    assert ended.returncode == 0
    assert rb"echo \x1b[2J\xff" in ended.stdout
    assert rb"  \x07" in ended.stdout
    assert ended.stdout.isascii()
    assert not {0x1B, 0x07} & {*ended.stdout}
