"""The command `cronjob`: its verbs and exit codes.

0: done; 1: the answer is "no", or problems were found; 2: the command line is wrong.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence

from cronjob.cli.verbs import VERBS, add_verb
from cronjob.errors import printable


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; the result is the exit code."""
    if sys.stderr is None:  # descriptor 2 is closed, and `print` would take standard output
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - to the very end
    options = _options(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A table may hold characters that the locale cannot say.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code: int = options.verb(options)
        if sys.stdout is not None:  # it is None when descriptor 1 is closed
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()  # its reader has seen enough
        return 0
    except OSError as error:
        _discard_output()
        print(f"cronjob: cannot write the output: {error.strerror}", file=sys.stderr)
        return getattr(error, "status", 1)
    except KeyboardInterrupt:
        return 130
    return code


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What the command line says; an error ends the program with 2."""
    words = sys.argv[1:] if arguments is None else arguments
    parser = _parser(*words[:1])
    options, rest = parser.parse_known_args(words)
    if rest:
        unquoted = "; a schedule is one argument in quotes, like '30 2 * * *'"
        hint = unquoted if "subject" in options else ""
        parser.error(f"unrecognized arguments: {printable(' '.join(rest))}{hint}")
    return options


def _discard_output() -> None:
    """Let the interpreter's last flush of what cannot be written go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _parser(word: str = "") -> argparse.ArgumentParser:
    """Of all verbs, which takes time; when the first word is one of them, of that verb."""
    from cronjob import __version__

    parser = argparse.ArgumentParser(
        prog="cronjob",
        description="Runs crontabs: each line in its own time zone, with retries and a record.",
    )
    parser.add_argument("--version", action="version", version=f"cronjob {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name in [word] if word in VERBS else VERBS:
        add_verb(verbs, name)
    return parser
