"""docs/reference/history.md and the schema say the same."""

import re
import sqlite3
from pathlib import Path

from cronjob.host.history.database import MIGRATIONS, NAME, SCHEMA
from cronjob.host.history.store import SqliteHistory
from tests.docs.manpage import ROOT
from tests.host.changes import batch_of, one_run

PAGE = (ROOT / "docs/reference/history.md").read_text(encoding="utf-8")


def test_the_page_shows_the_schema_as_it_is() -> None:
    (shown,) = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert shown == Path(SCHEMA).read_text(encoding="utf-8")


def test_the_version_in_the_schema_is_the_latest_one() -> None:
    assert f"version {max(MIGRATIONS)}." in Path(SCHEMA).read_text(encoding="utf-8").splitlines()[0]


def test_the_tables_are_all_there_with_what_is_unique_in_them(tmp_path: Path) -> None:
    SqliteHistory(str(tmp_path), boot="b", host="h").close()
    database = sqlite3.connect(tmp_path / NAME)
    tables = [row[0] for row in database.execute("SELECT name FROM sqlite_schema WHERE sql > ''")]
    rows = re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", PAGE, re.MULTILINE)
    found = {}
    for table, unique in rows:
        indexes = database.execute(f"PRAGMA index_list({table})").fetchall()
        keys = {
            ", ".join(f"`{row[2]}`" for row in database.execute(f"PRAGMA index_info({index[1]})"))
            for index in indexes
            if index[2]
        }
        if not keys:
            info = database.execute(f"PRAGMA table_info({table})")
            keys = {", ".join(f"`{row[1]}`" for row in info if row[5])}
        found[table] = keys
        assert keys == set(unique.split("; ")), table
    database.close()
    assert [name for name in tables if "_by_" not in name and name in found] == list(found)
    created = set(re.findall(r"^CREATE TABLE (\w+)", MIGRATIONS[1], re.MULTILINE))
    assert created == set(found)


def test_the_question_on_the_page_is_answered(tmp_path: Path) -> None:
    history = SqliteHistory(str(tmp_path), boot="b", host="h")
    history.write(batch_of(one_run(0, outcome=1), one_run(1)))
    (query,) = re.findall(r'history\.db "\n(.*?)"\n', PAGE, re.DOTALL)
    database = sqlite3.connect(tmp_path / NAME)
    rows = database.execute(query).fetchall()
    database.close()
    history.close()
    assert rows == [("plain@2026-03-02T10:00Z", "failed", "", "2026-03-02 10:00:00")]
