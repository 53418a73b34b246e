"""Changes of files are told, once a burst is over, and nothing else is."""

import asyncio
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cronjob.host import watch
from cronjob.host.watch import ANYTHING, LATEST, SETTLED, UNSETTLED, Settling, Watcher, points_of

HANG = 30.0


def points(path: Path, below: Path) -> set[tuple[str, str | None]]:
    """The points of `path`, those of the directory `below` and deeper, relative to it."""
    found = {(os.path.relpath(point.path, below), point.name) for point in points_of(str(path))}
    return {(where, name) for where, name in found if not where.startswith("..")}


# -- points --------------------------------------------------------------------------------------


def test_a_file_is_watched_with_its_directory_and_the_directories_above(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/table").touch()
    found = points(tmp_path / "etc/table", tmp_path)
    assert found == {(".", None), ("etc", None), ("etc", "table"), ("etc/table", None)}


def test_what_is_missing_is_awaited_where_it_would_come(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    assert points(tmp_path / "etc/cronjob.d/x", tmp_path) == {
        (".", None),
        ("etc", None),
        ("etc", "cronjob.d"),
    }


def test_each_link_on_the_way_is_watched_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "store/v1").mkdir(parents=True)
    (tmp_path / "store/v1/table").touch()
    (tmp_path / "store/now").symlink_to("v1")
    (tmp_path / "table").symlink_to(tmp_path / "store/now/table")
    assert points(tmp_path / "table", tmp_path) == {
        (".", None),
        (".", "table"),
        ("store", None),
        ("store", "now"),
        ("store/v1", None),
        ("store/v1", "table"),
        ("store/v1/table", None),
    }


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert points(tmp_path / "a", tmp_path) == {(".", None), (".", "a"), (".", "b")}


# -- when to look --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ([(0.0, True)], SETTLED),
        ([(0.0, False)], UNSETTLED),
        ([(0.0, False), (0.2, True)], 0.2 + SETTLED),
        ([(0.0, True), (0.05, False)], 0.05 + UNSETTLED),
        ([(n / 10, False) for n in range(9)], LATEST),
        ([(n / 100, True) for n in range(89)], LATEST),
    ],
)
def test_one_looks_soon_after_the_last_change_and_never_long_after_the_first(
    changes: list[tuple[float, bool]], due: float
) -> None:
    settling = Settling()
    answers = [settling.changed(100.0 + now, settled=settled) for now, settled in changes]
    assert answers[-1] == pytest.approx(100.0 + due)
    assert LATEST < 1.0


def test_after_one_has_looked_another_burst_begins() -> None:
    settling = Settling()
    settling.changed(0.0, settled=True)
    settling.looked()
    assert settling.changed(5.0, settled=True) == 5.0 + SETTLED


# -- changes -------------------------------------------------------------------------------------


def told(
    change: Callable[[], None], path: Path, *, again: Callable[[], None] | None = None
) -> None:
    """Watch what `path` leads to, make the change and wait until it is told."""

    async def scenario() -> None:
        happened = asyncio.Event()
        watcher = Watcher(happened.set)
        for step in filter(None, (change, again)):
            assert watcher.watch(points_of(str(path))) == ""
            happened.clear()
            step()
            async with asyncio.timeout(HANG):
                await happened.wait()
        watcher.close()

    asyncio.run(scenario())


def _replace(path: Path) -> None:
    beside = path.with_name("new")
    beside.write_text("new")
    beside.rename(path)


