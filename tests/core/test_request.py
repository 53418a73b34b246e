"""The lines of the control socket, read."""

from datetime import UTC, datetime

import pytest

from cronjob.core.request import (
    HistoryRequest,
    KillRequest,
    LogsRequest,
    Request,
    RequestError,
    RunRequest,
    ShowRequest,
    StatusRequest,
    read_request,
)

ALLOWED = '"status", "run", "kill", "history", "show" or "logs"'
GOOD: list[tuple[str, Request]] = [
    ('{"version": 1, "verb": "status"}', StatusRequest()),
    ('{"verb": "run", "version": 1, "entry": "a"}', RunRequest("a")),
    (
        '{"version": 1, "verb": "run", "entry": "a", "wait": true, "force": true, "lender": "b@c"}',
        RunRequest("a", wait=True, force=True, lender="b@c"),
    ),
    ('{"version": 1, "verb": "kill", "subject": "a@b"}', KillRequest("a@b")),
    ('{"version": 1, "verb": "kill", "subject": "\\udcff"}', KillRequest("\udcff")),
    ('{"version": 1, "verb": "history"}', HistoryRequest()),
    (
        '{"version": 1, "verb": "history", "since": "2026-11-21T09:30:00+01:00", "limit": 1000}',
        HistoryRequest(since=datetime(2026, 11, 21, 8, 30, tzinfo=UTC), limit=1000),
    ),
    (
        '{"version": 1, "verb": "history", "entry": "a", "outcomes": ["failed", "lost"]}',
        HistoryRequest(entry="a", outcomes=("failed", "lost")),
    ),
    ('{"version": 1, "verb": "show", "subject": "a"}', ShowRequest("a")),
    ('{"version": 1, "verb": "logs", "subject": "a", "follow": true}', LogsRequest("a", True)),
]
BAD: list[tuple[bytes, str]] = [
    (b"", '"" is no request; allowed is a line of JSON'),
    (b"GET / HTTP/1.1\r", r'"GET / HTTP/1.1\r" is no request; allowed is a line of JSON'),
    (b"\xff\xfe", r'"\xff\xfe" is no request; allowed is a line of JSON'),
    (b"[" * 60_000, f'"{"[" * 39}…" is no request; allowed is a line of JSON'),
    (b"9" * 5000, f'"{"9" * 39}…" is no request; allowed is a line of JSON'),
    (b"7", '"7" is no request; allowed is an object'),
    (b"[]", "a list is no request; allowed is an object"),
    (b"null", "none is no request; allowed is an object"),
    (b"{}", "version none is not known; allowed is 1"),
    (b'{"version": 2, "verb": "status"}', 'version "2" is not known; allowed is 1'),
    (b'{"version": true, "verb": "status"}', 'version "true" is not known; allowed is 1'),
    (b'{"version": {}}', "version an object is not known; allowed is 1"),
    (b'{"version": 1}', f"verb none is not known; allowed is {ALLOWED}"),
    (
        b'{"version": 1, "verb": "halt"}',
        f'verb "halt" is not known; allowed is {ALLOWED}',
    ),
    (
        b'{"version": 1, "verb": ["run"]}',
        f"verb a list is not known; allowed is {ALLOWED}",
    ),
    (b'{"version": 1, "verb": "status", "x": 1}', 'status has no member "x"; it has none'),
    (
        b'{"version": 1, "verb": "kill", "entry": "a"}',
        'kill has no member "entry"; allowed is "subject"',
    ),
    (b'{"version": 1, "verb": "run"}', 'run needs the member "entry"'),
    (b'{"version": 1, "verb": "run", "entry": 1}', 'entry is "1"; allowed is a string'),
    (
        b'{"version": 1, "verb": "show", "subject": "\\ud800"}',
        r'subject is "\ud800"; allowed is a string',
    ),
    (
        b'{"version": 1, "verb": "run", "entry": "a", "wait": "yes"}',
        'wait is "yes"; allowed is true or false',
    ),
    (
        b'{"version": 1, "verb": "run", "entry": "a", "wait": 1}',
        'wait is "1"; allowed is true or false',
    ),
    (
        b'{"version": 1, "verb": "history", "limit": true}',
        'limit is "true"; allowed is a number from 1 to 1000',
    ),
    (
        b'{"version": 1, "verb": "history", "limit": 1001}',
        'limit is "1001"; allowed is a number from 1 to 1000',
    ),
    (
        b'{"version": 1, "verb": "history", "since": "2026-11-21T09:30:00"}',
        'since is "2026-11-21T09:30:00"; allowed is a string like 2026-11-21T09:30:00Z',
    ),
    (
        b'{"version": 1, "verb": "history", "until": "0001-01-01T00:00:00+10:00"}',
        'until is "0001-01-01T00:00:00+10:00"; allowed is a string like 2026-11-21T09:30:00Z',
    ),
    (
        b'{"version": 1, "verb": "history", "outcomes": [1]}',
        "outcomes is a list; allowed is a list of strings",
    ),
]


@pytest.mark.parametrize(("line", "request_"), GOOD)
def test_a_good_line_is_a_request(line: str, request_: Request) -> None:
    assert read_request(line.encode()) == request_


@pytest.mark.parametrize(("line", "message"), BAD)
def test_a_bad_line_is_told_with_what_is_allowed(line: bytes, message: str) -> None:
    with pytest.raises(RequestError) as raised:
        read_request(line)
    assert str(raised.value) == message
