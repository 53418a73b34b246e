"""The mail about a run that is over: its recipients, its headers, its text.

It is cron's mail (cronie and Debian do_command.c): the same subject, senders and settings, the
output first.  Unlike theirs it is one for all attempts of a run, says how the run ended, and never
tells the command's environment.  No text of a table, a command or an output gets into a header
with its line breaks, nor into the arguments of a program unless it is an address.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from textwrap import wrap
from typing import NamedTuple

from cronjob.core.attempt import Attempt
from cronjob.core.notice import Notice
from cronjob.core.outcome import FAILURES, Outcome
from cronjob.core.output import Kept
from cronjob.core.query import RunDetail
from cronjob.core.report import ending_words
from cronjob.core.words import counted, seconds
from cronjob.errors import quoted

MOST_OUTPUT = 1 << 20  #: bytes of output in one mail; of more, that of the last attempts
MOST_SHOWN = 100  #: attempts in the table of a mail; of more, the last
LONGEST_SUBJECT = 250  #: characters of it that are the command
LONGEST_LINE = 990  #: bytes; RFC 5322 2.1.1 allows 998
CHUNK = 42  #: bytes in an encoded word of a header; RFC 2047 2 allows words of 75 characters
LINE = 57  #: bytes in a line of base64; RFC 2045 6.8 allows 76 characters

#: An address that is an argument of a program, and may not be taken for an option; cronie's
#: `safe_p` (do_command.c), Debian's `=` and the names of system users that begin with `_`.
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9@!:%._+=-]{0,319}", re.ASCII)
_NAMED = re.compile(r"[^<>]*<([^<>]*)>")
#: The transfer encodings that leave the text as it is (RFC 2045 6.2).
_PLAIN_ENCODINGS = ("", "7bit", "8bit", "binary")


class Mail(NamedTuple):
    """What a sendmail is given: its recipients and its standard input."""

    recipients: tuple[str, ...]
    sender: str  #: of the envelope; empty: the user that sends it
    text: bytes
    problems: tuple[str, ...]  #: what of `MAILTO` and `MAILFROM` could not be used, for people


def addresses(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The addresses of a list with commas between them: the good ones, and those that are none.

    >>> addresses("ann, ops@example.com, -oQ/tmp, ann")
    (('ann', 'ops@example.com'), ('-oQ/tmp',))
    """
    items = dict.fromkeys(item for part in text.split(",") if (item := part.strip()))
    found = {item: _address(item) for item in items}
    good = dict.fromkeys(address for address in found.values() if address)
    return tuple(good), tuple(item for item, address in found.items() if not address)


def _address(item: str) -> str:
    """The address itself, of `Ann <ann@example.com>` too; empty when it is none."""
    if match := _NAMED.fullmatch(item):
        item = match[1]
    return item if _SAFE.fullmatch(item) else ""


def compose(detail: RunDetail, notice: Notice, *, user: str, host: str) -> Mail:
    """The mail about this run; `user` is the account that sends it, `host` this machine.

    Without any recipient there is nobody to send it to; the problems then say why.
    """
    recipients, unsafe = addresses(notice.target or user)
    problems = [f"MAILTO: {quoted(item)} is no address" for item in unsafe]
    sender = _address(notice.sender.strip())
    if notice.sender.strip() and not sender:
        problems.append(f"MAILFROM: {quoted(notice.sender.strip())} is no address")
    host = detail.host or host  # where it ran, if it did
    head = {**_sent(sender or user, recipients), **_about(detail, user, host), **_kind(notice)}
    return Mail(recipients, sender, _joined(head, _body(detail, notice)), tuple(problems))


def _sent(sender: str, recipients: Sequence[str]) -> dict[str, str]:
    return {"From": f"Cron Daemon <{sender}>", "To": ", ".join(recipients)}


def _about(detail: RunDetail, user: str, host: str) -> dict[str, str]:
    row, command = detail.row, detail.command
    if len(command) > LONGEST_SUBJECT:
        command = command[: LONGEST_SUBJECT - 1] + "…"
    ended = f" ({row.outcome})" if row.outcome in FAILURES else ""
    digest = sha256(f"{host} {row.key}".encode("utf-8", "replace")).hexdigest()[:32]
    return {
        "Subject": f"Cron <{user}@{host}> {command}{ended}",
        "Date": _date(row.over_at or row.fire),
        # The same for the same run, so that one which is sent again after a crash is known.
        "Message-ID": f"<{digest}.cronjob@{re.sub('[^A-Za-z0-9.-]', '-', host)}>",
        "X-Cronjob-Run": row.key,
        "X-Cronjob-Outcome": str(row.outcome or ""),
    }


