"""The mail about a run, read back by a parser that is not ours."""

import re
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message

import pytest

from cronjob.core.hook import hook_environment, hook_input
from cronjob.core.mail import MOST_OUTPUT, Mail, addresses, compose
from cronjob.core.notice import Notice, NoticeKind
from cronjob.core.outcome import RunOutcome
from cronjob.core.output import HEAD, TAIL, Kept
from cronjob.core.query import RunDetail
from tests.core.endings import detail

TO_OPS = Notice(NoticeKind.MAIL, "ops@example.com", "ann")


def mail(about: RunDetail, notice: Notice = TO_OPS) -> Mail:
    return compose(about, notice, user="ann", host="here")


def read(about: RunDetail, notice: Notice = TO_OPS) -> Message:
    """The mail as its reader gets it, all defects noted."""
    message = message_from_bytes(mail(about, notice).text)
    assert not message.defects
    return message


def text(about: RunDetail, notice: Notice = TO_OPS) -> bytes:
    body = read(about, notice).get_payload(decode=True)
    assert isinstance(body, bytes)
    return body


@pytest.mark.parametrize(
    ("listed", "good", "bad"),
    [
        ("root", ["root"], []),
        ("_apt", ["_apt"], []),
        ("ann, ops@example.com,,ann", ["ann", "ops@example.com"], []),
        ("a.b+c=d@x-y.org", ["a.b+c=d@x-y.org"], []),
        ("host!user%relay", ["host!user%relay"], []),
        ("-X/tmp/log", [], ["-X/tmp/log"]),
        ("ann, -oQ/tmp", ["ann"], ["-oQ/tmp"]),
        ("ann bob", [], ["ann bob"]),
        ("|/bin/sh", [], ["|/bin/sh"]),
        ("/var/mail/x", [], ["/var/mail/x"]),
        ("ann\nBcc: eve", [], ["ann\nBcc: eve"]),
        ("ann\x00", [], ["ann\x00"]),
        ("$USER", [], ["$USER"]),
        ("é@x.org", [], ["é@x.org"]),
        ("Ann <ann@x.org>, ann@x.org", ["ann@x.org"], []),
        ("Ann <-X/tmp/log>", [], ["Ann <-X/tmp/log>"]),
        ("<a><b>", [], ["<a><b>"]),
        ("x" * 320, ["x" * 320], []),
        ("x" * 321, [], ["x" * 321]),
        ("", [], []),
    ],
)
def test_only_what_cannot_be_an_option_is_an_address(
    listed: str, good: list[str], bad: list[str]
) -> None:
    assert addresses(listed) == (tuple(good), tuple(bad))


def test_the_subject_and_the_sender_are_those_of_cron() -> None:
    message = read(detail(b"done\n"))
    assert message["Subject"] == "Cron <ann@db1> /usr/sbin/backup"
    assert message["From"] == "Cron Daemon <ann>"
    assert message["To"] == "ops@example.com"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"] == "Sat, 21 Nov 2026 02:30:07 +0000"
    assert message["X-Cronjob-Run"] == "backup@2026-11-21T01:30Z"
    assert message["X-Cronjob-Outcome"] == "succeeded"


def test_the_subject_of_a_failure_says_so() -> None:
    failed = detail(b"", codes=(1,), outcome=RunOutcome.GAVE_UP)
    assert read(failed)["Subject"] == "Cron <ann@db1> /usr/sbin/backup (gave-up)"


def test_without_mailto_the_user_is_mailed() -> None:
    assert mail(detail(b"x"), TO_OPS._replace(target="")).recipients == ("ann",)


def test_mailfrom_is_the_sender_of_letter_and_envelope() -> None:
    notice = TO_OPS._replace(sender="cron@example.com")
    assert read(detail(b"x"), notice)["From"] == "Cron Daemon <cron@example.com>"
    assert mail(detail(b"x"), notice).sender == "cron@example.com"
    assert mail(detail(b"x"), notice._replace(sender="C <c@x.org>")).sender == "c@x.org"


