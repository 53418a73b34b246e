"""Mails and hooks as real processes, with a program in the place of sendmail."""

import asyncio
import fcntl
import os
import pwd
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Sequence
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from cronjob.core.config import Config
from cronjob.core.events import Finished
from cronjob.core.found import PendingNotice
from cronjob.core.notice import Notice, NoticeKind
from cronjob.core.outcome import RunOutcome
from cronjob.core.output import HEAD, TAIL, Kept
from cronjob.core.query import RunDetail
from cronjob.core.record import Change, NoticeSent
from cronjob.core.report import Report
from cronjob.core.run import Run
from cronjob.core.schedule import FireTime
from cronjob.core.table import parse_table
from cronjob.errors import HistoryError
from cronjob.host import notices as module
from cronjob.host.accounts import Accounts
from cronjob.host.attempts import Attempts
from cronjob.host.clock import SystemClock
from cronjob.host.jobserver import Broker
from cronjob.host.notices import Means, Notices
from tests.core.endings import FIRE, attempt, detail
from tests.host.processes import needs_root

ME = pwd.getpwuid(os.geteuid()).pw_name
KEY = detail().row.key
#: Writes its user, its arguments, its descriptors and its input to files of their own.
SENDMAIL = """#!/bin/sh
cd "{inbox}"
id -un > user; pwd > place; env > environment
printf '%s\\n' "$@" > arguments
cat > .text; mv .text text
"""


