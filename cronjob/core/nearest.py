"""Which label was probably meant by one that nothing has."""

from collections.abc import Collection
from difflib import get_close_matches


def nearest_label(label: str, labels: Collection[str]) -> str | None:
    """The label that was probably meant: one that begins so, as drawn names do, or a slip."""
    longer = sorted(known for known in labels if label and known.startswith(label))
    close = longer or get_close_matches(label, labels, n=1)
    return close[0] if close else None
