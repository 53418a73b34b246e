"""Which mails and hooks follow the end of a run."""

import pytest

from cronjob.core.config import Hooks
from cronjob.core.entry import Entry
from cronjob.core.notice import Notice, NoticeKind
from cronjob.core.outcome import FAILURES, RunOutcome
from cronjob.core.table import parse_table
from cronjob.core.telling import notices

EVERYBODYS = Hooks(on_failure="alert", on_success="cheer", on_give_up="page")


def entry(fields: str = "", settings: str = "") -> Entry:
    table = parse_table(f"{settings}\n@daily {fields} ann true\n", source="t", zone="UTC")
    assert not table.errors, table.errors
    return table.entries[0]


def after(outcome: str, fields: str = "", settings: str = "", printed: bool = False) -> list[str]:
    """The kinds and targets of the notices."""
    found = notices(entry(fields, settings), RunOutcome(outcome), printed, Hooks())
    return [f"{notice.kind} {notice.target}".strip() for notice in found]


@pytest.mark.parametrize("outcome", RunOutcome)
def test_cron_s_rule_is_a_mail_when_anything_was_printed(outcome: RunOutcome) -> None:
    assert after(outcome) == []
    assert after(outcome, printed=True) == ["mail"]


@pytest.mark.parametrize("outcome", RunOutcome)
@pytest.mark.parametrize("printed", [False, True])
def test_the_field_mail_decides_whatever_was_printed(outcome: RunOutcome, printed: bool) -> None:
    assert after(outcome, "mail=always", printed=printed) == ["mail"]
    assert after(outcome, "mail=never", printed=printed) == []
    failed = ["mail"] if outcome in FAILURES else []
    assert after(outcome, "mail=failure", printed=printed) == failed


def test_a_run_that_somebody_ended_or_that_was_not_to_begin_is_no_failure() -> None:
    others = {RunOutcome.SUCCEEDED, RunOutcome.CANCELLED, RunOutcome.SKIPPED, RunOutcome.MISSED}
    assert set(RunOutcome) - FAILURES == others


@pytest.mark.parametrize(
    ("settings", "targets"),
    [
        ("", ["mail"]),  # the user
        ("MAILTO=ops@example.com", ["mail ops@example.com"]),
        ("MAILTO=ann,bob", ["mail ann,bob"]),
        ('MAILTO=""', []),
        ('MAILTO=" "', []),
        ("MAILTO=", []),
    ],
)
def test_mailto_says_who_is_mailed_and_an_empty_one_is_nobody(
    settings: str, targets: list[str]
) -> None:
    assert after("failed", "mail=always", settings) == targets


def test_a_mail_keeps_what_the_table_says_about_it() -> None:
    settings = "MAILTO=ops\nMAILFROM=cron@x.org\nCONTENT_TYPE=text/html\n"
    settings += "CONTENT_TRANSFER_ENCODING=quoted-printable"
    (notice,) = notices(entry("", settings), RunOutcome.SUCCEEDED, True, Hooks())
    assert notice == Notice(
        NoticeKind.MAIL, "ops", "ann", "cron@x.org", "text/html", "quoted-printable"
    )


@pytest.mark.parametrize(
    ("outcome", "kinds"),
    [
        ("succeeded", ["on-success a"]),
        ("failed", ["on-failure b"]),
        ("not-started", ["on-failure b"]),
        ("lost", ["on-failure b"]),
        ("gave-up", ["on-failure b", "on-give-up c"]),
        ("cancelled", []),
        ("skipped", []),
        ("missed", []),
    ],
)
def test_hooks_follow_success_every_failure_and_giving_up(outcome: str, kinds: list[str]) -> None:
    assert after(outcome, "on-success=a on-failure=b on-give-up=c") == kinds


@pytest.mark.parametrize(
    ("fields", "kinds"),
    [
        ("", ["on-failure alert", "on-give-up page"]),
        ('on-failure="logger x y"', ["on-failure logger x y", "on-give-up page"]),
        ("on-failure=none on-give-up=none", []),
    ],
)
def test_the_hook_of_an_entry_replaces_the_one_of_all_and_none_undoes_it(
    fields: str, kinds: list[str]
) -> None:
    found = notices(entry(fields), RunOutcome.GAVE_UP, False, EVERYBODYS)
    assert [f"{notice.kind} {notice.target}" for notice in found] == kinds
    assert {notice.user for notice in found} <= {"ann"}


def test_none_undoes_a_default_and_what_holds_for_all() -> None:
    text = "@defaults on-failure=a\n@daily on-failure=none ann true\n@daily ann true\n"
    undone, kept = parse_table(text, source="t", zone="UTC").entries
    assert (undone.fields.on_failure, kept.fields.on_failure) == ("", "a")
