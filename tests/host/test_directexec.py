"""Simple commands, with a shell and without one: nobody can tell which it was.

CRONJOB_EXAMPLES is how many commands are made up (300), CRONJOB_CORPUS a folder with real tables.
"""

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cronjob.core.attempt import Attempt, Ending, ended
from cronjob.core.directexec import SHELL, direct_words
from cronjob.host.nativefile import open_native
from cronjob.host.shellprobe import need_of_shell
from cronjob.ports import Command
from tests.host.processes import Machine, command, with_machine

EXAMPLES = int(os.environ.get("CRONJOB_EXAMPLES", "300"))
BATCH = 50  #: commands for one launcher
NOBODY = 65534

SCRIPTS = {
    "show": ('#!/bin/sh\nprintf "<%s>" "$0" "$@"\necho\n', 0o755),
    "say": ("#!/bin/sh\necho out; echo err >&2; echo out\n", 0o755),
    "leave": ('#!/bin/sh\nexit "$1"\n', 0o755),
    "die": ('#!/bin/sh\nkill -"$1" $$\n', 0o755),
    "where": ('#!/bin/sh\nreadlink /proc/$$/cwd; echo "$PWD"; umask\n', 0o755),
    "no-magic": ('echo "no magic: $0 $*"\n', 0o755),
    "empty": ("", 0o755),
    "binary": ("\x7fELF nonsense\0\0\0", 0o755),
    "no-interpreter": ("#!/nonexistent/interpreter\n", 0o755),
    "closed-interpreter": ("#!/etc/passwd\n", 0o755),
    "plain": ("echo never\n", 0o644),
    "unreadable": ("#!/bin/sh\necho never\n", 0o711),
    "a b": ("#!/bin/sh\necho blank\n", 0o755),
    "echo": ("#!/bin/sh\necho not the builtin\n", 0o755),
}
LINKED = ("cat", "ls", "env", "basename", "dirname", "sleep", "head", "wc", "expr", "seq", "id")

