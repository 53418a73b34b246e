"""The daemon as its users meet it: signals, tables, retries, restarts."""

import os
import re
import signal
import subprocess
from pathlib import Path

from cronjob.host.identity import own_name
from tests.system.daemon_process import DaemonProcess, is_alive

ME = own_name()


def _once(fields: str, command: str) -> str:
    return f"@reboot name=job {fields} {ME} {command}\n"


def test_a_command_that_fails_twice_is_seen_in_three_attempts(tmp_path: Path) -> None:
    table = _once("retry=3,1s..2s", 'test "$CRONJOB_ATTEMPT" -ge 3')
    with DaemonProcess(tmp_path, table) as daemon:
        daemon.wait_for("attempt 3 succeeded")
        assert len(daemon.wait_for("attempt . started")) == 3
        assert len(daemon.wait_for("attempt . failed: exit status 1", 2)) == 2
        assert [re.findall(r"retry (\d) of 3", line) for line in daemon.wait_for("retry . of")] == [
            ["1"],
            ["2"],
        ]
        assert not [line for line in daemon.log if "exhausted" in line]


def test_exhausted_retries_are_said_with_the_place(tmp_path: Path) -> None:
    with DaemonProcess(tmp_path, _once("retry=1,1s", "exit 7")) as daemon:
        (line,) = daemon.wait_for("retries are exhausted")
        assert "error: job@" in line
        assert "gave up after 2 attempts, the last one failed: exit status 7" in line
        assert f"({daemon.table}:1)" in line


