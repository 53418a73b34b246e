import os
import stat
from pathlib import Path

import pytest

from cronjob.errors import HeldError
from cronjob.host.lock import hold, is_held, prepare_directory


def test_the_second_holder_hears_who_the_first_is(tmp_path: Path) -> None:
    first = hold(str(tmp_path), "state")
    with pytest.raises(HeldError, match=rf"^the state directory {tmp_path} .* pid {os.getpid()}$"):
        hold(str(tmp_path), "state")
    os.close(first)
    os.close(hold(str(tmp_path), "state"))


def test_one_directory_may_serve_both_purposes(tmp_path: Path) -> None:
    for descriptor in [hold(str(tmp_path), purpose) for purpose in ("state", "runtime")]:
        assert not os.get_inheritable(descriptor)
        os.close(descriptor)


def test_a_lock_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("keep me")
    (tmp_path / "state.lock").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        hold(str(tmp_path), "state")
    assert victim.read_text() == "keep me"


def test_a_new_directory_is_for_its_owner_alone(tmp_path: Path) -> None:
    prepare_directory(str(tmp_path / "a" / "b"))
    prepare_directory(str(tmp_path / "a" / "b"))
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_others_may_enter_a_new_directory_that_is_public(
    tmp_path: Path,
) -> None:
    path = tmp_path / "run"
    before = os.umask(0o077)
    try:
        prepare_directory(str(path), public=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o755


def test_a_directory_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.mkdir(mode=0o750)
    prepare_directory(str(path), public=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o750


def test_a_file_in_the_place_of_a_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(FileExistsError):
        prepare_directory(str(tmp_path / "run"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(PermissionError, match="belongs to user 65534; allowed is one of root or"):
        prepare_directory(str(tmp_path))


def test_a_directory_that_everybody_may_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    with pytest.raises(PermissionError, match="has mode 1777; others must not write to it"):
        prepare_directory(str(tmp_path))


def test_whether_a_directory_is_held_is_seen_without_taking_its_lock(tmp_path: Path) -> None:
    assert not is_held(str(tmp_path), "state")
    descriptor = hold(str(tmp_path), "state")
    assert is_held(str(tmp_path), "state")
    assert not is_held(str(tmp_path), "runtime")
    os.close(descriptor)
    assert not is_held(str(tmp_path), "state")
