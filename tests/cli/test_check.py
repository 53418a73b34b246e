"""`cronjob check`: every problem of tables, with its place, and every lint."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cronjob.cli import _parser, main
from cronjob.cli.check import check_tables
from cronjob.core.source import PLACES, Places
from cronjob.core.table import parse_table
from cronjob.host.surroundings import surroundings, tables_of_cron
from tests.cli.command import cronjob

GOOD = "@daily root true\n"
WARNING = "@daily retry-on=75 root true\n"
BAD = "61 * * * * root true\n"


def _write(folder: Path, text: str, name: str = "table.tab") -> str:
    path = folder / name
    path.write_text(text)
    path.chmod(0o644)
    return str(path)


def test_a_good_table_prints_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", _write(tmp_path, GOOD)]) == 0
    assert capsys.readouterr() == ("", "")


def test_warnings_are_printed_and_leave_the_exit_status_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = _write(tmp_path, WARNING)
    assert main(["check", table]) == 0
    assert capsys.readouterr().out == f"{table}:1:8: warning: retry-on says nothing without retry\n"


def test_every_error_is_printed_with_its_place_and_the_exit_status_is_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = _write(tmp_path, "61 25 * * * root true\n\n * * * * * retri=1 root true\n")
    assert main(["check", table]) == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.splitlines() == [
        f'{table}:1:1: minute "61" is out of range 0-59',
        f'{table}:1:4: hour "25" is out of range 0-23',
        f'{table}:3:12: unknown field "retri"; did you mean retry?',
    ]


def test_a_hyphen_is_standard_input() -> None:
    ended = cronjob("check", "-", stdin=BAD.encode())
    assert ended.returncode == 1
    assert ended.stdout == b'-:1:1: minute "61" is out of range 0-59\n'


def test_an_empty_standard_input_is_a_good_table() -> None:
    ended = cronjob("check", "-")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def test_a_user_table_has_no_user_column(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = _write(tmp_path, "@daily true\n")
    assert main(["check", "--user", table]) == 0
    assert main(["check", table]) == 1
    assert "there is no command" in capsys.readouterr().out


def test_a_priority_above_zero_is_for_system_tables_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", _write(tmp_path, "@daily priority=1 root true\n")]) == 0
    assert main(["check", "--user", _write(tmp_path, "@daily priority=1 true\n")]) == 1
    assert "priority above 0 is not allowed in a user table" in capsys.readouterr().out


def test_a_table_that_cannot_be_read_is_said_and_the_others_are_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "missing.tab")
    table = _write(tmp_path, WARNING)
    assert main(["check", missing, str(tmp_path), table]) == 1
    captured = capsys.readouterr()
    assert captured.err == (
        f"{missing}: cannot read the table: No such file or directory\n"
        f"{tmp_path}: cannot read the table: it is not a regular file\n"
    )
    assert captured.out.startswith(f"{table}:1:8: warning: ")


def test_several_tables_are_checked_in_their_order_and_the_worst_decides(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = _write(tmp_path, BAD, "bad.tab"), _write(tmp_path, GOOD, "good.tab")
    warned = _write(tmp_path, WARNING, "warned.tab")
    assert main(["check", bad, good, warned]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [bad, warned]


def test_a_command_that_only_looks_like_a_field_is_warned_of_in_a_user_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--user", _write(tmp_path, "@daily retri=2 true\n")]) == 0
    assert "is the field retry= meant?" in capsys.readouterr().out


LINTED = "*/20 2 * * * tz=Europe/Berlin root cat%\n0 0 29 2 * root true\n"


def test_lints_are_warnings_and_notes_with_a_code_and_leave_the_exit_status_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = _write(tmp_path, LINTED)
    assert main(["check", table]) == 0
    change, leap = capsys.readouterr().out.splitlines()
    assert change.startswith(f"{table}:1:1: warning: no run on 20")
    assert change.endswith("[clock-change]")
    assert leap.startswith(f"{table}:2:5: note: fires in leap years only, next on 20")
    assert leap.endswith("[leap-years-only]")


def test_a_strict_check_fails_for_a_warning_and_not_for_a_note(tmp_path: Path) -> None:
    assert main(["check", "--strict", _write(tmp_path, LINTED)]) == 1
    assert main(["check", "--strict", _write(tmp_path, WARNING)]) == 1
    assert main(["check", "--strict", _write(tmp_path, LINTED.split("\n")[1] + "\n")]) == 0
    assert main(["check", "--strict", _write(tmp_path, GOOD)]) == 0


def test_findings_come_in_the_order_of_their_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = _write(tmp_path, "0 0 30 2 * root true\n61 0 * * * root true\n0 0 31 4 * root true\n")
    assert main(["check", table]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.removeprefix(table).split(":")[1] for line in lines] == ["1", "2", "3"]


def test_json_is_a_list_of_objects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = _write(tmp_path, "61 0 * * * root true\n0 0 30 2 * root true\n")
    assert main(["check", "--json", table]) == 1
    assert json.loads(capsys.readouterr().out) == [
        {
            "severity": "error",
            "file": table,
            "line": 1,
            "column": 1,
            "code": None,
            "message": 'minute "61" is out of range 0-59',
        },
        {
            "severity": "warning",
            "file": table,
            "line": 2,
            "column": 5,
            "code": "never-fires",
            "message": "never fires: February has no day 30; write L for the last day",
        },
    ]
    assert main(["check", "--json", _write(tmp_path, GOOD)]) == 0
    assert capsys.readouterr().out == "[]\n"


def test_a_classic_table_has_cron_s_language_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = _write(tmp_path, "@daily retry=3 root true\n0 0 L * * root true\n")
    assert main(["check", table]) == 0
    capsys.readouterr()
    assert main(["check", "--classic", table]) == 1
    fields, last = capsys.readouterr().out.splitlines()
    assert fields.endswith("[classic-field]")
    assert 'day of month "L"' in last


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_a_file_that_others_may_write_to_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: int
) -> None:
    table = _write(tmp_path, GOOD)
    os.chmod(table, mode)
    assert main(["check", table]) == 0
    line = capsys.readouterr().out
    assert line.startswith(
        f"{table}:1:1: warning: the file has mode {mode:o}, and a daemon refuses"
    )
    assert line.endswith("[writable]\n")


@pytest.mark.parametrize("option", ["--user", "--classic"])
def test_how_to_read_a_file_is_said_of_a_file_only(
    capsys: pytest.CaptureFixture[str], option: str
) -> None:
    assert main(["check", option]) == 2
    assert "say how to read a FILE" in capsys.readouterr().err


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A machine's places in a directory of the test, with a folder of tables and cron's own."""
    for folder in ("etc", "etc/cronjob.d", "etc/cron.d", "run"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder).chmod(0o755)
    return PLACES.below(str(tmp_path))