NAMES = [
    *SCRIPTS,
    *(name for name in LINKED if name != "sleep"),
    "folder",
    "dangling",
    "loop",
    "nowhere",
    "linked",
    "shadowed",
]
FORMS = ["{}", "{}", "{}", "./{}", "bin/{}", "second/{}", "bin/../bin/{}", "plain/{}", "{}/"]
WORDS = [
    *("0", "1", "3", "9", "127", "128", "137", "255", "TERM", "KILL", "a", "-v", "--to=x", "/etc"),
    *("folder", "''", '""', "'a  b'", '"it\'s"', "'$HOME'", "'*'", "a'b'\"c\"", "'#'", "x=y", "%"),
    *("'\\n'", "'`id`'", "'~'", '"a;b|c&d"', "@", "+1", "a,b", "a:b", "-", "--", "."),
]
COMMITTED = [
    *("show", "show 'a  b' c", "  show\t x ", "'show' \"x\"", "sh'o'w", '"a b"', "'a b' c"),
    *("leave 0", "leave 1", "leave 126", "leave 127", "leave 137", "leave 255", "die TERM"),
    *("die KILL", "die PIPE", "die INT", "die HUP", "die QUIT", "die USR1", "where", "env", "say"),
    *("no-magic a b", "./no-magic", "empty", "binary", "no-interpreter", "closed-interpreter"),
    *("plain", "./plain", "folder", "./folder", "/", ".", "..", "./", "dangling", "loop"),
    *("nowhere", "nowhere/x", "plain/x", "unreadable", "linked", "shadowed", "echo x", "sleep 0"),
    *(
        "cat nowhere",
        "ls -d /",
        "expr 1 + 1",
        "expr 1 - 1",
        "%",
        "-",
        "--",
        "-c",
        "show " + "x " * 99,
    ),
]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with harmless programs, good ones and bad ones, that everybody can use."""
    here = tmp_path_factory.mktemp("sandbox")
    for path in [here, *here.parents[:2]]:
        path.chmod(0o755)
    (here / "bin").mkdir()
    (here / "second").mkdir()
    for name, (text, mode) in SCRIPTS.items():
        path = here / "bin" / name
        path.write_text(text)
        path.chmod(mode)
    for name in LINKED:
        (here / "bin" / name).symlink_to(shutil.which(name) or "/bin/false")
    (here / "bin" / "folder").mkdir()
    (here / "bin" / "dangling").symlink_to("nowhere")
    (here / "bin" / "loop").symlink_to("loop")
    (here / "second" / "linked").symlink_to("../bin/show")
    shutil.copy(here / "bin" / "show", here / "second" / "shadowed")
    shutil.copy(here / "bin" / "show", here / "second" / "plain")
    (here / "bin" / "shadowed").mkdir()
    for name in ("plain", "unreadable", "show", "folder"):
        (here / name).symlink_to(f"bin/{name}")
    return here


def both(commands: Iterable[str], sandbox: Path) -> list[tuple[Command, Command]]:
    """Each of `commands` that is simple, with and without a shell."""
    account = {"uid": NOBODY, "gid": NOBODY, "groups": ()} if os.geteuid() == 0 else {}
    path = f"{sandbox}/bin:{sandbox}/second:{sandbox}/none"
    environment = {"PATH": path, "HOME": str(sandbox), "SHELL": SHELL, "LC_ALL": "C"}
    pairs = []
    for text in commands:
        if words := direct_words(text, SHELL):
            job = command(SHELL, "-c", text, environment=environment, cwd=str(sandbox), **account)
            pairs.append((job, replace(job, direct=words)))
    return pairs


#: Deaths that a shell keeps to itself (dash jobs.c, bash jobs.c).
UNSAID = {signal.SIGINT, signal.SIGPIPE}

ATTEMPT = Attempt(
    number=1, launched=datetime(2026, 1, 1, tzinfo=UTC), launched_monotonic=0.0, waited=0.0
)


def seen(ending: Ending, output: str, text: str) -> tuple[object, ...]:
    """What a user sees of it."""
    done = ended(ATTEMPT, ending, None, 0.0)
    lines = output.splitlines()
    if text.split()[0].endswith("env"):
        lines.sort()  # the order of an environment means nothing
    return done.outcome, done.signal, done.signal is None and done.code, lines


async def compare(machine: Machine, name: str, pair: tuple[Command, Command]) -> None:
    (by_shell, said), (directly, output) = await asyncio.gather(
        machine.run(pair[0], f"{name}-shell"), machine.run(pair[1], f"{name}-direct")
    )
    if (number := os.WTERMSIG(directly.status or 0)) and number not in UNSAID:
        output += f"{signal.strsignal(number)}\n"  # what a shell says of its own
    text = pair[0].argv[2]
    assert seen(by_shell, said, text) == seen(directly, output, text), text


def assert_alike(commands: Iterable[str], sandbox: Path) -> int:
    """Run all of them in both ways; how many there were."""
    native = open_native()
    pairs = both(commands, sandbox)

    async def scenario(machine: Machine) -> None:
        for begin in range(0, len(pairs), BATCH):
            batch = enumerate(pairs[begin : begin + BATCH], begin)
            await asyncio.gather(*(compare(machine, str(at), pair) for at, pair in batch))

    try:
        with_machine(scenario, native.descriptor)
    finally:
        native.close()
    return len(pairs)


needs_plain_shell = pytest.mark.skipif(bool(need_of_shell()), reason=need_of_shell() or "-")


@needs_plain_shell
def test_committed_commands_are_alike(sandbox: Path) -> None:
    assert assert_alike(COMMITTED, sandbox) > len(COMMITTED) - 8


simple_commands = st.builds(
    lambda form, name, words: " ".join([form.format(name), *words]),
    st.sampled_from(FORMS),
    st.sampled_from([name for name in NAMES if " " not in name]),
    st.lists(st.sampled_from(WORDS), max_size=3),
)


@needs_plain_shell
@settings(
    max_examples=max(1, EXAMPLES // BATCH),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(simple_commands, min_size=BATCH, max_size=BATCH))
def test_made_up_commands_are_alike(sandbox: Path, commands: list[str]) -> None:
    assert_alike(commands, sandbox)


@needs_plain_shell
def test_words_of_real_commands_are_alike(sandbox: Path) -> None:
    if "CRONJOB_CORPUS" not in os.environ:
        pytest.skip("CRONJOB_CORPUS does not name a folder of real crontabs")
    texts = set()
    for path in Path(os.environ["CRONJOB_CORPUS"], "real").iterdir():
        for line in path.read_text("utf-8", "replace").splitlines():
            words = line.split(None, 5)
            if len(words) == 6 and not line.startswith("#"):
                texts |= {f"show {part}" for part in re.split(r"[;&|<>()]+", words[5])}
    commands = [text for text in sorted(texts) if direct_words(text, SHELL)]
    assert assert_alike(commands[: 10 * EXAMPLES], sandbox) > 100
