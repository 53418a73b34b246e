"""Sends what follows the end of a run: mails by sendmail, hooks by a shell.

Each is a process of the run's user, started by the launcher as an attempt is, few at a time and
for a bounded time.  A notice is in the history before it is sent, and what became of it is
recorded afterwards: one that a crash or a stop cut short is sent again by the next daemon.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from os import waitstatus_to_exitcode
from socket import gethostname
from typing import NamedTuple, Protocol, TypeVar

from cronjob.core.attempt import Ending
from cronjob.core.config import Config
from cronjob.core.events import Finished
from cronjob.core.fields import Tell
from cronjob.core.found import PendingNotice
from cronjob.core.mail import compose
from cronjob.core.notice import Notice, NoticeKind
from cronjob.core.output import LineTeller
from cronjob.core.query import RunDetail
from cronjob.core.record import Change, NoticeSent
from cronjob.core.remembered import remembered
from cronjob.core.report import (
    Report,
    no_sendmail,
    notice_failed,
    notice_output,
    notice_output_dropped,
    notice_sent,
    notices_dropped,
    notices_left,
)
from cronjob.errors import HistoryError, LaunchError, printable
from cronjob.host.accounts import Account, Accounts
from cronjob.host.environment import account_environment, default_environment
from cronjob.host.hooks import hook_command
from cronjob.host.identity import own_name
from cronjob.host.mailer import find_sendmail, mail_command, places_of_sendmail
from cronjob.host.outbox import Outbox
from cronjob.host.output import Output, Outputs
from cronjob.ports import Command, Reader

AT_ONCE = 8
OF_ONE = 4  #: of those, of one user: a hook may take minutes, and others have some too
MOST_WAITING = 1000
LONGEST_SECONDS = 300.0  #: that one may take
GRACE_SECONDS = 5.0  #: between TERM and KILL when it takes longer
STOP_SECONDS = 5.0  #: that a stop waits for those that are waiting or going
STOP_GRACE_SECONDS = 1.0
LONGEST_TARGET = 200  #: characters of one that are told


T = TypeVar("T")


class Launching(Protocol):
    """What starts them and ends them, by a key; see `Attempts`."""

    def launch_beside(
        self, key: str, command: Command, output: int, ended: Callable[[Ending], None]
    ) -> None:
        """Start the command; `ended` hears of its end, once."""

    def end(self, key: str, grace: float) -> None:
        """TERM to all of it, KILL after `grace` seconds."""


class Past(Protocol):
    """The history; see `Recorder`."""

    async def ask(self, question: Callable[[Reader], T]) -> T:
        """The answer.  Raises `HistoryError`."""

    def record(self, changes: Sequence[Change], done: Callable[[], None] | None) -> None:
        """Store these changes, soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What sending needs of the daemon."""

    launching: Launching
    accounts: Accounts
    history: Past
    config: Callable[[], Config]  #: in force now
    tell: Callable[[Report], None]
    now: Callable[[], datetime]
    defect: Callable[[str, BaseException], None]


class _Waiting(NamedTuple):
    """A notice to be sent."""

    run: str  #: key
    notice: Notice
    finished: Finished | None  #: None: a daemon before left it

    @property
    def user(self) -> str:
        """Whose process it will be."""
        return self.notice.user or own_name()

    @property
    def what(self) -> str:
        """What it is, for people."""
        if self.notice.kind is not NoticeKind.MAIL:
            return str(self.notice.kind)
        to = printable(self.notice.target or self.user)
        return f"mail to {to if len(to) <= LONGEST_TARGET else to[: LONGEST_TARGET - 1] + '…'}"


class Notices:
    """The notices that are to be sent, the oldest first, each user in turn.

    More than `MOST_WAITING` cost the oldest of whoever has most, which is recorded and said.
    """

    def __init__(self, means: Means) -> None:
        self._means = means
        self._waiting = Outbox[_Waiting](OF_ONE, MOST_WAITING)
        self._going: dict[str, _Waiting] = {}  #: by key of their processes
        self._senders: set[asyncio.Task[None]] = set()
        self._sending = 0  #: senders that will look at what waits again
        self._outputs: Outputs | None = None
        self._dropped = 0  #: since the last word about it
        self._told_of_no_sendmail = False
        self._stopped = False

    def send(self, finished: Finished) -> None:
        """Send the notices of a run that has just ended, and whose end is recorded."""
        for notice in finished.notices:
            self._add(_Waiting(finished.run.key, notice, finished))

    def resume(self, pending: Iterable[PendingNotice]) -> None:
        """Send what a daemon before recorded, and did not send or did not live to say so."""
        for run, notice in pending:
            self._add(_Waiting(run, notice, None))

    async def stop(self) -> None:
        """Send what can be sent in `STOP_SECONDS`; the rest is left to the next daemon."""
        if self._senders:
            await asyncio.wait(self._senders, timeout=STOP_SECONDS)
        self._stopped = True
        if left := len(self._waiting) + len(self._senders):
            self._means.tell(notices_left(left))
        self._waiting.clear()
        for key in self._going:
            self._means.launching.end(key, STOP_GRACE_SECONDS)
        for sender in self._senders:
            sender.cancel()
        await asyncio.gather(*self._senders, return_exceptions=True)

    def _add(self, waiting: _Waiting) -> None:
        if self._stopped:
            return  # it is in the history
        if (dropped := self._waiting.add(waiting.user, waiting)) is not None:
            self._drop(dropped)
        if self._sending < AT_ONCE:
            self._sending += 1
            sender = asyncio.get_running_loop().create_task(self._send_waiting())
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)

    def _drop(self, waiting: _Waiting) -> None:
        """The first one is said at once, the others together when nothing waits any more."""
        if not self._dropped:
            self._means.tell(notices_dropped(1, MOST_WAITING))
        self._dropped += 1
        self._record(waiting, f"more than {MOST_WAITING:,} waited")

    async def _send_waiting(self) -> None:
        while (waiting := self._waiting.take()) is not None:
            try:
                await self._send(waiting)
            finally:
                self._waiting.done(waiting.user)
        self._sending -= 1
        if self._waiting:
            return  # for others of the same users
        if self._dropped > 1:
            self._means.tell(notices_dropped(self._dropped - 1, MOST_WAITING))
        self._dropped = 0

    async def _send(self, waiting: _Waiting) -> None:
        try:
            problem = await self._sent(waiting)
        except LaunchError as error:
            problem = f"not started: {error}"
        except Exception as error:  # it costs this one, not the others
            self._means.defect(f"cannot send {waiting.what} of {waiting.run}", error)
            problem = "internal error"
        self._record(waiting, problem)
        if not problem:
            self._means.tell(notice_sent(waiting.run, waiting.what))
        elif problem != NO_SENDMAIL:  # which is said once
            self._means.tell(notice_failed(waiting.run, waiting.what, problem))

    def _record(self, waiting: _Waiting, problem: str) -> None:
        kind = str(waiting.notice.kind)
        sent = NoticeSent(waiting.run, kind, self._means.now(), problem)
        self._means.history.record((sent,), None)

    async def _sent(self, waiting: _Waiting) -> str:
        """Send it; what went wrong, for people, or nothing."""
        if waiting.notice.kind is NoticeKind.MAIL:
            return await self._sent_mail(waiting)
        account, environment = await self._account(waiting.notice)
        if account.expired is not None:
            raise LaunchError(f"account expired: {account.name} on {account.expired}")
        detail = await self._detail(waiting)
        return await self._ended(
            waiting, hook_command(waiting.notice, detail, account, environment)
        )

    async def _sent_mail(self, waiting: _Waiting) -> str:
        configured = self._means.config().sendmail
        if (sendmail := find_sendmail(configured)) is None:
            if not self._told_of_no_sendmail:
                self._told_of_no_sendmail = True
                self._means.tell(no_sendmail(places_of_sendmail(configured)))
            return NO_SENDMAIL
        account, environment = await self._account(waiting.notice)
        detail = await self._detail(waiting)
        mail = compose(detail, waiting.notice, user=account.name, host=gethostname())
        problems = [*mail.problems]
        if mail.recipients:
            command = mail_command(sendmail, mail, account, environment)
            problems.append(await self._ended(waiting, command))
        return "; ".join(filter(None, problems))

    async def _account(self, notice: Notice) -> tuple[Account, dict[str, str]]:
        account = await self._means.accounts.get(notice.user or own_name())
        return account, account_environment(account, default_environment())

    async def _detail(self, waiting: _Waiting) -> RunDetail:
        """The run from the history; without the output where that cannot be read now."""
        try:
            detail = await self._means.history.ask(lambda reader: reader.run(waiting.run))
        except HistoryError as error:
            if waiting.finished is None:
                raise LaunchError(f"its run cannot be read from the history: {error}") from None
            detail = None
        if detail is not None and (detail.row.outcome or waiting.finished is None):
            return detail
        if waiting.finished is None:
            raise LaunchError("its run is not in the history any more")
        return remembered(waiting.finished, self._means.now())  # its end is not stored yet

    async def _ended(self, waiting: _Waiting, command: Command) -> str:
        """Start the command and wait for its end; why it did not succeed, or nothing."""
        loop = asyncio.get_running_loop()
        key, over, began = f"{waiting.run}/{waiting.notice.kind}", loop.create_future(), loop.time()
        output = self._output(waiting, command)
        self._outputs = self._outputs or Outputs()
        self._going[key] = waiting
        timer = loop.call_later(LONGEST_SECONDS, self._means.launching.end, key, GRACE_SECONDS)
        try:
            try:
                self._means.launching.launch_beside(
                    key, command, output.write_end, partial(_set, over)
                )
            finally:
                output.launched()
            self._outputs.add(output)
            ending: Ending = await over
        finally:
            timer.cancel()
            del self._going[key]
            self._outputs.finish(output, failed=False)
        if loop.time() - began >= LONGEST_SECONDS:
            return f"ended after {LONGEST_SECONDS:.0f} s"
        return _problem(ending)

    def _output(self, waiting: _Waiting, command: Command) -> Output:
        """A pipe for what it prints, which the journal gets."""
        tell, run, what = self._means.tell, waiting.run, waiting.what
        try:
            return Output(
                lambda: LineTeller(
                    lambda line: tell(notice_output(run, what, line)),
                    lambda lines, size: tell(notice_output_dropped(run, what, lines, size)),
                ),
                Tell.ALWAYS,
                [],
                uid=command.uid,
                gid=command.gid,
            )
        except OSError as error:
            raise LaunchError(f"cannot make a pipe for its output: {error.strerror}") from None


NO_SENDMAIL = "there is no sendmail"


def _set(over: asyncio.Future[Ending], ending: Ending) -> None:
    if not over.done():
        over.set_result(ending)


def _problem(ending: Ending) -> str:
    """Why a command did not succeed, in words; empty when it did."""
    if ending.lost:
        return "the launcher died"
    if ending.status is None:
        return f"not started: {ending.error}"
    result = waitstatus_to_exitcode(ending.status)
    return f"exit status {result}" if result > 0 else f"signal {-result}" if result else ""
