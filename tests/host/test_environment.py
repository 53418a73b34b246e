from pathlib import Path

import pytest

from cronjob.core.engine import step
from cronjob.core.events import Launch, Loaded
from cronjob.core.state import State
from cronjob.core.table import parse_table
from cronjob.host.accounts import Account
from cronjob.host.clock import SystemClock
from cronjob.host.environment import Commands, default_environment
from cronjob.ports import Command

ANN = Account("ann", 1000, 1001, (1001, 27), "/home/ann")


def command(table: str, **defaults: str) -> Command:
    """What is launched for the only entry of a table, which is an `@reboot` one."""
    (entry,) = parse_table(table, source="t", zone="Europe/Paris").entries
    event = Loaded(moment=SystemClock().moment(), entries={"job": entry}, reboot=True)
    _, effects = step(State(slots=1), event)
    (launch,) = (effect for effect in effects if isinstance(effect, Launch))
    return Commands(defaults).of(launch.run, launch.attempt, ANN)


def test_a_command_sees_what_cron_gives_and_who_it_is() -> None:
    started = command("@reboot ann true\n")
    assert started.argv == ("/bin/sh", "-c", "true")
    assert (started.uid, started.gid, started.groups) == (1000, 1001, (1001, 27))
    assert started.cwd == "/home/ann"
    assert started.umask == 0o022
    fire_time = started.environment["CRONJOB_FIRE_TIME"]
    assert dict(started.environment) == {
        "SHELL": "/bin/sh",
        "PATH": "/usr/bin:/bin",
        "HOME": "/home/ann",
        "LOGNAME": "ann",
        "USER": "ann",
        "CRONJOB_NAME": "job",
        "CRONJOB_RUN": f"job@{fire_time}".replace(":00Z", "Z"),
        "CRONJOB_ATTEMPT": "1",
        "CRONJOB_FIRE_TIME": fire_time,
    }


def test_nothing_of_the_daemons_own_environment_reaches_a_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    monkeypatch.setenv("SECRET", "1")
    assert not {"NOTIFY_SOCKET", "SECRET"} & command("@reboot ann true\n").environment.keys()


@pytest.mark.parametrize(
    ("lines", "name", "expected"),
    [
        ("PATH=/opt/bin\n", "PATH", "/opt/bin"),
        ("SHELL=/bin/bash\n", "SHELL", "/bin/bash"),
        ("HOME=/srv\n", "HOME", "/srv"),
        ("USER=root\n", "USER", "ann"),
        ("LOGNAME=root\n", "LOGNAME", "ann"),
        ("CRONJOB_RUN=mine\n", "CRONJOB_NAME", "job"),
        ("LANG=C.UTF-8\n", "LANG", "C.UTF-8"),
    ],
)
def test_settings_of_the_table_count_except_for_who_it_is(
    lines: str, name: str, expected: str
) -> None:
    started = command(f"{lines}@reboot ann true\n", LANG="de_DE.UTF-8", PATH="/ignored")
    assert started.environment[name] == expected


def test_home_and_shell_of_the_table_are_where_and_by_what_it_is_run() -> None:
    started = command("HOME=/srv\nSHELL=/bin/bash\n@reboot ann true\n")
    assert (started.cwd, started.argv[0]) == ("/srv", "/bin/bash")


def test_machine_defaults_lie_below_everything_else() -> None:
    started = command("@reboot ann true\n", LANG="de_DE.UTF-8", PATH="/from/etc/environment")
    assert started.environment["LANG"] == "de_DE.UTF-8"
    assert started.environment["PATH"] == "/usr/bin:/bin"


@pytest.mark.parametrize(
    ("table", "zone"),
    [
        ("@reboot tz=Asia/Tokyo ann true\n", "Asia/Tokyo"),
        ("@defaults tz=Asia/Tokyo\n@reboot ann true\n", "Asia/Tokyo"),
        ("TZ=Asia/Kabul\n@reboot ann true\n", "Asia/Kabul"),
        ("TZ=Asia/Kabul\n@reboot tz=Asia/Tokyo ann true\n", "Asia/Tokyo"),
        ("CRON_TZ=Asia/Tokyo\n@reboot ann true\n", None),
        ("@reboot ann true\n", None),
    ],
)
def test_only_an_explicit_zone_becomes_the_commands_tz(table: str, zone: str | None) -> None:
    assert command(table).environment.get("TZ") == zone


def test_defaults_are_read_from_the_files_that_are_there(tmp_path: Path) -> None:
    first, second = tmp_path / "environment", tmp_path / "locale"
    first.write_text("A=1\n# a comment\nB=\"two words\"\nexport C='3'\nnonsense\n\n")
    second.write_bytes(b"LANG=C.UTF-8\nNAME=\xff\n")
    found = default_environment((str(first), str(tmp_path / "missing"), str(second)))
    assert found == {
        "A": "1",
        "B": "two words",
        "C": "3",
        "LANG": "C.UTF-8",
        "NAME": "\udcff",
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("", (0o022, "/home/ann", None, None, None, None)),
        ("umask=077 cwd=/srv", (0o077, "/srv", None, None, None, None)),
        ("nice=5 open-files=64 memory=1M cpu=50%", (0o022, "/home/ann", 5, 64, 1 << 20, 50)),
    ],
)
def test_the_fields_of_an_entry_reach_the_command(fields: str, expected: object) -> None:
    made = command(f"@reboot {fields} ann true\n")
    assert (made.umask, made.cwd, made.nice, made.open_files, made.memory, made.cpu) == expected


@pytest.mark.parametrize(
    ("table", "direct"),
    [
        ("@reboot ann ls -l\n", ("ls", "-l")),
        ("@reboot ann ls -l | cat\n", None),
        ("SHELL=/bin/bash\n@reboot ann ls -l\n", None),
        ("ENV=/home/ann/.shinit\n@reboot ann ls -l\n", None),
    ],
)
def test_a_shell_is_left_out_only_where_nobody_would_notice(
    table: str, direct: tuple[str, ...] | None
) -> None:
    assert command(table).direct == direct
