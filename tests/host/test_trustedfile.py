"""Files that are read only when nobody else can have written them."""

import contextlib
import os
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cronjob.errors import TableFileError
from cronjob.host import trustedfile
from cronjob.host.trustedfile import (
    LARGEST,
    MOST_LINKS,
    Trust,
    list_trusted,
    read_trusted,
    system_trust,
    user_trust,
)
from tests.host.descriptors import own_descriptors

ME = os.geteuid()
OTHER = 65534
SYSTEM = system_trust(ME)
as_root = pytest.mark.skipif(ME != 0, reason="only root can give a file away")


def table(folder: Path, mode: int = 0o644, text: str = "text\n") -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / "table"
    path.write_text(text)
    path.chmod(mode)
    return path


def refusal(path: Path, trust: Trust = SYSTEM) -> str:
    with pytest.raises(TableFileError) as raised:
        read_trusted(str(path), trust)
    return str(raised.value)


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o444, 0o755, 0o1644])
def test_a_file_that_only_its_owner_writes_is_read(mode: int, tmp_path: Path) -> None:
    assert read_trusted(str(table(tmp_path, mode)), SYSTEM) == b"text\n"


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o620, 0o1666])
def test_a_file_that_others_may_write_is_refused_with_its_mode(mode: int, tmp_path: Path) -> None:
    expected = f"the table has mode {mode:o}; group and others must not write to it"
    assert refusal(table(tmp_path, mode)) == expected


@as_root
def test_a_file_of_somebody_else_is_refused_with_the_owner(tmp_path: Path) -> None:
    path = table(tmp_path)
    os.chown(path, OTHER, OTHER)
    assert refusal(path) == f"the table belongs to user id {OTHER}; it must belong to root"
    trust = system_trust(OTHER)
    assert read_trusted(str(path), trust)
    os.chown(path, OTHER - 1, 0)
    assert refusal(path, trust).endswith(f"it must belong to root or user id {OTHER}")


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o2770])
def test_a_directory_on_the_way_that_others_may_write_is_refused(mode: int, tmp_path: Path) -> None:
    for folder in (tmp_path / "a", tmp_path / "b/c"):
        path = table(folder)
        unsafe = tmp_path / folder.relative_to(tmp_path).parts[0]
        unsafe.chmod(mode)
        assert refusal(path).startswith(f"the directory {unsafe} has mode {mode:o}; group and")


@pytest.mark.parametrize("mode", [0o1777, 0o1730])
def test_a_sticky_directory_is_trusted_since_nobody_moves_the_files_of_others_there(
    mode: int, tmp_path: Path
) -> None:
    path = table(tmp_path / "sticky")
    path.parent.chmod(mode)
    assert read_trusted(str(path), SYSTEM)


@as_root
def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "theirs")
    os.chown(path.parent, OTHER, 0)
    assert refusal(path).startswith(f"the directory {path.parent} belongs to user id {OTHER}")


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("table", "../store/table"),
        ("table", "{tmp}/store/table"),
        ("table", "second"),
        ("table", "./..//.//store/./table"),
        ("table", "../linked/table"),
        ("table", "../store/deep/../table"),
    ],
)
def test_links_of_its_owner_are_followed(link: str, target: str, tmp_path: Path) -> None:
    table(tmp_path / "store/deep")
    table(tmp_path / "store")
    (tmp_path / "etc").mkdir()
    (tmp_path / "linked").symlink_to("store")
    (tmp_path / "etc/second").symlink_to("../store/table")
    path = tmp_path / "etc" / link
    path.symlink_to(target.format(tmp=tmp_path))
    assert read_trusted(str(path), SYSTEM) == b"text\n"


@as_root
def test_a_link_of_somebody_else_is_refused_although_its_target_is_good(tmp_path: Path) -> None:
    table(tmp_path / "store")
    for link, target in ((tmp_path / "table", "store/table"), (tmp_path / "etc", "store")):
        link.symlink_to(target)
        os.lchown(link, OTHER, OTHER)
    for path in (tmp_path / "table", tmp_path / "etc/table"):
        link = path if path.is_symlink() else path.parent
        assert refusal(path).startswith(f"the link {link} belongs to user id {OTHER}")


def test_the_directories_on_the_way_of_a_link_are_checked_too(tmp_path: Path) -> None:
    table(tmp_path / "open/store")
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "table").symlink_to("open/store/table")
    assert refusal(tmp_path / "table").startswith(f"the directory {tmp_path}/open has mode 777")


def test_a_loop_and_a_long_chain_of_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    table(tmp_path)
    (tmp_path / "0").symlink_to("table")
    for number in range(1, MOST_LINKS + 1):
        (tmp_path / str(number)).symlink_to(str(number - 1))
    assert read_trusted(str(tmp_path / str(MOST_LINKS - 1)), SYSTEM)
    for name in ("loop", str(MOST_LINKS)):
        assert (
            refusal(tmp_path / name) == f"more than {MOST_LINKS} symbolic links lead to the table"
        )


