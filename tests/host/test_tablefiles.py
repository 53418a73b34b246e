import os
from datetime import UTC
from pathlib import Path

import pytest

from cronjob.errors import TableFileError
from cronjob.host.tablefiles import LARGEST, TableFiles, read_table_file

GOOD = "0 1 * * * root true\n"


def table(folder: Path, text: str = GOOD, mode: int = 0o644) -> str:
    path = folder / "table"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o444, 0o755])
def test_a_table_that_only_its_owner_writes_is_read(mode: int, tmp_path: Path) -> None:
    assert read_table_file(table(tmp_path, mode=mode), trusted_owner=os.geteuid())


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o620])
def test_a_table_that_others_may_write_is_refused_with_its_mode(mode: int, tmp_path: Path) -> None:
    with pytest.raises(TableFileError, match=f"^the table's mode is {mode:o}; group and others"):
        read_table_file(table(tmp_path, mode=mode), trusted_owner=os.geteuid())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_table_of_somebody_else_is_refused_with_the_owner(tmp_path: Path) -> None:
    path = table(tmp_path)
    os.chown(path, 65534, 65534)
    with pytest.raises(TableFileError, match=r"^the table belongs to user id 65534"):
        read_table_file(path, trusted_owner=0)
    assert read_table_file(path, trusted_owner=65534)


def test_what_is_no_regular_file_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path):
        with pytest.raises(TableFileError, match=r"it is not a regular file|directory"):
            read_table_file(str(path))


@pytest.mark.parametrize("path", ["/no/such/table", "/etc/passwd/table", "nul\0byte", "x" * 5000])
def test_a_path_that_cannot_be_opened_is_an_error_with_its_reason(path: str) -> None:
    with pytest.raises(TableFileError, match=r"^cannot read the table: \w+"):
        read_table_file(path)


def test_a_table_beyond_the_cap_is_refused_with_both_sizes(tmp_path: Path) -> None:
    path = table(tmp_path)
    os.truncate(path, LARGEST + 1)
    with pytest.raises(TableFileError, match=rf"has {LARGEST + 1} bytes; {LARGEST} are allowed"):
        read_table_file(path)


def test_an_unreadable_table_keeps_its_last_good_version(tmp_path: Path) -> None:
    path = table(tmp_path)
    files = TableFiles((path,))
    assert [len(found.entries) for found in files.load(UTC)] == [1]
    os.unlink(path)
    assert [len(found.entries) for found in files.load(UTC)] == [1]
    ((refused, reason),) = files.refusals
    assert refused == path
    assert reason.endswith("its last good version stays in effect")


def test_an_optional_table_may_be_missing_and_come_and_go(tmp_path: Path) -> None:
    path = str(tmp_path / "table")
    files = TableFiles((path,), optional=frozenset({path}))
    assert list(files.load(UTC)) == []
    table(tmp_path)
    assert [len(found.entries) for found in files.load(UTC)] == [1]
    os.unlink(path)
    assert list(files.load(UTC)) == []
    assert files.refusals == ()
