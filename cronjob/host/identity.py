"""Who this machine and this process are."""

import os
import pwd


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
