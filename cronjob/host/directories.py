"""Where a daemon keeps its things, and where others look for one."""

import os

SYSTEM_STATE = "/var/lib/cronjob"
SYSTEM_RUNTIME = "/run/cronjob"
CONTROL_SOCKET = "control.sock"  #: in the runtime directory
HISTORY_AWAY = "history-away"  #: in the runtime directory, while the history cannot be written
BOOTED = "booted"  #: in the runtime directory: a daemon has run in this boot
LONGEST_SOCKET = 107  #: bytes of its path (unix(7): sun_path, less its end)


def default_state() -> str:
    """The state directory: the system's for root, the account's own otherwise (XDG)."""
    if os.geteuid() == 0:
        return SYSTEM_STATE
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(home, "cronjob")


def default_runtime() -> str:
    """The runtime directory: the system's for root, the account's own otherwise (XDG)."""
    if os.geteuid() == 0:
        return SYSTEM_RUNTIME
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        return os.path.join(runtime, "cronjob")
    return os.path.join(default_state(), "runtime")


def runtimes_to_ask() -> tuple[str, ...]:
    """Where a daemon may listen to this user: their own, then the system's."""
    own = default_runtime()
    return (own,) if own == SYSTEM_RUNTIME else (own, SYSTEM_RUNTIME)