def test_a_timeout_ends_the_whole_tree(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command = f"echo $$ > {pids}; (setsid sleep 300 & echo $! >> {pids}); sleep 300"
    with DaemonProcess(tmp_path, _once("timeout=1s grace=0s", command)) as daemon:
        daemon.wait_for("attempt 1 timed-out")
        assert not any(is_alive(int(pid)) for pid in pids.read_text().split())


def test_each_kind_of_failure_is_said_with_its_place_and_the_daemon_goes_on(
    tmp_path: Path,
) -> None:
    plain = tmp_path / "plain"
    plain.write_text("not a program")
    lines = [
        f"61 * * * * {ME} true",
        "@reboot name=nobody-there no-such-user-here true",
        f"@reboot name=not-executable {ME} {plain}",
        f"@reboot name=not-found {ME} /no/such/program",
        "SHELL=/no/such/shell",
        f"@reboot name=no-shell {ME} true",
        "SHELL=/bin/sh",
        f"@reboot name=good {ME} true",
    ]
    missing = tmp_path / "missing.tab"
    with DaemonProcess(tmp_path, "\n".join(lines) + "\n", "--table", str(missing)) as daemon:
        daemon.wait_for("good@.* attempt 1 succeeded")
        place = re.escape(str(daemon.table))
        assert daemon.wait_for(f'error: {place}:1:1: minute "61" is out of range 0-59')
        assert daemon.wait_for(f"error: {re.escape(str(missing))}: cannot read the table: No such")
        assert daemon.wait_for(
            rf"not-executable@.* exit status 126 \(found but not executable\).*{place}:3"
        )
        assert daemon.wait_for(rf"not-found@.* exit status 127 \(command not found\).*{place}:4")
        assert daemon.wait_for(
            rf"no-shell@.* not-started: .*/no/such/shell.*No such file.*{place}:6"
        )
        if os.geteuid() == 0:
            assert daemon.wait_for(
                rf'nobody-there@.* not-started: unknown user "no-such.*{place}:2'
            )
        else:
            assert daemon.wait_for(rf"{place}:2: nobody-there is not run")


def test_a_second_daemon_on_the_same_directory_names_the_first(tmp_path: Path) -> None:
    with DaemonProcess(tmp_path, "") as daemon:
        for own, purpose in ((("--runtime", "other"), "state"), (("--state", "other"), "runtime")):
            options = (own[0], str(tmp_path / own[1]))
            second = subprocess.run(
                daemon.command(*options), capture_output=True, text=True, timeout=60, check=False
            )
            assert second.returncode == 1
            assert f"the {purpose} directory" in second.stderr
            assert f"pid {daemon.pid}" in second.stderr


def test_a_reload_takes_the_new_table_and_leaves_running_attempts_alone(tmp_path: Path) -> None:
    with DaemonProcess(tmp_path, _once("", "sleep 300")) as daemon:
        (line,) = daemon.wait_for("attempt 1 started")
        pid = int(re.findall(r"pid (\d+)", line)[0])
        daemon.write_table(f"0 0 1 1 * name=new {ME} true\n99 * * * * {ME} true\n")
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("reloaded: 1 entry")
        assert daemon.wait_for('table.tab:2:1: minute "99"')
        assert is_alive(pid)
        assert daemon.stop() == 0
        assert not is_alive(pid)


def test_a_table_that_became_unreadable_keeps_its_last_good_version(tmp_path: Path) -> None:
    with DaemonProcess(tmp_path, f"0 0 1 1 * {ME} true\n") as daemon:
        daemon.table.unlink()
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("reloaded: 1 entry")
        assert daemon.wait_for("its last good version stays in effect")


def test_entries_at_boot_start_once_per_boot(tmp_path: Path) -> None:
    for expected in (1, 0):
        with DaemonProcess(tmp_path, _once("", "true")) as daemon:
            if expected:
                daemon.wait_for("attempt 1 succeeded")
        assert len([line for line in daemon.log if "started, pid" in line]) == expected


def test_an_entry_at_boot_that_a_stop_ended_starts_again_with_the_daemon(tmp_path: Path) -> None:
    for _ in range(2):
        with DaemonProcess(tmp_path, _once("", "sleep 300")) as daemon:
            daemon.wait_for("attempt 1 started")
        assert daemon.wait_for("attempt 1 cancelled: signal 15")


def test_runs_that_wait_when_the_daemon_stops_start_after_the_restart(tmp_path: Path) -> None:
    done = tmp_path / "done"
    lines = [f"@reboot name=t{i} slots=1 {ME} sleep 0.1; echo {i} >> {done}" for i in range(20)]
    table = "\n".join(lines) + "\n"
    with DaemonProcess(tmp_path, table, "--slots", "1") as first:
        first.wait_for("attempt 1 succeeded", 2)
    finished = {line.split()[1] for line in first.log if "succeeded" in line}
    with DaemonProcess(tmp_path, table, "--slots", "1") as second:
        second.wait_for("attempt 1 succeeded", 20 - len(finished))
    assert sorted(map(int, done.read_text().split())) == list(range(20))


def test_a_stop_gives_running_attempts_their_grace(tmp_path: Path) -> None:
    command = "trap 'echo tidied up; exit 3' TERM; while :; do sleep 0.05; done"
    with DaemonProcess(tmp_path, _once("grace=30s", command)) as daemon:
        daemon.wait_for("attempt 1 started")
        assert daemon.stop() == 0
    assert daemon.wait_for("job: tidied up")
    assert daemon.wait_for("attempt 1 cancelled: exit status 3")
    assert daemon.log[-1].endswith("stopped")


def test_a_second_request_to_stop_leaves_no_grace(tmp_path: Path) -> None:
    command = "trap '' TERM; echo ready; while :; do sleep 1; done"
    with DaemonProcess(tmp_path, _once("grace=1h", command)) as daemon:
        daemon.wait_for("job: ready")
        daemon.signal(signal.SIGINT)
        daemon.wait_for("stopping: ending 1 attempt")
        daemon.signal(signal.SIGINT)
        assert daemon.wait() == 0
    assert daemon.wait_for("attempt 1 cancelled: signal 9")


def test_what_a_finished_run_left_behind_is_counted_and_ended_by_the_stop(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with DaemonProcess(tmp_path, _once("", f"setsid sleep 300 & echo $! > {pid}")) as daemon:
        assert daemon.wait_for("attempt 1 succeeded.*left 1 process behind")
        assert is_alive(int(pid.read_text()))
    assert not is_alive(int(pid.read_text()))


def test_a_daemon_without_its_launcher_says_so_and_gets_a_new_one(tmp_path: Path) -> None:
    table = _once("retry=1,1s retry-on=lost", 'test "$CRONJOB_ATTEMPT" = 2 || sleep 300')
    with DaemonProcess(tmp_path, table) as daemon:
        (line,) = daemon.wait_for("attempt 1 started")
        os.kill(daemon.launcher_pid, signal.SIGKILL)
        daemon.wait_for("the launcher died")
        daemon.wait_for("attempt 1 lost")
        assert not is_alive(int(re.findall(r"pid (\d+)", line)[0]))
        daemon.wait_for("attempt 2 succeeded")
