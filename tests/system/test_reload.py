"""A table that is edited is reloaded by itself, however it is edited."""

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import time
import zoneinfo
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from cronjob.host.identity import own_name
from tests.system.daemon_process import HANG, DaemonProcess, RootedDaemon, is_alive

ME = own_name()
OLD = f"0 0 1 1 * {ME} true\n"
NEW = f"0 0 2 1 * {ME} true\n"  # as long as the old one
NEXT = r"reloaded: 1 entry .* is \d{4}-01-02 00:00:00Z"


def _in_place(table: Path) -> None:
    table.write_text(NEW)


def _in_place_with_the_same_times(table: Path) -> None:
    times = table.stat()
    table.write_text(NEW)
    os.utime(table, ns=(times.st_atime_ns, times.st_mtime_ns))


def _by_rename(table: Path) -> None:
    (table.parent / ".new").write_text(NEW)
    (table.parent / ".new").rename(table)


def _by_backup_and_rename(table: Path) -> None:  # as vim does
    table.rename(table.with_name("table.tab~"))
    table.write_text(NEW)
    table.with_name("table.tab~").unlink()


def _by_removal(table: Path) -> None:
    table.unlink()
    table.write_text(NEW)


def _twice_at_once(table: Path) -> None:
    table.write_text(f"0 0 3 1 * {ME} true\n")
    table.write_text(NEW)


def _through_another_name(table: Path) -> None:
    os.link(table, table.parent / "linked")
    (table.parent / "linked").write_text(NEW)


def _by_another_link(table: Path) -> None:  # as stow does
    (table.parent / "store").mkdir()
    (table.parent / "store/table").write_text(NEW)
    (table.parent / ".new").symlink_to("store/table")
    (table.parent / ".new").rename(table)


@pytest.mark.parametrize(
    "edit",
    [
        *(_in_place, _in_place_with_the_same_times, _by_rename, _by_backup_and_rename),
        *(_by_removal, _twice_at_once, _through_another_name, _by_another_link),
    ],
)
def test_an_edit_is_seen_by_its_content(edit: Callable[[Path], None], tmp_path: Path) -> None:
    with DaemonProcess(tmp_path, OLD) as daemon:
        os.umask(0o022)
        edit(daemon.table)
        daemon.wait_for(NEXT)


def test_a_volume_whose_versions_are_switched_by_a_link_is_followed(tmp_path: Path) -> None:
    # kubernetes: cronjob.tab -> ..data/cronjob.tab, ..data -> ..2026_11_21, switched by a rename
    mount = tmp_path / "mount"
    for version, text in (("..1", OLD), ("..2", NEW)):
        (mount / version).mkdir(parents=True)
        (mount / version / "cronjob.tab").write_text(text)
    (mount / "..data").symlink_to("..1")
    (mount / "cronjob.tab").symlink_to("..data/cronjob.tab")
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/cronjob.tab").symlink_to(mount / "cronjob.tab")
    with RootedDaemon(tmp_path / "root") as daemon:
        (mount / "..new").symlink_to("..2")
        (mount / "..new").rename(mount / "..data")
        shutil.rmtree(mount / "..1")
        daemon.wait_for(NEXT)


def test_an_edit_takes_effect_within_a_second(tmp_path: Path) -> None:
    with DaemonProcess(tmp_path, OLD) as daemon:
        begun = time.clock_gettime(time.CLOCK_REALTIME)
        daemon.write_table(NEW)
        (line,) = daemon.wait_for(NEXT)
    took = datetime.fromisoformat(line.split()[0]).timestamp() - begun
    print(f"\nreloaded {took * 1000:.0f} ms after the edit")
    assert took < 1.0


def test_what_is_not_an_edit_of_the_content_reloads_nothing(tmp_path: Path) -> None:
    with DaemonProcess(tmp_path, OLD + "61 * * * * root true\n") as daemon:
        os.utime(daemon.table)
        daemon.table.chmod(0o600)
        daemon.write_table(daemon.table.read_text())
        (tmp_path / "other.tab").write_text(NEW)
        daemon.write_table(NEW)
        daemon.wait_for(NEXT)
        assert len(daemon.wait_for("reloaded")) == 1
        assert len(daemon.wait_for("is out of range")) == 1