def _write_elsewhere(path: Path) -> None:
    os.link(path, path.parent.parent / "other")
    (path.parent.parent / "other").write_text("by another name")


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_text("new"),
        lambda path: path.chmod(0o600),
        lambda path: path.unlink(),
        lambda path: path.rename(path.with_name("table~")),
        _replace,
        _write_elsewhere,
        lambda path: shutil.rmtree(path.parent),
        lambda path: path.parent.rename(path.parent.with_name("moved")),
        lambda path: path.parent.parent.rename(path.parent.parent.with_name("moved")),
        lambda path: path.parent.chmod(0o700),
    ],
)
def test_a_change_of_a_file_or_of_the_way_to_it_is_told(
    change: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "a/b/table"
    path.parent.mkdir(parents=True)
    path.write_text("old")
    told(lambda: change(path), path)


def test_a_directory_that_comes_later_is_told_and_then_what_comes_in_it(tmp_path: Path) -> None:
    path = tmp_path / "cronjob.d/table"
    told(path.parent.mkdir, path, again=path.touch)


def test_another_target_of_a_link_is_told(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "table").touch()
    (tmp_path / "now").symlink_to("v1")

    def switch() -> None:
        (tmp_path / "next").symlink_to("v2")
        (tmp_path / "next").rename(tmp_path / "now")

    told(switch, tmp_path / "now/table", again=lambda: (tmp_path / "v2/table").unlink())


def test_other_files_and_reading_are_not_told(tmp_path: Path) -> None:
    table, other = tmp_path / "table", tmp_path / "other"
    table.write_text("text")

    async def scenario() -> int:
        count = 0

        def changed() -> None:
            nonlocal count
            count += 1
            happened.set()

        happened = asyncio.Event()
        watcher = Watcher(changed)
        watcher.watch(points_of(str(table)))
        other.write_text("new")
        table.read_text()
        os.listdir(tmp_path)
        for turn in range(2):  # what came before would have been told by then
            table.chmod(0o600 + turn)
            async with asyncio.timeout(HANG):
                await happened.wait()
            happened.clear()
        watcher.close()
        return count

    assert asyncio.run(scenario()) == 2


def test_a_file_that_another_takes_the_place_of_is_not_waited_for(tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.touch()
    (tmp_path / "new").touch()

    async def scenario() -> float:
        loop, told = asyncio.get_running_loop(), asyncio.Event()
        watcher = Watcher(told.set)
        watcher.watch(points_of(str(table)))
        begun = loop.time()
        (tmp_path / "new").rename(table)
        async with asyncio.timeout(HANG):
            await told.wait()
        watcher.close()
        return loop.time() - begun

    assert asyncio.run(scenario()) < UNSETTLED


def test_anything_in_a_directory_can_be_watched(tmp_path: Path) -> None:
    async def scenario() -> None:
        happened = asyncio.Event()
        watcher = Watcher(happened.set)
        watcher.watch([watch.Point(str(tmp_path), ANYTHING)])
        (tmp_path / "new").touch()
        async with asyncio.timeout(HANG):
            await happened.wait()
        watcher.close()

    asyncio.run(scenario())


def test_a_queue_that_overflows_is_a_reason_to_look(tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.touch()
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())

    async def scenario() -> None:
        happened = asyncio.Event()
        watcher = Watcher(happened.set)
        watcher.watch(points_of(str(table)))
        one, two = tmp_path / "x", tmp_path / "y"
        one.touch()
        for _ in range(most // 2 + 1):  # each makes two events about names that nobody wants
            one.rename(two)
            one, two = two, one
        async with asyncio.timeout(HANG):
            await happened.wait()
        watcher.close()

    asyncio.run(scenario())


# -- without inotify -----------------------------------------------------------------------------


class _Exhausted:
    """An inotify whose user has no watches left."""

    def __init__(self, **_: object) -> None:
        self._descriptor = os.eventfd(0)

    def fileno(self) -> int:
        return self._descriptor

    def add_watch(self, *_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        os.close(self._descriptor)


class _Missing:
    """An inotify whose user has no instance left."""

    def __init__(self, **_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


@pytest.mark.parametrize(
    ("inotify", "problem"),
    [(_Exhausted, "No space left on device"), (_Missing, "Too many open files")],
)
def test_a_kernel_that_gives_no_watches_is_said(
    inotify: type, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "INotify", inotify)

    async def scenario() -> str:
        watcher = Watcher(lambda: None)
        answer = watcher.watch(points_of(str(tmp_path)))
        watcher.close()
        return answer

    assert asyncio.run(scenario()).endswith(f"within a minute only: inotify: {problem}")


def test_a_path_that_is_not_there_is_no_problem(tmp_path: Path) -> None:
    async def scenario() -> str:
        watcher = Watcher(lambda: None)
        answer = watcher.watch([watch.Point(str(tmp_path / "none"), None)])
        watcher.close()
        return answer

    assert asyncio.run(scenario()) == ""
