"""Disks that are full, read-only or forbidden, by real means, in a mount namespace of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("disk_trouble.py")
ROOT = Path(__file__).parents[2]


def _may_mount() -> bool:
    if os.geteuid() != 0 or not os.path.isdir("/mnt"):
        return False
    words = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return not subprocess.run(words, capture_output=True, check=False).returncode


@pytest.mark.skipif(not _may_mount(), reason="only root may mount a small disk")
@pytest.mark.parametrize("trouble", ["full", "read-only", "forbidden"])
def test_a_daemon_goes_on_without_its_disk_and_stores_everything_later(trouble: str) -> None:
    words = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        sys.executable,
        str(PROGRAM),
        trouble,
    ]
    ended = subprocess.run(
        words,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "sound\n"), ended.stdout
