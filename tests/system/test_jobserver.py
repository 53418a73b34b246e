"""Slots that a command shares out itself: `slots=auto`, through the whole daemon."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cronjob.host.identity import own_name
from tests.host.builds import MAKES, Site, makefile
from tests.host.processes import needs_root
from tests.system.daemon_process import DaemonProcess

RUN = (sys.executable, "-m", "cronjob", "run")
ROUNDS = int(os.environ.get("CRONJOB_ROUNDS", "3"))
NEVER = "0 0 31 12 *"  #: a day on which no test will run

each_make = pytest.mark.parametrize("make", MAKES)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    with Site(folder) as site:
        yield site


def table(**lines: str) -> str:
    """`@reboot` entries: by name, their fields and their command."""
    return "".join(
        f"@reboot name={name} {fields} {own_name()} {command}\n"
        for name, line in lines.items()
        for fields, command in [line.split(" ", 1)]
    )


@pytest.mark.parametrize(
    ("slots", "field", "at_once"),
    [(8, "auto", 4), (8, "auto:3", 3), (8, "auto:1", 1), (1, "auto", 1), (16, "auto:6", 6)],
)
@each_make
def test_make_gets_what_its_entry_may_hold(
    tmp_path: Path, site: Site, make: str, slots: int, field: str, at_once: int
) -> None:
    path = makefile(site, 8)
    lines = table(build=f"slots={field} {make} -f {path}")
    with DaemonProcess(tmp_path, lines, "--slots", str(slots)) as daemon:
        site.build(8, at_once)
        daemon.wait_for("build.*attempt 1 succeeded")


@each_make
def test_two_makes_and_plain_commands_share_one_pool(tmp_path: Path, site: Site, make: str) -> None:
    path = makefile(site, 6)
    builds = dict.fromkeys(("one", "two"), f"slots=auto {make} -f {path}")
    plain = {f"plain{number}": f"slots=1 {site.recipe}" for number in range(4)}
    with DaemonProcess(tmp_path, table(**builds, **plain), "--slots", "4") as daemon:
        site.until_running(4)
        for _ in range(16):
            site.until(lambda: 1 <= site.running <= 4)
            site.let_go()
            site.until_ended(site.ended + 1)
        daemon.wait_for("attempt 1 succeeded", 6)
    assert site.most == 4


@each_make
def test_whoever_waits_gets_the_token_that_a_build_has_not_taken(
    tmp_path: Path, site: Site, make: str
) -> None:
    path = makefile(site, 1)
    plain = {f"plain{number}": f"slots=1 {site.recipe}" for number in range(3)}
    lines = table(build=f"slots=auto {make} -f {path}", **plain)
    with DaemonProcess(tmp_path, lines, "--slots", "4") as daemon:
        site.until_running(4)
        site.let_go(4)
        daemon.wait_for("attempt 1 succeeded", 4)


@each_make
def test_the_slots_of_a_killed_make_are_free_again(tmp_path: Path, site: Site, make: str) -> None:
    path = makefile(site, 8)
    lines = [f"{NEVER} name=build slots=auto {own_name()} {make} -f {path}\n"]
    lines += [f"{NEVER} name=all slots=8 {own_name()} true\n"]  # waits for ever if one is missing
    with DaemonProcess(tmp_path, "".join(lines), "--slots", "8") as daemon:
        for number in range(ROUNDS):
            assert run(tmp_path, "build").returncode == 0
            site.until_running(4 * (number + 1))  # those killed have not said goodbye
            started = daemon.wait_for("build.*attempt 1 started", number + 1)[-1]
            pid = re.search(r"pid (\d+)", started)
            assert pid is not None
            os.killpg(int(pid[1]), signal.SIGKILL)
            assert run(tmp_path, "all", "--wait").returncode == 0


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`cronjob run`, asked of the daemon of this folder."""
    command = [*RUN, "--runtime", str(folder / "run"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("field", ["slots=1", "slots=auto"])
def test_a_command_that_waits_for_another_entry_lends_it_its_slot(
    tmp_path: Path, field: str, depth: int
) -> None:
    waits = f"{' '.join(RUN)} --wait --runtime {tmp_path}/run"
    lines = [f"{NEVER} name=at{depth} {field} {own_name()} echo the bottom; exit 7\n"]
    lines += [
        f"{NEVER} name=at{level} {field} {own_name()} {waits} at{level + 1}\n"
        for level in range(depth)
    ]
    with DaemonProcess(tmp_path, "".join(lines), "--slots", "1"):
        done = run(tmp_path, "at0", "--wait")
    assert (done.returncode, done.stdout) == (7, "the bottom\n")


@each_make
def test_recipes_that_wait_for_entries_lend_them_their_slots(tmp_path: Path, make: str) -> None:
    waits = f"{' '.join(RUN)} --wait --runtime {tmp_path}/run"
    path = tmp_path / "Makefile"
    path.write_text(f"all: a b c\n.PHONY: a b c\na b c:\n\t@{waits} part-$@\n")
    lines = [f"{NEVER} name=build slots=auto {own_name()} {make} -f {path}\n"]
    lines += [f"{NEVER} name=part-{part} {own_name()} echo {part}\n" for part in "abc"]
    with DaemonProcess(tmp_path, "".join(lines), "--slots", "4"):
        done = run(tmp_path, "build", "--wait")
    assert done.returncode == 0
    assert sorted(done.stdout.split()) == ["a", "b", "c"]


FLOOD = "head -c 10000 /dev/zero >/dev/fd/99; exec {recipe}"


def test_a_command_that_makes_up_tokens_gains_none_and_is_named(tmp_path: Path, site: Site) -> None:
    plain = {f"plain{number}": f"slots=1 {site.recipe}" for number in range(4)}
    lines = table(forger=f"slots=auto {FLOOD.format(recipe=site.recipe)}", **plain)
    with DaemonProcess(tmp_path, lines, "--slots", "2") as daemon:
        daemon.wait_for("forger.* returns tokens that it never took")
        site.build(5, 2)
        daemon.wait_for("attempt 1 succeeded", 5)


@needs_root
@each_make
def test_the_make_of_another_user_takes_part(tmp_path: Path, everybodys: Path, make: str) -> None:
    program = everybodys / "make"  # that of the test may lie where nobody else may look
    shutil.copy(make, program)
    with Site(everybodys) as site:
        path = makefile(site, 6)
        for fifo in ("log", "go"):
            (everybodys / fifo).chmod(0o666)
        # As cargo does: through the name of the descriptor, which only its owner may open.
        lines = table(build=f"slots=auto : </dev/fd/98 >/dev/fd/99 && exec {program} -f {path}")
        lines = lines.replace(f" {own_name()} ", " nobody ", 1)
        with DaemonProcess(tmp_path, lines, "--slots", "6") as daemon:
            site.build(6, 3)
            daemon.wait_for("attempt 1 succeeded")


ENVIRONMENT = {"MAKEFLAGS": " -j --jobserver-auth=3,4", "MFLAGS": "-j"}


@pytest.mark.parametrize(
    ("field", "flags"), [("slots=1", ""), ("slots=auto", " -j --jobserver-auth=98,99")]
)
def test_only_who_shares_its_slots_is_told_of_a_jobserver(
    tmp_path: Path, field: str, flags: str
) -> None:
    command = 'echo flags="$MAKEFLAGS" $MFLAGS descriptors=$(ls /dev/fd)'
    line = f"{NEVER} name=env {field} {own_name()} {command}\n"
    with DaemonProcess(tmp_path, line, "--slots", "4", environment=ENVIRONMENT):
        said = run(tmp_path, "env", "--wait").stdout
    assert said.startswith(f"flags={flags} descriptors=0 1 2 3")  # 3 is the folder that ls reads
    assert ("98 99" in said) == bool(flags)
