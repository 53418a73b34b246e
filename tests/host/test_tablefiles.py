"""Tables on the machine: what is read, what is refused, what stays in effect."""

import os
from datetime import UTC, timedelta, timezone
from pathlib import Path

import pytest

from cronjob.core.source import CRON_D_NAMES, SPOOL_NAMES, Source
from cronjob.core.table import CAPS
from cronjob.errors import TableFileError
from cronjob.host.tablefiles import Reading, TableFiles, read_table_file, why_refused
from cronjob.host.trustedfile import LARGEST

GOOD = "0 1 * * * root true\n"
KEPT = "its last good version stays in effect"


def put(path: Path, text: str = GOOD, mode: int = 0o644) -> Source:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return Source(path=str(path))


def folder(path: Path) -> Source:
    path.mkdir(exist_ok=True)
    return Source(path=str(path), place="directory")


class Reader:
    """`TableFiles` on some sources."""

    def __init__(self, *sources: Source, uids: dict[str, int | str] | None = None) -> None:
        self.files = TableFiles(os.geteuid())
        self.sources = sources
        self.uids = uids or {}

    def read(self, zone: timezone = UTC, *, anew: bool = False) -> Reading:
        self.files.find(self.sources)
        return self.files.read(zone, uids=self.uids, anew=anew)

    def remarks(self) -> dict[str, tuple[str, str]]:
        """By the last part of the path."""
        remarks = self.files.remarks.items()
        return {os.path.basename(path): (remark.kind, remark.text) for path, remark in remarks}


def names(reading: Reading) -> list[str]:
    return [os.path.basename(table.source) for table in reading.tables]


# -- one file, read as it is ---------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/no/such/table", "/etc/passwd/table", "nul\0byte", "x" * 5000])
def test_a_path_that_cannot_be_opened_is_an_error_with_its_reason(path: str) -> None:
    with pytest.raises(TableFileError, match=r"^cannot read the table: \w+"):
        read_table_file(path)


def test_a_person_may_look_at_a_table_that_a_daemon_would_refuse(tmp_path: Path) -> None:
    path = put(tmp_path / "table", mode=0o666).path
    assert read_table_file(path) == GOOD.encode()
    assert why_refused(path) == "the table has mode 666; group and others must not write to it"
    os.chmod(path, 0o644)
    assert why_refused(path) == ""


def test_what_is_no_regular_file_is_an_error_for_anybody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path):
        with pytest.raises(TableFileError, match="it is not a regular file"):
            read_table_file(str(path))


def test_a_table_beyond_the_cap_is_an_error_with_both_sizes(tmp_path: Path) -> None:
    path = put(tmp_path / "table").path
    os.truncate(path, LARGEST + 1)
    with pytest.raises(TableFileError, match=rf"has {LARGEST + 1} bytes; {LARGEST} are allowed"):
        read_table_file(path)


# -- the last good version -----------------------------------------------------------------------


def test_a_table_that_must_be_there_keeps_its_last_good_version(tmp_path: Path) -> None:
    source = put(tmp_path / "table")
    reader = Reader(Source(path=source.path, required=True))
    assert reader.read().changed
    os.unlink(source.path)
    reading = reader.read()
    assert (names(reading), reading.changed) == (["table"], False)
    reason = f"cannot read the table: No such file or directory; {KEPT}"
    assert reader.remarks() == {"table": ("refused", reason)}


def test_a_table_that_may_be_missing_comes_and_goes(tmp_path: Path) -> None:
    reader = Reader(Source(path=str(tmp_path / "table")))
    seen = []
    for present in (False, True, True, False, False):
        if present:
            put(tmp_path / "table")
        else:
            (tmp_path / "table").unlink(missing_ok=True)
        reading = reader.read()
        seen.append((names(reading), reading.changed))
    assert seen == [([], False), (["table"], True), (["table"], False), ([], True), ([], False)]
    assert reader.remarks() == {}


@pytest.mark.parametrize("mode", [0o666, 0o620])
def test_a_table_that_others_may_write_keeps_its_last_good_version(
    mode: int, tmp_path: Path
) -> None:
    source = put(tmp_path / "table")
    reader = Reader(source)
    reader.read()
    put(tmp_path / "table", GOOD * 2, mode)
    reading = reader.read()
    assert [len(table.entries) for table in reading.tables] == [1]
    assert reader.remarks()["table"][1].startswith(f"the table has mode {mode:o}; ")
    put(tmp_path / "table", GOOD * 2)
    assert [len(table.entries) for table in reader.read().tables] == [2]
    assert reader.remarks() == {}


def test_a_table_that_was_never_good_has_nothing_to_keep(tmp_path: Path) -> None:
    reader = Reader(put(tmp_path / "table", mode=0o666))
    assert reader.read().tables == ()
    assert KEPT not in reader.remarks()["table"][1]


