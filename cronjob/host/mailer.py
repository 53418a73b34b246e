"""Wraps sendmail: finds it, and says how it is started."""

import os
from collections.abc import Mapping

from cronjob.core.mail import Mail
from cronjob.host.accounts import Account
from cronjob.ports import Command

#: Where systems have it (FHS 3.0 4.7 and 4.10.2).
PLACES = ("/usr/sbin/sendmail", "/usr/lib/sendmail")


def places_of_sendmail(configured: str | None) -> tuple[str, ...]:
    """Where it is looked for."""
    return PLACES if configured is None else (configured,)


def find_sendmail(configured: str | None) -> str | None:
    """The program that takes mail; None when there is none now."""
    for place in places_of_sendmail(configured):
        if os.path.isfile(place) and os.access(place, os.X_OK):
            return place
    return None


def mail_command(
    sendmail: str, mail: Mail, account: Account, environment: Mapping[str, str]
) -> Command:
    """What hands the mail over, as Debian's cron does (do_command.c): as the user, never as root.

    A dot alone on a line is text (`-i`); what cannot be delivered comes back as mail (`-oem`).
    """
    sender = (f"-f{mail.sender}",) if mail.sender else ()
    return Command(
        argv=(sendmail, "-FCronDaemon", "-i", "-B8BITMIME", "-oem", *sender, *mail.recipients),
        environment=environment,
        cwd=account.home,
        uid=account.uid,
        gid=account.gid,
        groups=account.groups,
        stdin=mail.text.decode("utf-8", "surrogateescape"),
    )
