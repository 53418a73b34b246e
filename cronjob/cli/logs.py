"""`cronjob logs`: what a run has printed, and what it goes on to print."""

import argparse
import sys
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator

from cronjob.cli.ending import FAILED, exit_status, say, write
from cronjob.cli.past import Line, ask_daemon, has_history, read_past
from cronjob.cli.unanswered import AskError, BrokenAnswerError, NoDaemonError, complain
from cronjob.core.request import LogsRequest
from cronjob.core.words import counted
from cronjob.errors import printable
from cronjob.host.directories import default_state


def show_output(options: argparse.Namespace) -> int:
    """Print the output of all attempts; with `-f`, go on to the end and exit as the command did."""
    if options.follow and options.state is not None:
        print("cronjob: -f asks a daemon; --state is for reading without one", file=sys.stderr)
        return 2
    request = LogsRequest(options.run, follow=options.follow)
    try:
        last = _print(_lines(options, request))
    except AskError as error:
        status = complain(error)
        return FAILED if options.follow else status
    if options.follow:
        return exit_status(last)
    if not last["outcome"]:
        say(f"{last['run']} is not over")
    return 0


def _lines(options: argparse.Namespace, request: LogsRequest) -> Iterator[Line]:
    """Those of a daemon if one answers: it has the output of attempts that are going."""
    if options.state is not None:
        yield from read_past(options.state, request)
        return
    lines = ask_daemon(options.runtime, request)
    try:
        first = next(lines)
    except NoDaemonError:
        if request.follow or options.runtime is not None or not has_history(default_state()):
            raise
        yield from read_past(default_state(), request)
    else:
        yield first
        yield from lines


def _print(lines: Iterator[Line]) -> Line:
    """Print what comes; the last line of the answer.  Raises `AskError`."""
    show = _writer()
    for line in lines:
        if "outcome" in line:
            return line
        if "output" in line:
            show(line["output"])
        elif "left_out" in line:
            say(f"{counted(line['left_out'], 'byte')} of its output are left out here")
        elif line["attempt"] > 1:
            say(f"attempt {line['attempt']}")
    raise BrokenAnswerError("the answer ends before its end")


def _writer() -> Callable[[bytes], None]:
    """Bytes as they are for a program; for a person, nothing that a terminal would obey."""
    if sys.stdout is None or not sys.stdout.isatty():
        return write
    decoder = getincrementaldecoder("utf-8")("surrogateescape")

    def show(chunk: bytes) -> None:
        lines = decoder.decode(chunk).replace("\r\n", "\n").split("\n")
        text = "\n".join("\t".join(map(printable, line.split("\t"))) for line in lines)
        write(text.encode("utf-8", "backslashreplace"))

    return show
