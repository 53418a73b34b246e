"""What /bin/sh adds to a command: asked once, since only a shell that adds PWD can be left out."""

import subprocess

from cronjob.core.directexec import SHELL

WAIT_SECONDS = 5.0
_GIVEN = {"PATH": "/usr/bin:/bin", "HOME": "/", "PROBE": "x"}
#: The second `env` is on no PATH: a shell that has programs of its own finds it all the same.
_SCRIPT = "env || exit 1; PATH=/dev/null/none; env"


def need_of_shell(shell: str = SHELL) -> str:
    """Why simple commands need `shell` too; empty when they can be executed without it."""
    try:
        answer = subprocess.run(
            [shell, "-c", _SCRIPT],
            env=_GIVEN,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=WAIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{shell} does not answer within {WAIT_SECONDS:.0f} s"
    except OSError as error:
        return f"{shell} cannot be executed: {error.strerror}"
    if answer.returncode != 127:
        return f"{shell} does not look for programs on PATH alone"
    lines = answer.stdout.decode("utf-8", "replace").splitlines()
    found = dict(line.partition("=")[::2] for line in lines)
    wanted = _GIVEN | {"PWD": "/"}
    if odd := [name for name in found.keys() | wanted if found.get(name) != wanted.get(name)]:
        return f"{shell} changes {', '.join(sorted(odd))} in the environment"
    return ""
