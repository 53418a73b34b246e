"""The pipe that carries a command's standard output and error, read line by line."""

import asyncio
import os
from collections.abc import Callable

LONGEST_LINE = 16 * 1024  #: bytes; a longer line is told in parts
CHUNK = 64 * 1024


class OutputPipe:
    """One pipe for both streams, so that their order is the order of writing."""

    def __init__(self, line: Callable[[str], None], *, uid: int, gid: int) -> None:
        self._line = line
        self._partial = b""
        self._read_end, self.write_end = os.pipe2(os.O_CLOEXEC)
        try:
            os.set_blocking(self._read_end, False)
            if os.geteuid() == 0:
                os.fchown(self.write_end, uid, gid)  # so that the command may open /dev/stdout
        except OSError:
            os.close(self._read_end)
            os.close(self.write_end)
            raise

    def launched(self) -> None:
        """The launcher has its own copy of the write end; ours would hide the end of file."""
        os.close(self.write_end)

    def listen(self) -> None:
        """Begin to tell lines; until then the pipe keeps them."""
        if self._read_end >= 0:
            asyncio.get_running_loop().add_reader(self._read_end, self._readable)

    def drain(self) -> None:
        """Read what is there now; a background process may hold the pipe open for longer."""
        while self._read_end >= 0 and self._read():
            pass
        self._flush()
        self.listen()

    def _readable(self) -> None:
        self._read()

    def _read(self) -> bool:
        """Read once; False when there is nothing more, for now or for ever."""
        try:
            chunk = os.read(self._read_end, CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            chunk = b""
        if not chunk:
            self._flush()
            self._close()
            return False
        *lines, self._partial = (self._partial + chunk).split(b"\n")
        for line in lines:
            self._tell(line)
        if len(self._partial) >= LONGEST_LINE:
            self._flush()
        return True

    def _close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._read_end)
        os.close(self._read_end)
        self._read_end = -1

    def _flush(self) -> None:
        if self._partial:
            self._tell(self._partial)
            self._partial = b""

    def _tell(self, line: bytes) -> None:
        for start in range(0, max(len(line), 1), LONGEST_LINE):
            part = line[start : start + LONGEST_LINE]
            self._line(part.decode("utf-8", "surrogateescape"))
