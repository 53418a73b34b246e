"""What the verbs say about a table that is not as it should be."""

from collections.abc import Iterable
from typing import TextIO

from cronjob.core.entry import Table


def print_problems(tables: Iterable[Table], stream: TextIO) -> int:
    """Print every problem; the exit code is 1 when one of them is an error."""
    code = 0
    for table in tables:
        for problem in table.problems:
            print(problem, file=stream)
        if table.errors:
            code = 1
    return code