def _check(places: Places, *arguments: str) -> int:
    return check_tables(_parser().parse_args(["check", *arguments]), places)


def test_without_a_file_the_tables_of_the_daemon_are_checked(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    tab, more = Path(places.table), Path(places.directory, "more")
    for path, text in ((tab, GOOD), (more, BAD)):
        path.write_text(text)
        path.chmod(0o644)
    assert _check(places) == 1
    assert capsys.readouterr() == (f'{more}:1:1: minute "61" is out of range 0-59\n', "")


def test_without_a_file_cron_s_tables_are_checked_if_the_config_has_them(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, text in (
        (places.table, GOOD),
        (places.config, "[tables]\ncrontab = true\n"),
        (places.crontab, "0 0 L * * root true\n"),
    ):
        Path(path).write_text(text)
        os.chmod(path, 0o644)
    assert _check(places) == 1
    assert f'{places.crontab}:1:5: day of month "L"' in capsys.readouterr().out


def test_more_slots_than_the_configuration_gives_are_a_warning(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = "@daily slots=3 root true\n"
    for config, found in (("slots = 2\n", 1), ("slots = 3\n", 0), ("", 0), ("slots = x\n", 0)):
        Path(places.config).write_text(config)
        table = _write(Path(places.table).parent, wide, "wide.tab")
        assert check_tables(_parser().parse_args(["check", table]), places) == 0
        assert capsys.readouterr().out.count("[too-many-slots]") == found


def test_without_a_file_what_the_daemon_would_refuse_is_an_error(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, mode in ((Path(places.table), 0o644), (Path(places.directory, "more"), 0o666)):
        path.write_text(GOOD)
        path.chmod(mode)
    assert _check(places) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "more: " in captured.err
    assert "666" in captured.err


def test_what_cron_runs_too_is_found_in_its_tables(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "25 6 * * * root cd / && run-parts --report /etc/cron.daily\n"
    for path in (places.table, places.crontab, f"{places.cron_d}/daily"):
        Path(path).write_text(line)
        os.chmod(path, 0o644)
    assert _check(places, places.table) == 0
    found = capsys.readouterr().out
    assert f"{places.crontab}:1 runs run-parts /etc/cron.daily too" in found
    assert found.endswith("[runs-elsewhere]\n")
    assert _check(places, "--classic", places.crontab) == 0
    assert f"{places.cron_d}/daily:1 runs run-parts /etc/cron.daily too" in capsys.readouterr().out


def test_a_file_of_cron_is_not_compared_with_itself_however_it_is_called(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(places.crontab).write_text("@daily root true\n")
    os.chmod(places.crontab, 0o644)
    relative = os.path.relpath(places.crontab)
    assert _check(places, "--classic", relative) == 0
    assert capsys.readouterr().out == ""


def test_cron_s_tables_are_found_as_cron_finds_them(places: Places) -> None:
    for name in ("good", "with.dot", ".hidden"):
        Path(places.cron_d, name).write_text(GOOD)
    Path(places.cron_d, "directory").mkdir()
    found = tables_of_cron(UTC, places)
    assert [table.source for table in found] == [f"{places.cron_d}/good"]


def test_the_machine_is_asked_for_accounts_programs_and_folders(tmp_path: Path) -> None:
    machine = surroundings(datetime(2026, 11, 21, tzinfo=UTC))
    assert machine.account("root")
    assert not machine.account("no-such-account")
    assert not machine.account("\0")
    assert machine.program("/bin/sh")
    assert machine.program("sh")
    assert not machine.program(str(tmp_path))
    assert not machine.program("no-such-program")
    assert machine.directory(str(tmp_path))
    assert not machine.directory("/no/such/folder")
    assert not machine.directory(__file__)


def test_the_table_says_how_it_was_read() -> None:
    table = parse_table("", source="t", style="user", classic=True)
    assert (table.style, table.classic) == ("user", True)
