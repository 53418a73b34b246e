"""What the command of a hook is told about the run that it follows."""

from cronjob.core.notice import NoticeKind
from cronjob.core.query import RunDetail

LONGEST_WHY = 4096  #: characters


def hook_environment(detail: RunDetail, kind: NoticeKind) -> dict[str, str]:
    """The run's facts, one variable each; empty where there is nothing to say.

    `CRONJOB_ATTEMPT` is not among them: with `CRONJOB_RUN` it is the badge of an attempt's
    processes, which a hook's are not.
    """
    row, latest = detail.row, detail.row.latest
    code = latest.code if latest is not None else None
    signal = latest.signal if latest is not None else None
    facts = {
        "CRONJOB_EVENT": str(kind),
        "CRONJOB_NAME": row.label,
        "CRONJOB_RUN": row.key,
        "CRONJOB_FIRE_TIME": row.fire.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "CRONJOB_OUTCOME": str(row.outcome or ""),
        "CRONJOB_WHY": row.why[:LONGEST_WHY],
        "CRONJOB_ATTEMPTS": str(row.attempts),
        "CRONJOB_EXIT_STATUS": "" if code is None else str(code),
        "CRONJOB_SIGNAL": "" if signal is None else str(signal),
    }
    return {name: value.replace("\0", " ") for name, value in facts.items()}


def hook_input(detail: RunDetail) -> bytes:
    """What its last attempt printed: the beginning and the end as they are kept."""
    kept = detail.outputs[-1] if detail.outputs else None
    return kept.text() if kept is not None else b""
