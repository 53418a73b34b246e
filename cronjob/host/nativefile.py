"""The file of the native child: found, checked, and held open for every launcher."""

import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from cronjob.errors import TableFileError
from cronjob.host.trustedfile import read_trusted, system_trust
from cronjob.ports import TOKEN_DESCRIPTORS

PROGRAM = Path(__file__).parents[1] / "native" / "child"
LOWEST = max(TOKEN_DESCRIPTORS) + 1  #: its own number, or a command's descriptors would cover it
NOT_BUILT = "the package was built without a C compiler"

_HEADER = struct.Struct("<4sBB10xHH12xQ14xHH")  #: ELF64: type, machine, where the segments are
_EXECUTABLE = 2
_PT_DYNAMIC, _PT_INTERP = 2, 3
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


@dataclass(frozen=True, slots=True)
class Native:
    """The program, if it can be used."""

    descriptor: int = -1  #: to execute; -1 without a program
    why: str = ""  #: why it is not used

    def close(self) -> None:
        """Give the descriptor back; no launcher can be started with it any more."""
        if self.descriptor >= 0:
            os.close(self.descriptor)

    def __str__(self) -> str:
        return f"Python, because {self.why}" if self.why else "the native child"


def open_native(path: str | os.PathLike[str] = PROGRAM) -> Native:
    """The program as a descriptor of sealed memory: what was checked is what runs, to the end.

    Whoever can write it is root to every launcher, so it is refused unless it belongs to root (or
    to the daemon's own user), and nobody else can write it or a directory on the way.
    """
    try:
        image = read_trusted(os.fspath(path), system_trust(os.geteuid()), "the native child")
    except TableFileError as error:
        return Native(why=NOT_BUILT if error.missing else str(error))
    if fault := fault_of(image):
        return Native(why=f"the native child is {fault}")
    try:
        descriptor = sealed(image)
    except OSError as error:
        return Native(why=f"the native child cannot be kept in memory: {error.strerror}")
    if fault := trial(descriptor):
        os.close(descriptor)
        return Native(why=f"the native child {fault}")
    return Native(descriptor)


def fault_of(image: bytes) -> str:
    """What is wrong with a program that must be a whole by itself; empty when nothing is."""
    try:
        magic, wide, _, kind, _, offset, size, count = _HEADER.unpack_from(image)
        segments = [struct.unpack_from("<I", image, offset + size * at)[0] for at in range(count)]
    except struct.error:
        return "no program"
    if magic != b"\x7fELF" or wide != 2:
        return "no program"
    if kind != _EXECUTABLE or _PT_INTERP in segments or _PT_DYNAMIC in segments:
        return "no static program"
    return ""


def sealed(image: bytes) -> int:
    """A descriptor of memory that holds `image` and can never be changed (memfd_create(2))."""
    descriptor = os.memfd_create("cronjob-child", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(image)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, LOWEST)
    finally:
        os.close(descriptor)


def trial(descriptor: int) -> str:
    """What goes wrong when it is executed without words, which does nothing; empty: nothing."""
    try:
        pid = os.posix_spawn(f"/proc/self/fd/{descriptor}", ["child"], {})
    except OSError as error:
        return f"cannot be executed: {error.strerror}"
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return f"ends with status {status} where 0 is right" if status else ""
