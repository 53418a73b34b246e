"""`cronjob list`: the entries of tables, for people and for programs."""

import contextlib
import io
import json
import resource
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cronjob.cli import _parser, main
from cronjob.cli.tables import list_entries
from cronjob.core.source import PLACES
from tests.cli.command import cronjob

#: Each fires once a year, in an order that is never the one they are written in.
YEARLY = "".join(f"0 0 1 {month} * name=m{month:02} root true\n" for month in (7, 1, 10, 4))
SCHEMA: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "schedule": str,
    "zone": str,
    "user": (str, type(None)),
    "command": str,
    "stdin": str,
    "fields": dict,
    "source": str,
    "line": int,
    "next": (str, type(None)),
    "start_delay": float,
    "now": list,
}


def _write(folder: Path, text: str, name: str = "table.tab") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def _entries(output: str) -> list[dict[str, Any]]:
    loaded = json.loads(output)
    assert isinstance(loaded, list)
    return loaded


def test_namesakes_of_two_tables_are_listed_as_the_other_verbs_call_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = (_write(tmp_path, "@daily name=x root true\n", name) for name in ("a.tab", "b.tab"))
    options = [word for table in tables for word in ("--table", table)]
    assert main(["list", "--json", *options]) == 0
    names = [entry["name"] for entry in _entries(capsys.readouterr().out)]
    assert names == ["x", "x~2"]
    assert all(main(["next", name, *options]) == 0 for name in names)
    capsys.readouterr()
    assert main(["list", *options]) == 0
    assert "  x~2   " in capsys.readouterr().out


def test_the_text_has_a_head_and_one_aligned_line_for_each_entry(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = _write(
        tmp_path,
        "0 12 13 7 *  tz=Asia/Tokyo name=noon  www-data  echo  two  blanks%stdin\n"
        "@reboot name=boot root true\n"
        "0 0 30 2 * name=none root true\n",
    )
    assert main(["list", "--table", table]) == 0
    head, noon, boot, none = capsys.readouterr().out.splitlines()
    assert head.split() == ["NEXT", "ZONE", "SCHEDULE", "USER", "NAME", "COMMAND"]
    assert noon[4:].split()[0].endswith("-07-13")
    assert noon[15:20] == "12:00"  # in its own zone
    starts = [head.index(title) for title in head.split()]
    assert [noon[start:].split("  ")[0] for start in starts[1:]] == [
        "Asia/Tokyo",
        "0 12 13 7 *",
        "www-data",
        "noon",
        "echo",
    ]
    assert noon.endswith("echo  two  blanks")
    assert boot.startswith("at boot ")
    assert none.startswith("never ")


def test_without_next_the_order_is_that_of_the_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = _write(tmp_path, "0 0 1 2 * name=other root true\n", "other.tab")
    assert main(["list", "--json", "--table", _write(tmp_path, YEARLY), "--table", other]) == 0
    names = [entry["name"] for entry in _entries(capsys.readouterr().out)]
    assert names == ["m07", "m01", "m10", "m04", "other"]


def test_with_next_the_order_is_that_of_the_fire_times_and_those_without_one_are_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = _write(tmp_path, "@reboot root true\n0 0 30 2 * root true\n" + YEARLY)
    assert main(["list", "--json", "--next", "--table", table]) == 0
    times = [entry["next"] for entry in _entries(capsys.readouterr().out)]
    assert times[-2:] == [None, None]
    assert times[:-2] == sorted(times[:-2])
    assert len(times) == 6


def test_json_says_everything_of_an_entry_in_documented_types(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = 'A=b\n*/5 * * * * name=x jitter=60s timeout="4m" tz=Asia/Tokyo root cat%one%two\n'
    table = _write(tmp_path, text + "@reboot root true\n")
    assert main(["list", "--json", "--table", table]) == 0
    entry, boot = _entries(capsys.readouterr().out)
    for found in (entry, boot):
        assert found.keys() == SCHEMA.keys()
        assert all(isinstance(found[name], kind) for name, kind in SCHEMA.items())
    fire = datetime.fromisoformat(entry.pop("next"))
    assert fire.tzinfo == UTC
    assert fire.minute % 5 == 0
    assert 0 <= entry.pop("start_delay") < 60
    assert entry == {
        "name": "x",
        "schedule": "*/5 * * * *",
        "zone": "Asia/Tokyo",
        "user": "root",
        "command": "cat",
        "stdin": "one\ntwo\n",
        "fields": {"name": "x", "jitter": "60s", "timeout": "4m", "tz": "Asia/Tokyo"},
        "source": table,
        "line": 2,
        "now": [],
    }
    assert boot["next"] is None


def test_bytes_that_are_not_utf_8_come_back_from_json_as_they_were(tmp_path: Path) -> None:
    table = tmp_path / "table.tab"
    table.write_bytes(b"* * * * * root echo \xff\n")
    (entry,) = _entries(cronjob("list", "--json", "--table", str(table)).stdout.decode("ascii"))
    assert entry["command"].encode("utf-8", "surrogateescape") == b"echo \xff"


def test_no_entries_are_a_head_alone_or_an_empty_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = _write(tmp_path, "# nothing\n")
    assert main(["list", "--table", table]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert main(["list", "--json", "--table", table]) == 0
    assert _entries(capsys.readouterr().out) == []


def test_problems_go_to_standard_error_and_good_lines_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = _write(tmp_path, "61 * * * * root true\n@daily name=good root true\n")
    assert main(["list", "--table", table]) == 1
    captured = capsys.readouterr()
    assert captured.err == f'{table}:1:1: minute "61" is out of range 0-59\n'
    assert "good" in captured.out


def test_a_warning_leaves_the_exit_status_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "--table", _write(tmp_path, "@daily retry-on=75 root true\n")]) == 0
    assert "warning: retry-on says nothing without retry" in capsys.readouterr().err


def test_a_missing_table_is_said_and_the_others_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "missing.tab")
    table = _write(tmp_path, "@daily name=good root true\n")
    assert main(["list", "--table", missing, "--table", table]) == 1
    captured = capsys.readouterr()
    assert captured.err == f"{missing}: cannot read the table: No such file or directory\n"
    assert "good" in captured.out