def test_a_table_past_a_cap_keeps_its_last_good_version(tmp_path: Path) -> None:
    source = Source(
        path=str(tmp_path / "spool"), place="directory", style="user", names=SPOOL_NAMES
    )
    put(tmp_path / "spool/ann", "@daily true\n")
    reader = Reader(source, uids={"ann": os.geteuid()})
    reader.read()
    most = CAPS["user"].entries
    put(tmp_path / "spool/ann", "@daily true\n" * (most + 1))
    reading = reader.read()
    assert [len(table.entries) for table in reading.tables] == [1]
    assert not reading.changed
    reason = f"the table has more than {most} entries; {KEPT}"
    assert reader.remarks() == {"ann": ("refused", reason)}


def test_a_directory_that_cannot_be_trusted_keeps_all_its_tables(tmp_path: Path) -> None:
    source = folder(tmp_path / "cron.d")
    put(tmp_path / "cron.d/a")
    put(tmp_path / "cron.d/b")
    reader = Reader(source)
    reader.read()
    put(tmp_path / "cron.d/c")
    (tmp_path / "cron.d").chmod(0o777)
    reading = reader.read()
    assert (names(reading), reading.changed) == (["a", "b"], False)
    assert set(reader.remarks()) == {"cron.d", "a", "b"}
    (tmp_path / "cron.d").chmod(0o755)
    assert names(reader.read()) == ["a", "b", "c"]


# -- by content ----------------------------------------------------------------------------------


def test_only_a_new_text_is_parsed_whatever_the_times_of_the_file_say(tmp_path: Path) -> None:
    path = tmp_path / "table"
    reader = Reader(put(path), put(tmp_path / "other"))
    (first, other) = reader.read().fresh
    os.utime(path)
    assert reader.read().fresh == ()
    times = path.stat()
    path.write_text(GOOD.replace("1", "2"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_size == times.st_size
    reading = reader.read()
    assert reading.changed
    (table,) = reading.fresh
    assert table.source == first.source
    assert table.entries != first.entries
    assert reading.tables[1] is other


def test_a_new_zone_or_a_wish_parses_all_but_makes_no_text_new(tmp_path: Path) -> None:
    reader = Reader(put(tmp_path / "table"))
    first = reader.read().tables[0]
    for reading in (reader.read(timezone(timedelta(hours=2))), reader.read(anew=True)):
        assert reading.changed
        assert reading.fresh == ()
        assert reading.tables[0] is not first


# -- directories ---------------------------------------------------------------------------------


def test_the_tables_of_a_directory_are_in_the_order_of_their_names(tmp_path: Path) -> None:
    source = folder(tmp_path / "cron.d")
    for name in ("b", "a.conf", "Z", "a"):
        put(tmp_path / "cron.d" / name)
    after = put(tmp_path / "0")
    assert names(Reader(source, after).read()) == ["Z", "a", "a.conf", "b", "0"]


def test_every_file_that_is_passed_over_is_said_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "cron.d"
    path.mkdir()
    for name in ("good", "a.conf", ".placeholder"):
        put(path / name)
    (path / "directory").mkdir()
    os.mkfifo(path / "fifo")
    (path / "dangling").symlink_to("nowhere")
    names_rule = CRON_D_NAMES["debian"]
    reader = Reader(Source(path=str(path), place="directory", names=names_rule))
    assert names(reader.read()) == ["good"]
    assert reader.remarks() == {
        ".placeholder": ("skipped", "its name begins with a dot"),
        "a.conf": ("skipped", names_rule.allowed),
        "dangling": ("refused", "cannot read the table: No such file or directory"),
        "fifo": ("skipped", "it is not a regular file"),
        "directory": ("skipped", "it is not a regular file"),
    }


def test_a_directory_may_be_missing(tmp_path: Path) -> None:
    reader = Reader(Source(path=str(tmp_path / "none"), place="directory"))
    assert reader.read() == Reading((), (), changed=False)
    assert reader.remarks() == {}


def test_a_file_that_two_sources_name_is_read_once(tmp_path: Path) -> None:
    source = put(tmp_path / "table")
    assert names(Reader(source, source).read()) == ["table"]


# -- user tables ---------------------------------------------------------------------------------


def test_the_name_of_a_user_table_is_the_account_that_runs_its_entries(tmp_path: Path) -> None:
    source = Source(path=str(tmp_path / "spool"), place="directory", style="user", classic=True)
    put(tmp_path / "spool/ann", "* * * * * name=x true\n", 0o600)
    put(tmp_path / "spool/bob", GOOD, 0o600)
    reader = Reader(source, uids={"ann": os.geteuid(), "bob": 'unknown user "bob"'})
    (table,) = reader.read().tables
    (entry,) = table.entries
    assert (entry.user, entry.command) == ("ann", "name=x true")  # classic: no fields
    assert reader.remarks() == {"bob": ("refused", 'unknown user "bob"')}