@pytest.mark.parametrize("sender", ["-X/tmp/log", "a b", "x\r\nBcc: eve@x.org"])
def test_a_mailfrom_that_is_no_address_is_told_and_not_used(sender: str) -> None:
    found = mail(detail(b"x"), TO_OPS._replace(sender=sender))
    assert (found.sender, found.recipients) == ("", ("ops@example.com",))
    assert found.problems[0].startswith("MAILFROM: ")
    assert b"From: Cron Daemon <ann>" in found.text


def test_addresses_that_are_none_are_told_and_the_others_used() -> None:
    found = mail(detail(b"x"), TO_OPS._replace(target="-X/tmp/log,ann"))
    assert (found.recipients, found.problems) == (("ann",), ('MAILTO: "-X/tmp/log" is no address',))


@pytest.mark.parametrize("where", ["command", "content_type", "transfer_encoding", "sender"])
def test_no_text_of_a_table_makes_a_header(where: str) -> None:
    evil = "x\r\nBcc: eve@example.com\r\n\r\nhello"
    about, notice = detail(b"out\n"), TO_OPS
    if where == "command":
        about = detail(b"out\n", command=evil)
    else:
        notice = Notice(**{**notice._asdict(), where: evil})
    head = mail(about, notice).text.split(b"\n\n")[0].decode("ascii")
    assert "\r" not in head
    assert not re.search(r"^bcc", head, re.IGNORECASE | re.MULTILINE)
    assert message_from_bytes(mail(about, notice).text)["Bcc"] is None


def test_a_long_list_of_recipients_is_folded_and_stays_a_list() -> None:
    many = [f"user{number}@a-long-name.example.com" for number in range(1000)]
    message = read(detail(b"x"), TO_OPS._replace(target=",".join(many)))
    assert "".join(str(message["To"]).split()).split(",") == many
    head = mail(detail(b"x"), TO_OPS._replace(target=",".join(many))).text.split(b"\n\n")[0]
    assert max(map(len, head.splitlines())) <= 998


@pytest.mark.parametrize(
    "command", ["/opt/é/b", "echo \udcff", "x" * 5000, "𝔘" * 200, "a\tb\x1b[31m", "", "é" * 300]
)
def test_any_command_makes_a_subject_in_ascii_without_long_lines(command: str) -> None:
    head = mail(detail(b"x", command=command)).text.split(b"\n\n")[0]
    assert head.isascii()
    assert max(map(len, head.splitlines())) <= 998
    said = str(make_header(decode_header(message_from_bytes(head + b"\n\n")["Subject"])))
    assert said.startswith(f"Cron <ann@db1> {command[:1].replace(chr(0xDCFF), '?')}".strip())
    assert not re.search(r"[\x00-\x1f]", said)


def test_one_attempt_is_told_as_cron_does_with_the_facts_below() -> None:
    assert text(detail(b"one\ntwo\n")).decode() == (
        "one\n"
        "two\n"
        "\n"
        "backup@2026-11-21T01:30Z: succeeded\n"
        "from /etc/cronjob.tab\n"
        "attempt  started               took  ended\n"
        "1        2026-11-21 01:30:00Z  1.5s  succeeded: exit status 0\n"
    )


def test_all_attempts_are_in_one_mail_each_with_its_output() -> None:
    gave_up = detail(
        *(b"first\n", None, b"third"),
        codes=(75, 75, 1),
        outcome=RunOutcome.GAVE_UP,
        why="retries are exhausted",
    )
    assert text(gave_up).decode() == (
        "Attempt 1 printed:\n"
        "first\n"
        "\n"
        "Attempt 3 printed:\n"
        "third\n"
        "\n"
        "backup@2026-11-21T01:30Z: gave-up: retries are exhausted\n"
        "from /etc/cronjob.tab\n"
        "attempt  started               took  ended\n"
        "1        2026-11-21 01:30:00Z  1.5s  failed: exit status 75\n"
        "2        2026-11-21 01:31:00Z  1.5s  failed: exit status 75\n"
        "3        2026-11-21 01:32:00Z  1.5s  failed: exit status 1\n"
    )


def test_a_run_without_output_or_attempts_says_so() -> None:
    assert text(detail(None)).startswith(b"It printed nothing.\n\nbackup@")
    skipped = text(detail(outcome=RunOutcome.SKIPPED, why="an earlier run is going"))
    assert skipped.decode() == (
        "It printed nothing.\n\n"
        "backup@2026-11-21T01:30Z: skipped: an earlier run is going\n"
        "from /etc/cronjob.tab\n"
    )