def _kind(notice: Notice) -> dict[str, str]:
    return {
        "Auto-Submitted": "auto-generated",
        "Precedence": "bulk",
        "MIME-Version": "1.0",
        "Content-Type": notice.content_type,
        "Content-Transfer-Encoding": notice.transfer_encoding,
    }


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = (*("Jan", "Feb", "Mar", "Apr", "May", "Jun"), *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"))


def _date(at: datetime) -> str:
    """As RFC 5322 3.3 has it, whatever the locale."""
    return f"{_DAYS[at.weekday()]}, {at.day} {_MONTHS[at.month - 1]} {at:%Y %H:%M:%S} +0000"


def _joined(head: dict[str, str], body: bytes) -> bytes:
    """Headers and text; the text is encoded when a mail cannot carry it as it is."""
    if not head["Content-Type"]:
        head["Content-Type"] = f"text/plain; charset={_charset(body)}"
    if not head["Content-Transfer-Encoding"]:
        encoded = re.search(rb"[\0\r]|[^\n]{%d}" % (LONGEST_LINE + 1), body) is not None
        head["Content-Transfer-Encoding"] = "base64" if encoded else "8bit"
        body = _base64(body) if encoded else body
    lines = [_header(name, value) for name, value in head.items()]
    return "\n".join([*lines, "", ""]).encode("ascii") + body


def _charset(body: bytes) -> str:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return "unknown-8bit"  # RFC 1428 3
    return "utf-8"


def _base64(body: bytes) -> bytes:
    lines = (b64encode(body[start : start + LINE]) for start in range(0, len(body), LINE))
    return b"".join(line + b"\n" for line in lines)


def _header(name: str, value: str) -> str:
    """One header, whatever the value: no control character, all ASCII, no line too long."""
    value = re.sub(r"[\x00-\x1f\x7f]+", " ", value).strip()
    folded = wrap(value, LONGEST_LINE - len(name), break_long_words=False, break_on_hyphens=False)
    if value.isascii() and all(len(line) <= LONGEST_LINE - len(name) for line in folded):
        return f"{name}: " + "\n ".join(folded)
    return f"{name}: " + "\n ".join(
        f"=?utf-8?B?{b64encode(word).decode('ascii')}?=" for word in _words(value)
    )


def _words(text: str) -> Iterator[bytes]:
    """`text` as UTF-8 in parts, none of which ends within a character (RFC 2047 5)."""
    part = b""
    for character in text:
        encoded = character.encode("utf-8", "replace")
        if len(part) + len(encoded) > CHUNK:
            yield part
            part = b""
        part += encoded
    yield part


def _body(detail: RunDetail, notice: Notice) -> bytes:
    """The output, and what there is to say about the run.

    Where settings of the table say what the output is, and it is no plain text, it stands alone.
    """
    kind = notice.content_type.partition(";")[0].strip().lower()
    encoding = notice.transfer_encoding.strip().lower()
    outputs = _within(detail.outputs)
    if kind in ("", "text/plain") and encoding in _PLAIN_ENCODINGS:
        return b"".join(_described(detail, outputs))
    return b"".join(kept.text() for kept in outputs if kept is not None)


def _within(outputs: Sequence[Kept | None]) -> tuple[Kept | None, ...]:
    """Those outputs of the last attempts that a mail has room for; the others say their size."""
    room = MOST_OUTPUT
    found: list[Kept | None] = []
    for kept in reversed(outputs):
        size = len(kept.head) + len(kept.tail) if kept is not None else 0
        room -= size
        found.append(kept if kept is None or room >= 0 else Kept(left_out=size + kept.left_out))
    return tuple(reversed(found))


def _described(detail: RunDetail, outputs: Sequence[Kept | None]) -> Iterator[bytes]:
    several = len(detail.attempts) > 1
    for attempt, kept in zip(detail.attempts, outputs, strict=False):
        if kept is None:
            continue
        if several:
            yield b"Attempt %d printed:\n" % attempt.number
        yield kept.text()
        if several:
            yield b"\n"
    if not any(outputs):
        yield b"It printed nothing.\n"
    if not several:
        yield b"\n"
    yield _encoded(_facts(detail))


def _facts(detail: RunDetail) -> Iterator[str]:
    row = detail.row
    why = f": {row.why}" if row.why else ""
    yield f"{row.key}: {row.outcome or 'not over'}{why}"
    yield f"from {detail.source}"
    hidden = len(detail.attempts) - MOST_SHOWN
    if hidden > 0:
        yield f"{counted(hidden, 'earlier attempt')} not shown"
    rows = [_row(attempt) for attempt in detail.attempts[-MOST_SHOWN:]]
    if rows:
        rows.insert(0, ("attempt", "started", "took", "ended"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)] if rows else []
    for cells in rows:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)]
        yield "  ".join([*padded, cells[3]])


def _row(attempt: Attempt) -> tuple[str, str, str, str]:
    ran = attempt.outcome is not Outcome.NOT_STARTED and attempt.seconds
    took = seconds(attempt.seconds) if ran else "-"
    return str(attempt.number), f"{attempt.launched:%F %T}Z", took, ending_words(attempt)


def _encoded(lines: Iterator[str]) -> bytes:
    """The lines of ours; what comes from a table or a launcher is one line, too."""
    safe = (re.sub(r"[\x00-\x1f\x7f]+", " ", line) for line in lines)
    return "".join(f"{line}\n" for line in safe).encode("utf-8", "replace")
