"""What tests of a daemon and of its host share."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A folder that all may enter; pytest closes its own to others whenever one starts."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)
