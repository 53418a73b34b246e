"""Wraps what the guardian inherits: session, signals, directory, descriptors."""

from __future__ import annotations

import contextlib
import os
import signal

TYPE_CHECKING = False  # typing itself is not worth its memory in the guardian
if TYPE_CHECKING:
    from collections.abc import Collection


def isolate(kept: Collection[int]) -> None:
    """Own session, no signal heard, no descriptor but the standard ones and those `kept`.

    Signals are blocked, not ignored: an ignored TERM would be lost to a child on its way to exec.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    if os.getsid(0) != os.getpid():
        os.setsid()
    os.chdir("/")
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            with contextlib.suppress(OSError):
                os.close(int(name))
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for descriptor in kept:
        os.set_inheritable(descriptor, False)