@pytest.fixture
def inbox() -> Iterator[Path]:
    """A directory where every user may write; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.fixture
def sendmail(inbox: Path) -> str:
    """A program that keeps what it gets in `inbox`."""
    return program(inbox, SENDMAIL.format(inbox=inbox))


def program(inbox: Path, text: str) -> str:
    path = inbox / "sendmail"
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


class Machine:
    """Notices with a real launcher, a history that has one run, and all that was said."""

    def __init__(
        self, about: RunDetail | None, sendmail: str | None = None, *, any_run: bool = False
    ) -> None:
        self.about = about
        self.any_run = any_run
        self.config = Config(sendmail=sendmail)
        self.sent: list[NoticeSent] = []
        self.told: list[Report] = []
        self.defects: list[str] = []
        self.changed = asyncio.Event()
        accounts = Accounts()
        self.attempts = Attempts(
            self,
            accounts,
            broker=Broker(print, print, print),
            started=print,
            ended=print,
            ready=lambda _: None,
            lost=lambda: None,
            defect=self._defect,
        )
        self.notices = Notices(
            Means(
                launching=self.attempts,
                accounts=accounts,
                history=self,
                config=lambda: self.config,
                tell=self.tell,
                now=SystemClock().now,
                defect=self._defect,
            )
        )

    async def ask(self, question: Callable[[Any], Any]) -> Any:
        return question(self)

    def run(self, key: str) -> RunDetail | None:
        if self.about is not None and self.about.command == "broken":
            raise HistoryError("it is away")
        known = self.about is not None and (self.any_run or key == self.about.row.key)
        return self.about if known else None

    def record(self, changes: Sequence[Change], done: Callable[[], None] | None) -> None:
        assert done is None
        self.sent += [change for change in changes if isinstance(change, NoticeSent)]
        self.changed.set()

    def _defect(self, what: str, error: BaseException) -> None:
        self.defects.append(f"{what}: {error}")

    def tell(self, report: Report) -> None:
        self.told.append(report)
        self.changed.set()

    def said(self, event: str) -> list[str]:
        return [report.text for report in self.told if report.event == event]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def send(self, *notices: Notice) -> list[str]:
        """Send these, wait for all; what went wrong with each."""
        count = len(self.sent) + len(notices)
        self.notices.send(finished(*notices))
        await self.until(lambda: len(self.sent) >= count)
        return [sent.problem for sent in self.sent]


def finished(*notices: Notice, key: str = KEY) -> Finished:
    """The end of the run, as the engine tells it."""
    (entry,) = parse_table(f"@daily name=backup {ME} true\n", source="t", zone="UTC").entries
    printed = attempt(1, 3)
    assert printed.ending is not None
    run = Run(key, "backup", entry, FireTime(FIRE, FIRE.replace(tzinfo=None)), attempts=(printed,))
    return Finished(run, RunOutcome.FAILED, "", notices)


def with_machine(
    machine: Machine, scenario: Callable[[Machine], Coroutine[Any, Any, None]]
) -> Machine:
    async def main() -> None:
        await machine.attempts.start()
        try:
            await scenario(machine)
        finally:
            await machine.notices.stop()
            await machine.attempts.stop(0.0)

    asyncio.run(main())
    return machine


def sent(machine: Machine, *notices: Notice) -> list[str]:
    """What went wrong with each of these, all sent at once."""
    problems: list[str] = []

    async def scenario(machine: Machine) -> None:
        problems.extend(await machine.send(*notices))

    with_machine(machine, scenario)
    assert machine.defects == []
    return problems


def mail(target: str = "ops@example.com", user: str = ME, sender: str = "") -> Notice:
    return Notice(NoticeKind.MAIL, target, user, sender)


def hook(command: str, user: str = ME, kind: NoticeKind = NoticeKind.ON_FAILURE) -> Notice:
    return Notice(kind, command, user)


def test_a_mail_is_handed_to_sendmail_and_recorded(inbox: Path, sendmail: str) -> None:
    machine = Machine(detail(b"out\n"), sendmail)
    assert sent(machine, mail("ann,ops@example.com", sender="cron@x.org")) == [""]
    assert (inbox / "arguments").read_text().split() == [
        *("-FCronDaemon", "-i", "-B8BITMIME", "-oem", "-fcron@x.org", "ann", "ops@example.com")
    ]
    message = message_from_bytes((inbox / "text").read_bytes())
    assert message["To"] == "ann, ops@example.com"
    assert str(message.get_payload()).startswith("out\n")
    assert machine.said("notice-sent") == [f"{KEY}: mail to ann,ops@example.com: done"]
    assert (machine.sent[0].run, machine.sent[0].kind) == (KEY, "mail")


@needs_root
@pytest.mark.parametrize("kind", ["mail", "hook"])
def test_it_is_a_process_of_the_user(inbox: Path, sendmail: str, kind: str) -> None:
    notice = mail("", "nobody") if kind == "mail" else hook(f"exec {sendmail}", "nobody")
    assert sent(Machine(detail(b"out\n"), sendmail), notice) == [""]
    assert (inbox / "user").read_text() == "nobody\n"
    environment = (inbox / "environment").read_text().splitlines()
    assert {"USER=nobody", "LOGNAME=nobody", "PATH=/usr/bin:/bin"} <= set(environment)
    assert (inbox / "text").stat().st_uid == pwd.getpwnam("nobody").pw_uid


@pytest.mark.parametrize(
    "output",
    [
        Kept(b"h" * HEAD, b"t" * TAIL, 36_000),
        b"caf\xe9\n.\n.\nFrom here\n",
        b"\0\r\n" * 1000,
    ],
)
def test_output_of_any_kind_and_size_arrives(
    inbox: Path, sendmail: str, output: Kept | bytes
) -> None:
    about = detail(*[output] * 3, codes=(1, 1, 1))
    assert sent(Machine(about, sendmail), mail()) == [""]
    body = message_from_bytes((inbox / "text").read_bytes()).get_payload(decode=True)
    assert isinstance(body, bytes)
    tail = output.tail if isinstance(output, Kept) else output
    assert body.count(tail) == 3


@pytest.mark.parametrize("target", ["-X/tmp/log", "ann\nBcc: eve", "-oQ/tmp,-v", "; rm -rf /x"])
def test_a_mailto_that_is_no_address_never_reaches_sendmail(
    inbox: Path, sendmail: str, target: str
) -> None:
    machine = Machine(detail(b"out\n"), sendmail)
    (problem,) = sent(machine, mail(target))
    assert "is no address" in problem
    assert not (inbox / "arguments").exists()
    assert len(machine.said("notice-failed")) == 1
    assert "\n" not in machine.said("notice-failed")[0]


def test_the_good_addresses_of_a_list_are_used_and_the_bad_ones_told(
    inbox: Path, sendmail: str
) -> None:
    machine = Machine(detail(b"out\n"), sendmail)
    assert sent(machine, mail("-v,ann")) == ['MAILTO: "-v" is no address']
    assert (inbox / "arguments").read_text().split()[4:] == ["ann"]


def test_without_sendmail_every_mail_is_given_up_and_that_is_said_once(inbox: Path) -> None:
    machine = Machine(detail(b"out\n"), str(inbox / "nothing"))
    notices = [mail("ann"), mail("bob")]
    assert sent(machine, *notices) == ["there is no sendmail"] * 2
    place = inbox / "nothing"
    assert machine.said("no-sendmail") == [
        f"no mail is sent: there is no program {place}; output is in the history"
    ]
    assert machine.said("notice-failed") == []


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("exit 75", "exit status 75"),
        ("kill -9 $$", "signal 9"),
        ("true", ""),
    ],
)
@pytest.mark.parametrize("kind", ["mail", "hook"])
def test_how_it_failed_is_recorded_and_told(
    inbox: Path, script: str, problem: str, kind: str
) -> None:
    path = program(inbox, f"#!/bin/sh\n{script}\n")
    machine = Machine(detail(b"out\n"), path)
    assert sent(machine, mail() if kind == "mail" else hook(script)) == [problem]
    assert len(machine.said("notice-failed")) == bool(problem)
    assert all(problem in text for text in machine.said("notice-failed"))


def test_a_user_that_does_not_exist_is_a_problem() -> None:
    machine = Machine(detail(b"out\n"))
    (problem,) = sent(machine, hook("true", "no-such-user"))
    assert problem == 'not started: unknown user "no-such-user"'


def test_a_hook_has_the_facts_the_output_and_no_mark_of_an_attempt(inbox: Path) -> None:
    script = f"cd {inbox}; env > environment; cat > text; echo seen; echo bad >&2"
    machine = Machine(detail(b"1\n", b"2\xff\n", codes=(75, 3), outcome=RunOutcome.FAILED))
    assert sent(machine, hook(script)) == [""]
    environment = (inbox / "environment").read_text().splitlines()
    assert {"CRONJOB_OUTCOME=failed", "CRONJOB_EXIT_STATUS=3", f"CRONJOB_RUN={KEY}"} <= set(
        environment
    )
    assert not any(line.startswith("CRONJOB_ATTEMPT=") for line in environment)
    assert (inbox / "text").read_bytes() == b"2\xff\n"
    assert machine.said("notice-output") == [
        f"{KEY}: on-failure: seen",
        f"{KEY}: on-failure: bad",
    ]


def test_a_hook_that_hangs_is_ended_and_holds_nobody(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_SECONDS", 0.3)
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.1)
    script = f"trap '' TERM; echo $$ > {inbox}/pid; while :; do sleep 60; done"
    machine = Machine(detail(b"out\n"))
    hooks = hook(script), hook("true", kind=NoticeKind.ON_GIVE_UP)
    problems = sent(machine, *hooks)
    assert sorted(problems) == ["", "ended after 0 s"]
    assert not Path(f"/proc/{(inbox / 'pid').read_text().strip()}").exists()


def test_few_run_at_once_and_too_many_cost_the_oldest(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 10)
    os.mkfifo(inbox / "up")
    script = (
        f"cd {inbox}; mkdir going.$$; ls -d going.* | wc -l >> most; echo >> up; "
        "flock --shared gate true; rmdir going.$$"
    )

    async def scenario(machine: Machine) -> None:
        with open(inbox / "up", "r+b", buffering=0) as up, open(inbox / "gate", "wb") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            for number in range(4):
                machine.notices.send(finished(hook(script), key=f"{KEY}#{number}"))
            for _ in range(4):
                assert await asyncio.to_thread(up.read, 1) == b"\n"
            for number in range(4, 19):
                machine.notices.send(finished(hook(script), key=f"{KEY}#{number}"))
            fcntl.flock(gate, fcntl.LOCK_UN)
            await machine.until(lambda: len(machine.sent) == 19)

    machine = with_machine(Machine(detail(b"out\n"), any_run=True), scenario)
    dropped = [one.run for one in machine.sent if one.problem]
    assert dropped == [f"{KEY}#{number}" for number in range(4, 9)]
    assert machine.said("notice-failed") == [
        "1 mail or hook dropped, the oldest first: more than 10 waited",
        "4 mails and hooks dropped, the oldest first: more than 10 waited",
    ]
    assert max(map(int, (inbox / "most").read_text().split())) == 4


@needs_root
def test_hooks_of_one_user_that_hang_hold_up_nobody_else(sendmail: str) -> None:
    hang = "sleep 300"

    async def scenario(machine: Machine) -> None:
        for number in range(20):
            machine.notices.send(finished(hook(hang, user="nobody"), key=f"{KEY}#{number}"))
        machine.notices.send(finished(mail()))
        await machine.until(lambda: machine.sent)

    machine = with_machine(Machine(detail(b"out\n"), sendmail, any_run=True), scenario)
    assert [(one.run, one.kind, one.problem) for one in machine.sent] == [(KEY, "mail", "")]


def test_a_stop_ends_what_hangs_and_leaves_it_to_the_next_daemon(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.2)
    os.mkfifo(inbox / "up")
    script = f"echo $$ > {inbox}/up; sleep 300"
    pids: list[str] = []

    async def scenario(machine: Machine) -> None:
        for number in range(6):
            machine.notices.send(finished(hook(script), key=f"{KEY}#{number}"))
        pids.extend((await asyncio.to_thread((inbox / "up").read_text)).split())
        await machine.notices.stop()
        machine.notices.send(finished(hook("true")))  # of a run that the stop ended

    machine = with_machine(Machine(detail(b"out\n"), any_run=True), scenario)
    assert machine.sent == []
    assert pids
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert machine.said("notices-left") == ["6 mails and hooks left to the next start"]


def test_a_stop_lets_what_is_quick_be_sent(sendmail: str) -> None:
    async def scenario(machine: Machine) -> None:
        machine.notices.send(finished(mail()))
        await machine.notices.stop()

    machine = with_machine(Machine(detail(b"out\n"), sendmail), scenario)
    assert [one.problem for one in machine.sent] == [""]
    assert machine.said("notices-left") == []


def test_what_a_daemon_before_left_is_sent(sendmail: str) -> None:
    async def scenario(machine: Machine) -> None:
        machine.notices.resume([PendingNotice(KEY, mail()), PendingNotice("gone", mail())])
        await machine.until(lambda: len(machine.sent) == 2)

    machine = with_machine(Machine(detail(b"out\n"), sendmail), scenario)
    assert {one.run: one.problem for one in machine.sent} == {
        KEY: "",
        "gone": "not started: its run is not in the history any more",
    }


@pytest.mark.parametrize(
    "about", [None, detail(b"lost\n", command="broken"), detail(b"old\n", outcome=None)]
)
def test_a_mail_is_sent_although_the_history_cannot_be_read(
    inbox: Path, sendmail: str, about: RunDetail | None
) -> None:
    async def scenario(machine: Machine) -> None:
        assert await machine.send(mail()) == [""]

    with_machine(Machine(about, sendmail), scenario)
    body = message_from_bytes((inbox / "text").read_bytes()).get_payload()
    assert "failed: exit status 3" in str(body)


def test_a_launcher_that_dies_costs_the_hook_that_it_ran(inbox: Path) -> None:
    os.mkfifo(inbox / "up")

    async def scenario(machine: Machine) -> None:
        machine.notices.send(finished(hook(f"echo $PPID > {inbox}/up; sleep 300")))
        pid = await asyncio.to_thread((inbox / "up").read_text)
        os.kill(int(pid), 9)
        await machine.until(lambda: machine.sent)

    machine = with_machine(Machine(detail(b"out\n")), scenario)
    assert [one.problem for one in machine.sent] == ["the launcher died"]
