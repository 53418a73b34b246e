import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cronjob.core.events import Waiting
from cronjob.host.statefile import Saved, StateFile, boot_identity

NOON = datetime(2027, 5, 1, 12, 0, 0, 123456, UTC)
SAVED = Saved(
    boot="b",
    planned=NOON,
    stopped=NOON + timedelta(seconds=5),
    waiting=(Waiting("job", NOON, datetime(2027, 5, 1, 14)),),  # noqa: DTZ001 # a wall time
    interrupted=("server", "caf\udce9"),
)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    StateFile(str(tmp_path)).write(SAVED)
    assert StateFile(str(tmp_path)).read() == (SAVED, "")


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    file = StateFile(str(tmp_path))
    file.write(SAVED)
    assert os.stat(file.path).st_mode & 0o777 == 0o600


def test_a_missing_file_is_no_problem(tmp_path: Path) -> None:
    assert StateFile(str(tmp_path)).read() == (None, "")


GOOD = {"version": 1, "boot": "b", "planned": None, "stopped": None, "waiting": []}


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "7", '{"version": 2}', '{"version": 1}', "\0\0\0"),
        json.dumps(GOOD),
        json.dumps(GOOD | {"interrupted": [], "planned": "yesterday"}),
        json.dumps(GOOD | {"interrupted": [], "planned": "2027-01-01T00:00:00"}),
        json.dumps(GOOD | {"interrupted": [], "waiting": [["job"]]}),
        json.dumps(GOOD | {"interrupted": [], "waiting": 5}),
    ],
)
def test_a_file_that_makes_no_sense_is_said_and_passed_over(text: str, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(text)
    saved, word = StateFile(str(tmp_path)).read()
    assert saved is None
    assert word.startswith(f"{tmp_path}/state.json cannot be used (")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    file = StateFile(str(tmp_path))
    file.write(SAVED)
    os.mkdir(f"{file.path}.new")
    with pytest.raises(OSError, match="Is a directory"):
        file.write(Saved(boot="other"))
    assert StateFile(str(tmp_path)).read() == (SAVED, "")


def test_remembering_clears_what_the_last_stop_left(tmp_path: Path) -> None:
    StateFile(str(tmp_path)).write(SAVED)
    file = StateFile(str(tmp_path))
    file.remember("b", NOON + timedelta(hours=1))
    expected = Saved(boot="b", planned=NOON + timedelta(hours=1))
    assert file.read() == (expected, "")
    assert file.planned == NOON + timedelta(hours=1)


def test_the_identity_of_a_boot_stays_the_same_within_it() -> None:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert boot_identity() == boot_identity()
    assert boot_identity().startswith(f"{boot}:")