def test_a_hundred_entries_are_listed_in_less_than_a_second_of_cpu_time(tmp_path: Path) -> None:
    zones = ("UTC", "Europe/Paris", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe")
    lines = [
        f"{n % 60} {n % 24} {n % 28 + 1} * * tz={zones[n % 5]} root echo {n}\n" for n in range(100)
    ]
    table = _write(tmp_path, "".join(lines))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = cronjob("list", "--next", "--table", table)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert len(ended.stdout.splitlines()) == 101
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"list --next of 100 entries: {seconds:.2f} s of CPU time")  # noqa: T201 # shown with -s
    assert seconds < 1.0


def test_with_several_tables_each_entry_has_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = _write(tmp_path, "\n@daily name=x root true\n", "one.tab")
    two = _write(tmp_path, "@daily name=x root true\n", "two.tab")
    assert main(["list", "--table", one, "--table", two]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["NEXT", "ZONE", "SCHEDULE", "USER", "NAME", "PLACE", "COMMAND"]
    assert [line.split()[-2] for line in lines] == [f"{one}:2", f"{two}:1"]


def test_a_table_that_a_daemon_would_refuse_is_shown_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = _write(tmp_path, "@daily name=x root true\n")
    Path(table).chmod(0o666)
    assert main(["list", "--table", table]) == 0
    captured = capsys.readouterr()
    why = "the table has mode 666; group and others must not write to it"
    assert captured.err == f"{table}: warning: a daemon of this user would refuse it: {why}\n"
    assert " x " in captured.out


# -- what a daemon would read --------------------------------------------------------------------


def _listed(root: Path, *options: str) -> tuple[int, list[str], str]:
    """The exit code, the names and what is said of `list` on the sources below a root."""
    output, errors = io.StringIO(), io.StringIO()
    arguments = _parser().parse_args(["list", "--json", *options])
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        code = list_entries(arguments, PLACES.below(str(root)))
    return code, [entry["name"] for entry in _entries(output.getvalue())], errors.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with a table in each place."""
    for folder in ("cronjob.d", "cron.d"):
        (tmp_path / "etc" / folder).mkdir(parents=True)
    _write(tmp_path / "etc", "@daily name=tab root true\n", "cronjob.tab")
    _write(tmp_path / "etc/cronjob.d", "@daily name=directory root true\n", "more")
    _write(tmp_path / "etc", "@daily root from-crontab\n", "crontab")
    _write(tmp_path / "etc/cron.d", "@daily root from-cron-d\n", "php")
    return tmp_path


def test_without_tables_those_are_listed_that_a_daemon_would_read(root: Path) -> None:
    assert _listed(root) == (0, ["tab", "directory"], "")
    _write(root / "etc", "tables = {crontab = true, cron-d = true}\n", "cronjob.toml")
    code, names, said = _listed(root)
    assert (code, names[:2], said) == (0, ["tab", "directory"], "")
    assert [name.rpartition("-")[0] for name in names[2:]] == ["from-crontab", "from-cron-d"]


def test_another_config_can_be_named_and_must_be_there(root: Path) -> None:
    config = _write(root, "[tables]\ncrontab = true\n", "my.toml")
    assert len(_listed(root, "--config", config)[1]) == 3
    code, names, said = _listed(root, "--config", str(root / "none"))
    assert (code, names) == (1, [])
    assert said.startswith(f"{root}/none: cannot read the configuration: ")


def test_what_a_daemon_would_refuse_is_said_and_not_listed(root: Path) -> None:
    (root / "etc/cronjob.tab").chmod(0o666)
    code, names, said = _listed(root)
    assert (code, names) == (1, ["directory"])
    assert said.startswith(f"{root}/etc/cronjob.tab: the table has mode 666; ")


def test_a_file_that_is_passed_over_is_said(root: Path) -> None:
    _write(root / "etc/cronjob.d", "", "more~")
    code, names, said = _listed(root)
    assert (code, names) == (0, ["tab", "directory"])
    assert said.endswith("more~: its name ends in ~, as an editor's backup; it is not read\n")


def test_a_machine_without_a_table_is_said(tmp_path: Path) -> None:
    places = PLACES.below(str(tmp_path))
    expected = f"cronjob: there is no table: {places.table}, {places.directory}\n"
    assert _listed(tmp_path) == (1, [], expected)