def test_a_long_output_says_what_is_left_out() -> None:
    kept = Kept(b"h" * HEAD, b"t" * TAIL, left_out=36_000)
    body = text(detail(kept))
    assert b"... 36000 bytes left out\n" in body
    assert HEAD + TAIL < len(body) < HEAD + TAIL + 1000


def test_a_mail_is_bounded_and_keeps_the_last_outputs() -> None:
    outputs = [Kept(b"h" * HEAD, b"t" * TAIL, left_out=1) for _ in range(40)]
    body = text(detail(*outputs[:-1], b"the last\n", codes=(1,) * 40))
    assert len(body) < MOST_OUTPUT + 10_000
    assert b"Attempt 1 printed:\n... 65537 bytes left out\n" in body
    assert b"Attempt 39 printed:\nhhhh" in body
    assert b"Attempt 40 printed:\nthe last\n" in body


def test_output_that_is_no_utf8_reaches_the_reader_as_it_is() -> None:
    message = read(detail(b"caf\xe9\n"))
    assert message["Content-Type"] == "text/plain; charset=unknown-8bit"
    assert text(detail(b"caf\xe9\n")).startswith(b"caf\xe9\n")


@pytest.mark.parametrize("output", [b"x" * 5000, b"a\rb\n", b"\0", b"\r\n"])
def test_output_that_mail_cannot_carry_is_encoded_and_complete(output: bytes) -> None:
    message = read(detail(output))
    assert message["Content-Transfer-Encoding"] == "base64"
    assert text(detail(output)).startswith(output)
    assert max(map(len, mail(detail(output)).text.splitlines())) <= 998


@pytest.mark.parametrize(
    ("kind", "encoding", "alone"),
    [
        ("", "", False),
        ("text/plain; charset=iso-8859-1", "", False),
        ("", "8bit", False),
        ("text/html", "", True),
        ("", "base64", True),
        ("Text/HTML; charset=utf-8", "quoted-printable", True),
    ],
)
def test_output_of_a_kind_of_its_own_stands_alone(kind: str, encoding: str, alone: bool) -> None:
    notice = TO_OPS._replace(content_type=kind, transfer_encoding=encoding)
    message, raw = read(detail(b"PGI+\n"), notice), mail(detail(b"PGI+\n"), notice).text
    assert message["Content-Type"] == (kind or "text/plain; charset=utf-8")
    assert message["Content-Transfer-Encoding"] == (encoding or "8bit")
    assert (raw.partition(b"\n\n")[2] == b"PGI+\n") is alone


def test_the_same_run_has_the_same_message_id_and_another_a_different_one() -> None:
    about = detail(b"x")
    other = about._replace(row=about.row._replace(key="backup@2026-11-22T01:30Z"))
    first, again, second = (read(one)["Message-ID"] for one in (about, about, other))
    assert first == again != second
    assert re.fullmatch(r"<[0-9a-f]{32}\.cronjob@db1>", first)


def test_a_hook_is_told_the_facts_and_is_no_attempt() -> None:
    about = detail(b"1\n", None, codes=(75, 3), outcome=RunOutcome.GAVE_UP, why="too\0late")
    assert hook_environment(about, NoticeKind.ON_GIVE_UP) == {
        "CRONJOB_EVENT": "on-give-up",
        "CRONJOB_NAME": "backup",
        "CRONJOB_RUN": "backup@2026-11-21T01:30Z",
        "CRONJOB_FIRE_TIME": "2026-11-21T01:30:00Z",
        "CRONJOB_OUTCOME": "gave-up",
        "CRONJOB_WHY": "too late",
        "CRONJOB_ATTEMPTS": "2",
        "CRONJOB_EXIT_STATUS": "3",
        "CRONJOB_SIGNAL": "",
    }


def test_a_hook_reads_what_the_last_attempt_printed() -> None:
    assert hook_input(detail(b"1\n", b"2\n\xff")) == b"2\n\xff\n"
    assert hook_input(detail(b"1\n", None)) == b""
    assert hook_input(detail()) == b""
