"""A notice of a run that is over: a mail or a hook."""

from enum import StrEnum
from typing import NamedTuple


class NoticeKind(StrEnum):
    """The kinds of notices; a run has at most one of each."""

    MAIL = "mail"
    ON_FAILURE = "on-failure"
    ON_SUCCESS = "on-success"
    ON_GIVE_UP = "on-give-up"


class Notice(NamedTuple):
    """One notice, with all that is needed to send it after a restart too."""

    kind: NoticeKind
    target: str  #: the recipients of a mail as `MAILTO` has them, empty: its user; or a hook
    user: str | None  #: the account that sends it; None: the daemon's own
    sender: str = ""  #: MAILFROM of a mail
    content_type: str = ""  #: CONTENT_TYPE of a mail
    transfer_encoding: str = ""  #: CONTENT_TRANSFER_ENCODING of a mail
