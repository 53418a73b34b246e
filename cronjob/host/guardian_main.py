"""Runs the guardian: `python -I -S guardian_main.py FD NATIVE_FD CGROUPS`.

FD is its socket, NATIVE_FD the program that takes a child's steps (-1 without one), CGROUPS the
directory for the cgroups of attempts (empty without one).

-I and -S keep site-packages off the path, which the guardian does not need; so this file says where
the package is.
"""

import gc
import os
import socket
import sys

sys.path.append(__file__.rpartition("/cronjob/")[0])

from cronjob.host.cgroup import remove_abandoned  # found by the line above
from cronjob.host.channel import Channel
from cronjob.host.child import PROVEN, self_test
from cronjob.host.guardian import Guardian
from cronjob.host.isolation import isolate
from cronjob.host.processes import PR_SET_CHILD_SUBREAPER, prctl


def main(stream: int, program: int = -1, groups: str = "") -> int:
    """Exit status: 0 after a stop or the end of the daemon, 1 when it is not safe to start."""
    isolate({stream, program} - {-1})
    channel = Channel(socket.socket(fileno=stream))
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    said = self_test() if os.geteuid() == 0 else PROVEN
    if said != PROVEN:
        channel.send({"op": "refused", "error": said})
        return 1
    if groups:
        remove_abandoned(groups)
    guardian = Guardian(channel, program, groups)
    gc.freeze()  # a collection would touch, and so copy, every page after every fork
    channel.send({"op": "ready"})
    guardian.run()
    return 0


if __name__ == "__main__":
    stream, native, groups = sys.argv[1:]
    sys.exit(main(int(stream), int(native), groups))
