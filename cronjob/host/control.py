"""The control socket: who may connect, how much a connection may ask, and for how long.

One connection brings one request of one line, and gets lines until its answer is complete.  What
the lines mean is no business of this module.  Nobody who connects can delay the daemon or make it
grow: a request is short and comes soon, connections are counted, and what a client does not read
is kept up to a limit and left out beyond.
"""

import asyncio
import contextlib
import errno
import json
import os
import socket
import stat
import struct
from base64 import b64encode
from collections import Counter
from collections.abc import Callable

from cronjob.core.request import VERSION
from cronjob.host.directories import LONGEST_SOCKET

LONGEST_REQUEST = 64 * 1024  #: bytes, with the end of the line
REQUEST_SECONDS = 10.0  #: from the connection to the end of the line
FAREWELL_SECONDS = 30.0  #: from the end of an answer until the client has read it
CONNECTIONS = 256  #: at once
OF_OTHERS = 64  #: of those, by all who are neither root nor the daemon's own user
OF_ONE = 8  #: of those, by one user
REQUESTS = 20  #: a second, of one user other than root; more of them wait
AT_ONCE = 100  #: of those may come together after a time of silence
MOST_UNREAD = 16 * 1024**2  #: bytes of output that one client has not read yet
MOST_UNREAD_BY_ALL = 64 * 1024**2  #: bytes; a sixteenth of `MOST_UNREAD` a client may always have
_BACKLOG = 16  #: connections accepted in one pass of the loop

Respond = Callable[["Client", bytes], None]