def test_a_signal_reads_and_says_everything_again(tmp_path: Path) -> None:
    with DaemonProcess(tmp_path, OLD + "61 * * * * root true\n") as daemon:
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("reloaded")
        assert len(daemon.wait_for("is out of range", 2)) == 2


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda table: table.chmod(0o666), "the table has mode 666; group and others must not"),
        (lambda table: table.unlink(), "cannot read the table: No such file or directory"),
        (lambda table: table.parent.chmod(0o777), "has mode 777; group and others must not"),
    ],
)
def test_a_table_that_cannot_be_trusted_any_more_lives_on_in_its_last_good_version(
    spoil: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    folder = tmp_path / "directory"
    folder.mkdir()
    with DaemonProcess(folder, OLD) as daemon:
        spoil(daemon.table)
        (line,) = daemon.wait_for("error: .*table.tab: ")
        assert reason in line
        assert line.endswith("its last good version stays in effect")
        folder.chmod(0o755)
        daemon.write_table(NEW)
        daemon.wait_for("table.tab: no longer refused")
        daemon.wait_for(NEXT)


def test_a_running_attempt_is_not_touched_and_an_unchanged_entry_keeps_its_fire_time(
    tmp_path: Path,
) -> None:
    stay = f"@reboot name=stay {ME} sleep 300\n"
    with DaemonProcess(tmp_path, stay + OLD) as daemon:
        (line,) = daemon.wait_for("stay@.* attempt 1 started")
        (started,) = daemon.wait_for("started: ")
        daemon.write_table(stay + OLD + f"0 0 31 12 * {ME} true\n")
        daemon.wait_for("reloaded: 3 entries")
        daemon.write_table(stay + OLD)
        (reloaded,) = daemon.wait_for("reloaded: 2 entries")
        assert started.rpartition(",")[2] == reloaded.rpartition(",")[2]
        assert is_alive(int(re.findall(r"pid (\d+)", line)[0]))
        assert len(daemon.wait_for("stay@.* attempt")) == 1


needs_systemd = pytest.mark.skipif(
    importlib.util.find_spec("systemd") is None,
    reason="systemd-python is not installed; without it a service manager is told nothing",
)


@contextlib.contextmanager
def managed_daemon(tmp_path: Path) -> Iterator[tuple[socket.socket, DaemonProcess]]:
    """A daemon that is ready, and the socket on which it tells so."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(HANG)
        sockets = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with DaemonProcess(tmp_path, OLD, environment=sockets) as daemon:
            assert manager.recv(4096).startswith(b"READY=1")
            yield manager, daemon


@needs_systemd
def test_a_reload_that_a_stop_overtakes_is_not_begun(tmp_path: Path) -> None:
    with managed_daemon(tmp_path) as (manager, daemon):
        daemon.signal(signal.SIGSTOP)  # so that both signals are found at once
        daemon.signal(signal.SIGHUP)
        daemon.signal(signal.SIGTERM)
        daemon.signal(signal.SIGCONT)
        assert daemon.wait() == 0
        manager.setblocking(False)
        assert manager.recv(4096).startswith(b"STOPPING=1")
        with pytest.raises(BlockingIOError):
            manager.recv(4096)


@needs_systemd
def test_a_reload_is_told_to_the_service_manager_from_its_begin_to_its_end(tmp_path: Path) -> None:
    with managed_daemon(tmp_path) as (manager, daemon):
        before = time.monotonic_ns() // 1000
        daemon.signal(signal.SIGHUP)
        reloading, since = manager.recv(4096).decode().splitlines()
        assert reloading == "RELOADING=1"
        assert int(since.removeprefix("MONOTONIC_USEC=")) >= before
        assert manager.recv(4096) == b"READY=1\nSTATUS=1 entry, 0 running, 0 waiting"
        daemon.write_table(NEW)
        assert manager.recv(4096).startswith(b"READY=1")  # only a wish is a reload for it


# -- the system's zone and the zone database -----------------------------------------------------


def _zone_link(root: Path, zone: str) -> None:
    database = next(folder for folder in zoneinfo.TZPATH if Path(folder).is_dir())
    (root / "etc").mkdir(parents=True, exist_ok=True)
    (root / "etc/.new").symlink_to(f"{database}/{zone}")
    (root / "etc/.new").rename(root / "etc/localtime")


def test_another_zone_of_the_system_moves_the_entries_that_have_none(tmp_path: Path) -> None:
    _zone_link(tmp_path, "Asia/Tokyo")
    (tmp_path / "etc/cronjob.tab").write_text(f"0 12 1 1 * {ME} true\n")
    with RootedDaemon(tmp_path) as daemon:
        assert daemon.wait_for("started: .*-01-01 03:00:00Z")
        _zone_link(tmp_path, "Asia/Kolkata")
        daemon.wait_for("reloaded: .*-01-01 06:30:00Z")


def test_new_rules_for_a_zone_in_use_are_taken_over(tmp_path: Path) -> None:
    database = next(Path(folder) for folder in zoneinfo.TZPATH if Path(folder).is_dir())
    own = tmp_path / "zoneinfo/Asia"
    own.mkdir(parents=True)
    for name, rules in (("UTC", "UTC"), ("Asia/Tokyo", "Asia/Tokyo")):
        shutil.copy(database / rules, tmp_path / "zoneinfo" / name)
    table = f"0 12 1 1 * tz=Asia/Tokyo {ME} true\n"
    paths = {"PYTHONTZPATH": str(tmp_path / "zoneinfo"), "TZ": "UTC"}
    with DaemonProcess(tmp_path, table, environment=paths) as daemon:
        assert daemon.wait_for("started: .*-01-01 03:00:00Z")
        shutil.copy(database / "Asia/Kolkata", own / "Tokyo.dpkg-new")
        (own / "Tokyo.dpkg-new").rename(own / "Tokyo")
        daemon.wait_for("reloaded: .*-01-01 06:30:00Z")
