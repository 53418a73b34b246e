"""The command `cronjob` as a child process."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

HANG = 60.0  #: seconds after which a command that does not end is a failure
ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "cronjob")


def cronjob(
    *arguments: str | bytes, stdin: bytes = b"", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run one verb to its end, in UTC unless `TZ` says otherwise."""
    return subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        timeout=HANG,
        check=False,
        cwd=ROOT,
        env={**os.environ, "TZ": "UTC", **(environment or {})},
    )


def shell(script: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run a shell script in which `"$@"` is the command `cronjob` with these arguments."""
    return subprocess.run(
        ["bash", "-c", script, "bash", *COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=HANG,
        check=False,
        cwd=ROOT,
        env={**os.environ, "TZ": "UTC"},
    )
