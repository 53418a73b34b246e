"""`cronjob daemon`, with its variants."""

import os
import pwd
import shutil
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.bench.launch.contender import USER, Errand, Plan
from tests.bench.launch.meter import own_folder

ROOT = Path(__file__).parents[3]
FORGETFUL = Path(__file__).with_name("forgetful_daemon.py")
PROGRAM = "/memfd:cronjob-child"  #: what the launcher holds open of the C program that it uses
READ_EACH_SECOND = 8_000  #: entries, on a busy machine
SOURCES = (".py", ".pyc", ".c")
ZONE = "Bench/Near"  #: a zone in which a new minute begins whenever it is wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """The daemon of this tree, or of another checkout."""

    name: str
    options: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    others: int = 0  #: entries in the table that are not due
    recorded: bool = False  #: reports go to a file in place of /dev/null
    forgetful: bool = False  #: nothing is stored of a run
    delegated: bool = False  #: each attempt has a cgroup of its own
    python_only: bool = False  #: from a copy of the package without the C program
    tree: Path = ROOT
    version: str = ""

    @property
    def missing(self) -> str:
        if self.delegated and (os.geteuid() != 0 or own_folder("") is None):
            return "no cgroup v2 that this user may divide"
        if not self.python_only and not compiled(self.tree):
            return "the C program is not built"
        return ""

    def prepare(self, errand: Errand) -> Plan:
        """A table whose minute begins at the instant, by the offset of its zone."""
        tree = without_compiled(self.tree, errand.folder) if self.python_only else self.tree
        instant = errand.soon() + self.others // READ_EACH_SECOND
        write_zone(errand.folder / "zones" / ZONE, -instant % 60)
        table = errand.folder / "table.tab"
        table.write_text(self.table(errand))
        table.chmod(0o644)
        state, runtime = errand.folder / "state", errand.folder / "run"
        argv = [
            *(sys.executable, "-P", *self._program(), "--log", "stderr"),
            *("--table", str(table), "--state", str(state), "--runtime", str(runtime)),
            *self.options,
        ]
        zones = f"{errand.folder / 'zones'}:/usr/share/zoneinfo:/usr/lib/zoneinfo"
        return Plan(
            argv=argv,
            instant=instant,
            environment={
                "PYTHONPATH": f"{tree}:{os.environ.get('PYTHONPATH', '')}".rstrip(":"),
                "PYTHONTZPATH": zones,
                **dict(self.environment),
            },
            held="" if self.python_only else PROGRAM,
            delegate=self.delegated,
            log=errand.folder / "log" if self.recorded else None,
        )

    def _program(self) -> list[str]:
        return [str(FORGETFUL)] if self.forgetful else ["-m", "cronjob", "daemon"]

    def table(self, errand: Errand) -> str:
        """Entries due every minute, and others due once in a year that is not now."""
        user = USER if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        lines = [f"@defaults tz={ZONE}"]
        lines += [f"* * * * * name={name} {user} {errand.command}" for name in errand.names]
        month = f"{int(errand.soon() // 2_600_000) % 12 + 1}"
        lines += [
            f"{number % 60} {number // 60 % 24} {number // 1440 % 28 + 1} {month} * "
            f"name=other{number} {user} /bin/true"
            for number in range(self.others)
        ]
        return "\n".join(lines) + "\n"


def compiled(tree: Path) -> list[Path]:
    """The programs in the package that a compiler made."""
    files = (path for path in (tree / "cronjob").rglob("*") if path.is_file())
    return [path for path in files if path.suffix not in SOURCES and is_program(path)]


def is_program(path: Path) -> bool:
    """Whether it is an ELF file."""
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def without_compiled(tree: Path, folder: Path) -> Path:
    """A copy of the package that has to do without them."""
    shutil.copytree(tree / "cronjob", folder / "copy/cronjob")
    for path in compiled(folder / "copy"):
        path.unlink()
    return folder / "copy"


def write_zone(path: Path, offset: int) -> None:
    """A zone file (RFC 8536) with one offset, in seconds east of UTC."""
    path.parent.mkdir(parents=True)
    header = b"TZif2" + bytes(15)
    block = struct.pack(">6l", 0, 0, 0, 0, 1, 5) + struct.pack(">lBB", offset, 0, 0) + b"NEAR\0"
    path.write_bytes(header + block + header + block + b"\n\n")
