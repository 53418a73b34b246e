"""Failures that pass although no file changes, so that nothing tells when they are over."""

import errno

PASSING = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE, errno.ETIMEDOUT}
)


def passes(error: BaseException | None) -> bool:
    """Whether it says nothing about the file, only about the machine at this moment."""
    return isinstance(error, OSError) and error.errno in PASSING


def raise_if_passing(error: OSError) -> None:
    """For whoever takes a file that cannot be read for one that says nothing.

    Whether a cron runs, or which rules a zone has, must not be guessed for want of a descriptor.
    """
    if passes(error):
        raise error