def test_the_table_of_a_user_is_never_reached_by_a_link(tmp_path: Path) -> None:
    path = table(tmp_path / "spool", 0o600)
    trust = user_trust(ME, ME)
    assert read_trusted(str(path), trust)
    (tmp_path / "spool/ann").symlink_to("table")
    (tmp_path / "linked").symlink_to("spool")
    for way, link in (("spool/ann", "spool/ann"), ("linked/table", "linked")):
        expected = f"{tmp_path / link} is a symbolic link; none may lead to a user's table"
        assert refusal(tmp_path / way, trust) == expected


def test_the_table_of_a_user_has_one_name_only(tmp_path: Path) -> None:
    path = table(tmp_path, 0o600)
    os.link(path, tmp_path / "other")
    assert refusal(path, user_trust(ME, ME)) == "the table has 2 names (hard links); 1 is allowed"
    assert read_trusted(str(path), SYSTEM)


@as_root
def test_the_table_of_a_user_belongs_to_them_or_to_root(tmp_path: Path) -> None:
    path = table(tmp_path, 0o600)
    trust = user_trust(0, 1234)
    assert read_trusted(str(path), trust)
    os.chown(path, 1234, 1234)
    assert read_trusted(str(path), trust)
    os.chown(path, OTHER, OTHER)
    assert refusal(path, trust).endswith("it must belong to root or user id 1234")
    os.chown(path.parent, 1234, 1234)
    assert refusal(path, trust).startswith(f"the directory {tmp_path} belongs to user id 1234")


def test_the_table_of_a_user_has_a_smaller_cap(tmp_path: Path) -> None:
    path = table(tmp_path)
    os.truncate(path, 1024**2 + 1)
    trust = user_trust(ME, ME)
    assert refusal(path, trust) == "the table has 1048577 bytes; 1048576 are allowed"
    os.truncate(path, LARGEST + 1)
    assert refusal(path) == f"the table has {LARGEST + 1} bytes; {LARGEST} are allowed"


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(path.parent)  # the name of a socket must be short
        listener.bind(path.name)


@pytest.mark.parametrize("make", [_fifo, _socket, Path.mkdir])
def test_what_is_no_regular_file_is_refused_without_waiting_for_it(
    make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "table")
    (tmp_path / "table").chmod(0o700)
    assert refusal(tmp_path / "table") == "cannot read the table: it is not a regular file"


@pytest.mark.parametrize(
    ("path", "reason", "missing"),
    [
        ("none", "No such file or directory", True),
        ("none/table", "No such file or directory", True),
        ("table/x", "Not a directory", False),
        ("dangling", "No such file or directory", False),
        ("x" * 5000, "File name too long", False),
        ("nul\0byte", "embedded null byte", False),
    ],
)
def test_a_path_that_cannot_be_opened_is_an_error_with_its_reason(
    path: str, reason: str, missing: bool, tmp_path: Path
) -> None:
    table(tmp_path)
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(TableFileError, match=f"^cannot read the table: {re.escape(reason)}$") as e:
        read_trusted(f"{tmp_path}/{path}", SYSTEM)
    assert e.value.missing is missing


def test_a_relative_path_begins_where_the_reader_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    assert read_trusted("table", SYSTEM) == read_trusted("../here/table", SYSTEM) == b"text\n"


def test_a_directory_is_listed_in_order_if_it_can_be_trusted(tmp_path: Path) -> None:
    for name in ("b", "a", "B"):
        (tmp_path / name).touch()
    assert list_trusted(str(tmp_path), SYSTEM) == ["B", "a", "b"]
    with pytest.raises(TableFileError, match=r"^cannot read the directory: it is not|Not a dir"):
        list_trusted(str(tmp_path / "a"), SYSTEM)
    tmp_path.chmod(0o777)
    with pytest.raises(TableFileError, match=rf"^the directory {tmp_path} has mode 777"):
        list_trusted(str(tmp_path), SYSTEM)


def test_a_directory_of_too_many_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trustedfile, "MOST_NAMES", 2)
    for name in ("a", "b"):
        (tmp_path / name).touch()
    assert list_trusted(str(tmp_path), SYSTEM) == ["a", "b"]
    (tmp_path / "c").touch()
    with pytest.raises(TableFileError, match=r"^the directory has 3 files; 2 are allowed$"):
        list_trusted(str(tmp_path), SYSTEM)


def test_what_is_swapped_while_it_is_opened_never_gets_through(tmp_path: Path) -> None:
    path = table(tmp_path)
    bad = tmp_path / "bad"
    bad.write_text("bad")
    bad.chmod(0o666)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for source in (bad, path):
                os.link(source, tmp_path / "next")
                os.rename(tmp_path / "next", tmp_path / "swapped")
                (tmp_path / "next").unlink(missing_ok=True)  # a rename onto itself leaves it

    (tmp_path / "swapped").hardlink_to(path)
    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = set()
    try:
        for _ in range(2000):
            with contextlib.suppress(TableFileError):
                seen.add(read_trusted(str(tmp_path / "swapped"), SYSTEM))
    finally:
        stop.set()
        swapper.join()
    assert seen == {b"text\n"}


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    path = table(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    before = own_descriptors()
    read_trusted(str(path), SYSTEM)
    list_trusted(str(tmp_path), SYSTEM)
    refusal(tmp_path / "loop")
    assert own_descriptors() == before
