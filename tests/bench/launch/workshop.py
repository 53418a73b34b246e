"""The folder of a run: the programs that it compiles, the file of stamps."""

import os
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

SOURCES = Path(__file__).parent
#: Freestanding and static: what starts costs nothing of its own.
STAMP_OPTIONS = (
    "-Os",
    "-static",
    "-nostdlib",
    "-ffreestanding",
    "-fno-stack-protector",
    "-fno-pie",
)


class Form(Enum):
    """How the command of an entry is written."""

    SIMPLE = "{stamp} {file}"  #: no shell is needed for it
    SHELL = "{stamp} {file};"  #: the same work, and a shell is needed; dash forks once more
    EXEC = "exec {stamp} {file}"  #: a shell is needed, and its process becomes the command's


@dataclass(frozen=True, slots=True)
class Workshop:
    """A folder that any user may look into, with `stamp` and `loop` compiled."""

    folder: Path

    @classmethod
    def open(cls, parent: str | None = None) -> "Workshop":
        """A new one.  Raises `FileNotFoundError` without a C compiler."""
        folder = Path(tempfile.mkdtemp(prefix="cronjob-bench-", dir=parent))
        folder.chmod(0o755)
        shop = cls(folder)
        _compile("stamp.c", shop.stamp, STAMP_OPTIONS)
        _compile("loop.c", shop.loop, ("-O2",))
        return shop

    @property
    def stamp(self) -> Path:
        return self.folder / "stamp"

    @property
    def loop(self) -> Path:
        return self.folder / "loop"

    @property
    def stamps_file(self) -> Path:
        return self.folder / "stamps"

    def command(self, form: Form) -> str:
        """The command of every entry."""
        return form.value.format(stamp=self.stamp, file=self.stamps_file)

    def clear(self) -> None:
        """No stamps; any user may append some."""
        self.stamps_file.write_bytes(b"")
        self.stamps_file.chmod(0o666)

    def count(self) -> int:
        """How many commands have started so far."""
        return self.stamps_file.stat().st_size // 8

    def stamps(self) -> list[float]:
        """When they started, in seconds of the epoch, the first first."""
        found = struct.iter_unpack("=q", self.stamps_file.read_bytes())
        return sorted(stamp / 1e9 for (stamp,) in found)

    def place(self, name: str) -> Path:
        """A new folder inside, for one contender."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))

    def close(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def has_compiler() -> bool:
    """Whether the programs can be compiled here."""
    return shutil.which("cc") is not None or shutil.which("gcc") is not None


def _compile(source: str, program: Path, options: tuple[str, ...]) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or "cc"
    subprocess.run([compiler, *options, "-o", program, SOURCES / source], check=True)
    os.chmod(program, 0o755)
