"""`cronjob daemon` that stores nothing of its runs: beside it, the other shows what storing costs.

forgetful_daemon.py [OPTION...]
"""

import sys
from collections.abc import Callable, Mapping, Sequence

from cronjob import daemon
from cronjob.cli import main
from cronjob.core.output import Kept
from cronjob.core.record import Change
from cronjob.host.history.recorder import Recorder


class ForgetfulRecorder(Recorder):
    """Whoever waits for a record goes on at once."""

    def record(
        self,
        changes: Sequence[Change],  # noqa: ARG002 # as `Recorder.record`
        done: Callable[[], None] | None,
        *,
        outputs: Mapping[str, Kept] | None = None,  # noqa: ARG002 # as `Recorder.record`
        ticks: int = 0,  # noqa: ARG002 # as `Recorder.record`
    ) -> None:
        """Forget the changes."""
        if done is not None:
            self._loop.call_soon(done)


if __name__ == "__main__":
    vars(daemon)["Recorder"] = ForgetfulRecorder  # the daemon makes its own
    sys.exit(main(["daemon", *sys.argv[1:]]))
