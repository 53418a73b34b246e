"""What goes to the guardian with a launch: copies of descriptors, and a standard input."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from cronjob.host.channel import close_all
from cronjob.ports import Command

PIPE_BYTES = 1 << 16  #: text up to this size is tried in a pipe, more goes to a memory file


@dataclass(frozen=True, slots=True)
class PreparedLaunch:
    """A launch, ready to be sent; its descriptors are its own duplicates."""

    attempt: str
    command: Command
    output: int
    tokens: tuple[int, ...] = ()  #: those of its jobserver, duplicates too

    def close(self) -> None:
        """Give up the descriptors."""
        close_all((self.output, *self.tokens))


def standard_input(command: Command) -> tuple[int, ...]:
    """A descriptor from which the command reads its text; none without a text.

    A memory file can be opened again by its reader whoever it is; a pipe is given to the user.
    """
    text = command.stdin.encode("utf-8", "surrogateescape")
    if not text:
        return ()
    if len(text) <= PIPE_BYTES:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        try:
            if os.geteuid() == 0:
                os.fchown(reading, command.uid, command.gid)
            if os.write(writing, text) == len(text):
                return (reading,)
        except OSError:
            pass  # a pipe made small by the user's quota, or an owner that cannot be
        finally:
            os.close(writing)
        os.close(reading)
    descriptor = os.memfd_create("stdin")
    with open(os.dup(descriptor), "wb") as file:
        file.write(text)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return (descriptor,)


def duplicates(descriptors: Sequence[int]) -> list[int]:
    """Copies of all of `descriptors`, or of none of them and an `OSError`."""
    copies: list[int] = []
    try:
        for descriptor in descriptors:
            copies.append(os.dup(descriptor))  # noqa: PERF401 - kept for the close below
    except OSError:
        close_all(copies)
        raise
    return copies