class ControlSocket:
    """Listens for requests; `respond(client, line)` is to answer each of them.

    `defect(what, error)` is told when it raises, which ends that connection alone.
    """

    def __init__(
        self, path: str, respond: Respond, defect: Callable[[str, BaseException], None]
    ) -> None:
        self.path = path
        self.respond, self.defect = respond, defect
        self.clients: set[Client] = set()
        self._busy: dict[int, float] = {}  #: until when (loop's time) a user's requests last
        self._bound: socket.socket | None = None
        self._server: asyncio.Server | None = None

    def bind(self) -> None:
        """Take the path, in place of what a daemon before left there.  Raises `OSError`.

        The caller holds the lock of the directory, so that other daemon is dead.
        """
        if len(os.fsencode(self.path)) > LONGEST_SOCKET:
            text = f"longer than the {LONGEST_SOCKET} bytes that a socket's path may have"
            raise OSError(errno.ENAMETOOLONG, text, self.path)
        if os.path.lexists(self.path):
            if not stat.S_ISSOCK(os.lstat(self.path).st_mode):
                raise OSError(errno.EEXIST, "is in the way of the control socket", self.path)
            os.unlink(self.path)
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        # Root's daemon hears everybody, and looks at who it is.  A chmod would follow a link that
        # somebody puts in its place.
        mask = os.umask(0o111 if os.geteuid() == 0 else 0o177)
        try:
            bound.bind(self.path)
        except OSError as error:
            bound.close()
            raise OSError(error.errno, error.strerror, self.path) from None
        finally:
            os.umask(mask)
        self._bound = bound

    async def listen(self) -> None:
        """Answer from now on."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(
            lambda: Client(self), sock=self._bound, backlog=_BACKLOG
        )

    async def close(self, seconds: float = 1.0) -> None:
        """Send what is to be sent, for so long at most, and go."""
        if self._bound is None:
            return
        if self._server is not None:
            self._server.close()
        self._bound.close()
        with contextlib.suppress(FileNotFoundError):  # somebody has tidied up
            os.unlink(self.path)
        for client in list(self.clients):
            client.finish()
        waiting = [asyncio.ensure_future(client.gone.wait()) for client in self.clients]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=seconds)
            for task in late:
                task.cancel()

    def why_not(self, client: "Client") -> str:
        """Why another connection cannot be had; empty when it can."""
        if len(self.clients) >= CONNECTIONS:
            return f"there are {CONNECTIONS} connections already"
        if client.privileged:
            return ""
        others = Counter(one.uid for one in self.clients if not one.privileged)
        if others[client.uid] >= OF_ONE:
            return f"this user has {OF_ONE} connections already"
        if others.total() >= OF_OTHERS:
            return f"users other than root have {OF_OTHERS} connections already"
        return ""

    def delay(self, client: "Client") -> float:
        """Seconds until the request that `client` has made is carried out: a pace for each user.

        Somebody who asks without a pause would else have all of the daemon's time, and fill the
        journal until it leaves out what others have to say.
        """
        if client.privileged:
            return 0.0
        now = asyncio.get_running_loop().time()
        self._busy = {uid: until for uid, until in self._busy.items() if until > now}
        until = self._busy.get(client.uid, now)
        # Those that gave up waiting are forgotten, or they would hold up the next for ever.
        self._busy[client.uid] = min(until + 1 / REQUESTS, now + (AT_ONCE + OF_ONE) / REQUESTS)
        return max(0.0, until - now - AT_ONCE / REQUESTS)

    def has_room(self) -> bool:
        """Whether the clients together have few bytes unread enough."""
        return sum(client.unread for client in self.clients) < MOST_UNREAD_BY_ALL


class Client(asyncio.Protocol):
    """One connection: a request, and the lines of its answer."""

    def __init__(self, control: ControlSocket) -> None:
        self.uid = -1
        self.gone = asyncio.Event()
        self.on_leave: Callable[[], None] = lambda: None  #: called once, when it is gone
        self._control = control
        self._transport: asyncio.Transport | None = None
        self._request = bytearray()
        self._asked = False
        self._left_out = 0  # bytes of output
        self._limit: asyncio.TimerHandle | None = None

    @property
    def privileged(self) -> bool:
        """Whether all is its business: root, and the daemon's own user."""
        return self.uid in (0, os.geteuid())

    @property
    def unread(self) -> int:
        """The bytes that wait here for the client to read."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    # -- what the client gets --------------------------------------------------------------------

    def tell(self, **members: object) -> None:
        """One line of the answer, after a word about what was left out before it."""
        left_out, self._left_out = self._left_out, 0
        if left_out:
            self.tell(left_out=left_out)
        if self._transport is not None and not self._transport.is_closing():
            line = json.dumps({"version": VERSION, **members}, separators=(",", ":"))
            self._transport.write(line.encode() + b"\n")

    def output(self, chunk: bytes) -> None:
        """What a command printed; left out, and counted, while the client does not read."""
        if (self._left_out and self.unread > MOST_UNREAD // 2) or not self._may_have(len(chunk)):
            self._left_out += len(chunk)
            return
        self.tell(output=b64encode(chunk).decode())

    def refuse(self, why: str) -> None:
        """The whole answer is that it cannot be."""
        self.tell(error=why)
        self.finish()

    def finish(self) -> None:
        """The answer is complete."""
        if self._transport is None or self._transport.is_closing():
            return
        self._asked = True
        self._set_limit(FAREWELL_SECONDS, self._transport.abort)
        self._transport.close()

    # -- what asyncio calls ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is there: see who it is."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("socket")
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, self.uid, _ = struct.unpack("3i", credentials)
        why = self._control.why_not(self)
        self._control.clients.add(self)
        if why:
            self.refuse(why)
            return
        late = f"no request within {REQUEST_SECONDS:g} s"
        self._set_limit(REQUEST_SECONDS, lambda: self.refuse(late))

    def data_received(self, data: bytes) -> None:
        """Bytes of the request; there is nothing to say after it."""
        if self._asked:
            self.refuse("there is more than the one line that a request is")
            return
        self._request += data
        line, end, rest = self._request.partition(b"\n")
        if len(line) >= LONGEST_REQUEST:
            self.refuse(f"a request has at most {LONGEST_REQUEST} bytes")
        elif rest:
            self.refuse("there is more than the one line that a request is")
        elif end:
            self._asked = True
            self._respond_in(self._control.delay(self), bytes(line))

    def eof_received(self) -> None:
        """The client has closed: there is nothing left to say, whatever it waited for."""
        self.finish()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone, by its own wish or ours."""
        del exc  # whatever it was, nobody is there to be told
        self._set_limit(None)
        self._control.clients.discard(self)
        self._transport = None
        self.gone.set()
        self.on_leave()

    def _respond_in(self, delay: float, line: bytes) -> None:
        if delay:
            self._set_limit(delay, lambda: self._respond(line))
        else:
            self._respond(line)

    def _respond(self, line: bytes) -> None:
        self._set_limit(None)
        try:
            self._control.respond(self, line)
        except Exception as error:  # one request that fails must not cost the daemon
            self._control.defect("cannot answer a request", error)
            self.refuse("internal error, see the log of the daemon")

    def _may_have(self, size: int) -> bool:
        size = self.unread + size * 4 // 3  # as base64
        return size <= MOST_UNREAD // 16 or (size <= MOST_UNREAD and self._control.has_room())

    def _set_limit(self, seconds: float | None, end: Callable[[], None] = lambda: None) -> None:
        """Call `end` in so many seconds, in place of what was to be called before."""
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
        if seconds is not None:
            self._limit = asyncio.get_running_loop().call_later(seconds, end)
