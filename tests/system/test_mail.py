"""Mails and hooks of a real daemon, with a program in the place of sendmail."""

import os
import pwd
import signal
import tempfile
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from cronjob.host.identity import own_name
from tests.system.daemon_process import RootedDaemon

#: Whose commands run: somebody else, where that is possible.
USER = "nobody" if os.geteuid() == 0 else own_name()
KEEP = "cat > {inbox}/.$$; id -un > {inbox}/$$.user; mv {inbox}/.$$ {inbox}/$$.mail"


@pytest.fixture
def place() -> Iterator[Path]:
    """The root of a daemon, which every user may enter, with an inbox for everybody's mail."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "inbox").mkdir()
        (root / "inbox").chmod(0o777)
        (root / "etc").mkdir()
        yield root


def write_sendmail(place: Path, script: str = KEEP) -> None:
    path = place / "sendmail"
    path.write_text(f"#!/bin/sh\n{script.format(inbox=place / 'inbox')}\n")
    path.chmod(0o755)


def daemon(place: Path, table: str, config: str = "") -> RootedDaemon:
    """A daemon on this table."""
    (place / "etc/cronjob.toml").write_text(f'mail.sendmail = "{place}/sendmail"\n{config}')
    (place / "etc/cronjob.tab").write_text(table.format(user=USER, inbox=place / "inbox"))
    return RootedDaemon(place)


def mails(place: Path) -> list[Message]:
    paths = sorted((place / "inbox").glob("*.mail"), key=lambda path: path.stat().st_mtime_ns)
    return [message_from_bytes(path.read_bytes()) for path in paths]


def test_a_run_is_one_mail_of_all_its_attempts_sent_by_its_user(place: Path) -> None:
    write_sendmail(place)
    line = "@reboot name=flaky retry=2,0s {user} echo try $CRONJOB_ATTEMPT; exit 75"
    with daemon(place, f"MAILTO=ops@example.com\n{line}\n@reboot name=mute {{user}} true\n") as one:
        one.wait_for("flaky@.*: mail to ops@example.com: done$")
    (mail,) = mails(place)
    assert mail["To"] == "ops@example.com"
    assert mail["Subject"].startswith(f"Cron <{USER}@")
    assert mail["Subject"].endswith("echo try $CRONJOB_ATTEMPT; exit 75 (gave-up)")
    body = str(mail.get_payload())
    assert body.startswith("Attempt 1 printed:\ntry 1\n\nAttempt 2 printed:\ntry 2\n\n")
    assert body.count("failed: exit status 75") == 3
    (sender,) = (place / "inbox").glob("*.user")
    assert sender.read_text() == f"{USER}\n"
    assert sender.stat().st_uid == pwd.getpwnam(USER).pw_uid


def test_mail_on_failure_only_and_never_and_to_nobody(place: Path) -> None:
    write_sendmail(place)
    table = (
        "@reboot name=good mail=failure {user} echo good\n"
        "@reboot name=bad mail=failure {user} false\n"
        "@reboot name=always mail=always {user} true\n"
        "@reboot name=never mail=never {user} echo never; false\n"
        "MAILTO=\n"
        "@reboot name=nobody on-success=none on-failure=none {user} echo nobody; false\n"
    )
    config = 'hooks.on-success = "true"\nhooks.on-failure = "true"\n'
    with daemon(place, table, config) as one:
        one.wait_for(r"mail to \w+: done$", 2)
        one.wait_for(r"@.*: on-(failure|success): done$", 4)
        one.wait_for("nobody@.*attempt 1 failed")
    names = {mail["X-Cronjob-Run"].partition("@")[0] for mail in mails(place)}
    assert names == {"bad", "always"}


def test_hooks_follow_as_the_run_s_user_and_their_failure_is_told_and_repeats_nothing(
    place: Path,
) -> None:
    write_sendmail(place)
    config = (
        """hooks.on-failure = 'echo "$CRONJOB_RUN $CRONJOB_EXIT_STATUS"; cat; exit 9'\n"""
        """hooks.on-give-up = 'id -un'\n"""
        """hooks.on-success = 'echo fine'\n"""
    )
    table = (
        "MAILTO=\n"
        "@reboot name=bad retry=1,0s {user} echo oops; exit 3\n"
        '@reboot name=good on-success="echo $CRONJOB_NAME is $CRONJOB_OUTCOME" {user} true\n'
    )
    with daemon(place, table, config) as one:
        one.wait_for("bad@[^ ]*: on-failure: exit status 9$")
        one.wait_for("good@[^ ]*: on-success: good is succeeded$")
        one.wait_for("good@[^ ]*: on-success: done$")
        one.wait_for(f"bad@[^ ]*: on-give-up: {USER}$")
        one.wait_for(r"bad@(\S*): on-failure: bad@\1 3$")
        one.wait_for("bad@[^ ]*: on-failure: oops$")
    assert len([line for line in one.log if " attempt 2 started" in line]) == 1
    assert not [line for line in one.log if " attempt 3 started" in line]


def test_a_mail_that_a_crash_cut_short_is_sent_by_the_next_daemon(place: Path) -> None:
    os.mkfifo(place / "up")
    (place / "up").chmod(0o666)
    write_sendmail(place, f"cat > {{inbox}}/half; echo up > {place}/up; sleep 300")
    first = daemon(place, "@reboot name=job {user} echo printed\n")
    with first:
        assert (place / "up").read_text() == "up\n"
        first.signal(signal.SIGKILL)
        assert first.wait() == -signal.SIGKILL
    write_sendmail(place)
    with daemon(place, "@reboot name=job {user} echo printed\n") as second:
        second.wait_for(f"job@.*: mail to {USER}: done$")
    assert not [line for line in second.log if "attempt 1 started" in line]
    (mail,) = mails(place)
    half = message_from_bytes((place / "inbox/half").read_bytes())
    assert mail["Message-ID"] == half["Message-ID"]
    assert str(mail.get_payload()).startswith("printed\n")
    with daemon(place, "@reboot name=job {user} echo printed\n") as third:
        pass
    assert not [line for line in third.log if "mail to" in line]


def test_what_a_run_printed_that_the_stop_ended_is_mailed(place: Path) -> None:
    write_sendmail(place)
    with daemon(place, "@reboot name=job {user} echo begun; exec sleep 300\n") as one:
        one.wait_for("job: begun")
    (mail,) = mails(place)
    assert mail["X-Cronjob-Outcome"] == "cancelled"
    assert str(mail.get_payload()).startswith("begun\n")


def test_a_mail_that_hangs_does_not_hold_a_stop_for_long(place: Path) -> None:
    os.mkfifo(place / "up")
    (place / "up").chmod(0o666)
    write_sendmail(place, f"trap '' TERM; echo $$ > {place}/up; while :; do sleep 300; done")
    with daemon(place, "@reboot name=job {user} echo printed\n") as one:
        pid = (place / "up").read_text().strip()
    assert [line for line in one.log if "1 mail or hook left to the next start" in line]
    assert not Path(f"/proc/{pid}").exists()
    write_sendmail(place)
    with daemon(place, "@reboot name=job {user} echo printed\n") as two:
        two.wait_for(f"job@.*: mail to {USER}: done$")


def test_without_an_mta_that_is_said_once_and_the_output_is_kept(place: Path) -> None:
    table = "@reboot name=a {user} echo a\n@reboot name=b {user} echo b\n"
    with daemon(place, table + "@reboot name=c on-success=true {user} echo c\n") as one:
        one.wait_for("c@.*: on-success: done$")
        one.wait_for("[ab]@.*: attempt 1 succeeded", 2)
    said = [line for line in one.log if "no mail is sent: there is no program" in line]
    assert len(said) == 1
