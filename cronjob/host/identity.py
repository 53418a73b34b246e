"""Who this machine, this boot of it and this process are."""

import os
import pwd
from pathlib import Path


def own_name() -> str:
    """The account that runs this process; its number when it has no name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def host_identity() -> str:
    """What tells this machine from others, for what is drawn once per host."""
    try:
        with open("/etc/machine-id", encoding="ascii") as file:
            return file.read().strip()
    except (OSError, ValueError):
        return os.uname().nodename


def boot_identity() -> str:
    """What differs from boot to boot, also for a container that keeps its host's boot id.

    Boot id and the start time of PID 1 in clock ticks (proc(5), field 22 of stat).
    """
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    status = Path("/proc/1/stat").read_text(encoding="utf-8", errors="replace")
    return f"{boot_id}:{status.rpartition(')')[2].split()[19]}"
