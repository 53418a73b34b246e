"""How many slots a daemon of this machine has when nobody says."""

import os


def default_slots() -> int:
    """Enough to keep every CPU busy with jobs that mostly wait, and never few."""
    return max(16, 4 * (os.cpu_count() or 1))
