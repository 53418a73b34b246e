"""All the places that tables come from, met by a real daemon."""

import os
import subprocess
import sys
from pathlib import Path

from cronjob.host.identity import own_name
from tests.host.test_cronlock import cron
from tests.system.daemon_process import HANG, ROOTED, RootedDaemon

ME = own_name()


def put(path: Path, text: str, mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def entry(name: str) -> str:
    return f"@reboot name={name} {ME} true\n"


def configured(root: Path, text: str) -> Path:
    return put(root / "etc/cronjob.toml", text)


def test_our_table_and_our_directory_are_read_and_nothing_of_cron(tmp_path: Path) -> None:
    put(tmp_path / "etc/cronjob.tab", entry("table"))
    put(tmp_path / "etc/cronjob.d/b.conf", entry("second"))
    put(tmp_path / "etc/cronjob.d/a", entry("first"))
    put(tmp_path / "etc/cronjob.d/a~", entry("backup"))
    put(tmp_path / "etc/crontab", f"@reboot {ME} : crontab\n")
    put(tmp_path / "etc/cron.d/x", f"@reboot {ME} : cron.d\n")
    with RootedDaemon(tmp_path) as daemon:
        daemon.wait_for("attempt 1 succeeded", 3)
        assert daemon.wait_for("started: 3 entries of 3 tables")
        assert daemon.wait_for("cronjob.d/a~: its name ends in ~, as an .*; it is not read")
    assert not [line for line in daemon.log if ": crontab" in line or ": cron.d" in line]


def test_all_tables_of_cron_are_read_when_the_config_says_so(tmp_path: Path) -> None:
    configured(tmp_path, "slots = 3\n[tables]\ncrontab = true\ncron-d = true\nspool = true\n")
    put(tmp_path / "etc/crontab", f"@reboot {ME} echo from crontab\n")
    put(tmp_path / "etc/cron.d/php", f"@reboot {ME} echo from cron.d\n")
    put(tmp_path / "etc/cron.d/a.b", f"@reboot {ME} echo from a.b\n")
    spool = tmp_path / "var/spool/cron/crontabs"
    put(spool / ME, "@reboot echo from the spool of $LOGNAME\n", 0o600)
    put(spool / "no-such-user-here", "@reboot true\n", 0o600)
    spool.chmod(0o1730)
    with RootedDaemon(tmp_path) as daemon:
        daemon.wait_for("attempt 1 succeeded", 3)
        for place in ("crontab", "cron.d", f"the spool of {ME}"):
            assert daemon.wait_for(f": from {place}$")
        assert daemon.wait_for("started: 3 entries of 3 tables, 3 slots")
        assert daemon.wait_for("a.b: Debian's cron reads only names of .*; it is not read")
        assert daemon.wait_for('no-such-user-here: unknown user "no-such-user-here"')


def test_a_directory_and_tables_that_come_and_go_are_followed(tmp_path: Path) -> None:
    with RootedDaemon(tmp_path) as daemon:
        assert daemon.wait_for("there is no table: .*/etc/cronjob.tab, .*/etc/cronjob.d")
        put(tmp_path / "etc/cronjob.d/a", entry("a"))
        daemon.wait_for("reloaded: 1 entry of 1 table")
        put(tmp_path / "etc/cronjob.tab", entry("b"))
        daemon.wait_for("reloaded: 2 entries of 2 tables")
        (tmp_path / "etc/cronjob.d/a").unlink()
        daemon.wait_for("reloaded: 1 entry of 1 table", 2)
        (tmp_path / "etc/cronjob.d").rename(tmp_path / "etc/cronjob.d.off")
        put(tmp_path / "etc/cronjob.d/c", entry("c"))
        daemon.wait_for("reloaded: 2 entries of 2 tables", 2)


def test_the_tables_of_cron_leave_while_a_cron_runs_and_come_back_after_it(
    tmp_path: Path,
) -> None:
    configured(tmp_path, "[tables]\ncrontab = true\n")
    put(tmp_path / "etc/cronjob.tab", f"0 0 1 1 * {ME} true\n")
    put(tmp_path / "etc/crontab", f"0 0 2 1 * {ME} true\n")
    (tmp_path / "run").mkdir()
    with RootedDaemon(tmp_path) as daemon:
        assert daemon.wait_for("started: 2 entries of 2 tables")
        for turn, lock in enumerate(("flock", "lockf"), 1):
            with cron(tmp_path / "run/crond.pid", lock) as pid:
                daemon.wait_for(f"warning: cron is running .pid {pid} holds .*crond.pid.; not read")
                daemon.wait_for("reloaded: 1 entry of 1 table", turn)
            daemon.wait_for("no cron is running now; reading .*/etc/crontab", turn)
            daemon.wait_for("reloaded: 2 entries of 2 tables", turn)


def test_a_config_that_changes_is_taken_over_and_a_bad_one_leaves_the_last_good_one(
    tmp_path: Path,
) -> None:
    config = configured(tmp_path, "slots = 2\n")
    put(tmp_path / "etc/crontab", f"0 0 1 1 * {ME} true\n")
    with RootedDaemon(tmp_path) as daemon:
        assert daemon.wait_for("started: 0 entries of 0 tables, 2 slots")
        config.write_text("slots = 3\ntables.crontab = true\n")
        daemon.wait_for("reloaded: 1 entry of 1 table, 3 slots")
        config.write_text("slots = 0\nslot = 1\n")
        daemon.wait_for("error: .*cronjob.toml: slots is 0; .*last good configuration stays in")
        daemon.wait_for('error: .*cronjob.toml: unknown key "slot"; did you mean slots')
        config.write_text("slots = 4\n")
        daemon.wait_for("reloaded: 0 entries of 0 tables, 4 slots")
    assert len(daemon.wait_for("reloaded")) == 2


def not_started(root: Path, *options: str) -> list[str]:
    """What a daemon says that does not start."""
    ended = subprocess.run(
        [sys.executable, ROOTED, str(root), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG,
    )
    assert ended.returncode == 1
    return ended.stderr.splitlines()


def test_a_daemon_with_a_bad_config_does_not_start_and_says_every_problem(tmp_path: Path) -> None:
    path = configured(tmp_path, "slots = 0\n[tables]\ncrontab = 3\n")
    assert not_started(tmp_path, "--config", str(path)) == [
        f"cronjob: {path}: slots is 0; allowed is a whole number from 1 to 65536",
        f"cronjob: {path}: tables.crontab is 3; allowed is true or false",
    ]


def test_a_config_that_is_named_must_be_there(tmp_path: Path) -> None:
    path = tmp_path / "none"
    reason = "cannot read the configuration: No such file or directory"
    assert not_started(tmp_path, "--config", str(path)) == [f"cronjob: {path}: {reason}"]


def test_slots_of_the_command_line_win_over_the_config(tmp_path: Path) -> None:
    configured(tmp_path, "slots = 2\n")
    with RootedDaemon(tmp_path, "--slots", "5") as daemon:
        assert daemon.wait_for("started: .* 5 slots")


def test_entries_keep_their_labels_when_a_table_before_them_goes(tmp_path: Path) -> None:
    put(tmp_path / "etc/cronjob.d/a", f"@reboot name=x {ME} true\n")
    put(tmp_path / "etc/cronjob.d/b", f"@reboot name=x {ME} sleep 300\n")
    with RootedDaemon(tmp_path) as daemon:
        daemon.wait_for("x~2@.* attempt 1 started")
        os.unlink(tmp_path / "etc/cronjob.d/a")
        daemon.wait_for("reloaded: 1 entry of 1 table")
    assert daemon.wait_for("x~2@.* attempt 1 cancelled")
