"""Cases with known answers, one JSON object per line, from tests/corpus."""

import gzip
import json
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).parent.parent / "corpus"


def load(name: str) -> list[dict[str, Any]]:
    """The cases of one file."""
    data = (CORPUS / name).read_bytes()
    if name.endswith(".gz"):
        data = gzip.decompress(data)
    return [json.loads(line) for line in data.splitlines()]


def first_ten(mismatches: list[str]) -> str:
    """What an assertion shows when cases differ."""
    return "\n".join([f"{len(mismatches)} cases differ:", *mismatches[:10]])
