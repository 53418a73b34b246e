"""`cronjob check`: every problem of tables, with its place."""

from pathlib import Path

import pytest

from cronjob.cli import main
from tests.cli.command import cronjob

GOOD = "@daily root true\n"
WARNING = "@daily nice=5 root true\n"
BAD = "61 * * * * root true\n"


def _write(folder: Path, text: str, name: str = "table.tab") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_a_good_table_prints_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", _write(tmp_path, GOOD)]) == 0
    assert capsys.readouterr() == ("", "")


def test_warnings_are_printed_and_leave_the_exit_status_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = _write(tmp_path, WARNING)
    assert main(["check", table]) == 0
    assert capsys.readouterr().out == f"{table}:1:8: warning: the field nice is not in effect yet\n"


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
