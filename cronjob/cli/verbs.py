"""The verbs of the command line: what each one is for, which arguments it takes and who does it.

Modules that cost time to import are imported by the verbs that need them.
"""

import argparse
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import NamedTuple

CONFIG = "/etc/cronjob.toml"

AddArguments = Callable[[argparse.ArgumentParser], None]


class Verb(NamedTuple):
    """What there is to know of a verb before it is asked for."""

    words: str  #: what it is for
    home: str  #: who does it: `module.function` of this package
    add_arguments: AddArguments


VERBS: dict[str, Verb] = {}  #: by their names, in the order of `cronjob --help`


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str) -> None:
    """Let the command line have the verb; `options.verb(options)` does it, for an exit code."""
    verb = VERBS[name]
    parser = verbs.add_parser(name, help=verb.words)
    verb.add_arguments(parser)
    parser.set_defaults(verb=partial(_do, verb.home))


def _do(home: str, options: argparse.Namespace) -> int:
    module, _, function = home.partition(".")
    code: int = getattr(import_module(f"cronjob.cli.{module}"), function)(options)
    return code


def _verb(name: str, words: str, home: str) -> Callable[[AddArguments], AddArguments]:
    def register(add_arguments: AddArguments) -> AddArguments:
        VERBS[name] = Verb(words, home, add_arguments)
        return add_arguments

    return register


@_verb("daemon", "run the tables, in the foreground", "service.run_daemon")
def _daemon(parser: argparse.ArgumentParser) -> None:
    _add_tables(parser)
    parser.add_argument("--state", metavar="DIR", help="where the history is kept")
    parser.add_argument("--runtime", metavar="DIR", help="where its sockets and locks are")
    parser.add_argument(
        "--slots", metavar="N", type=_number(65536), help="how many slots may be held at once"
    )
    parser.add_argument(
        "--log",
        choices=("auto", "journal", "stderr"),
        default="auto",
        help="where events go; auto: the journal if there is one, else standard error",
    )


@_verb("status", "show what the daemon is doing", "status.show_status")
def _status(parser: argparse.ArgumentParser) -> None:
    _add_runtime(parser)
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")


@_verb("run", "start a run of an entry now", "run.run_entry")
def _run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("entry", metavar="ENTRY", help="its name, as list shows it")
    parser.add_argument(
        "--wait", action="store_true", help="print its output, and exit as its command does"
    )
    parser.add_argument(
        "--force", action="store_true", help="whatever runs already, and whatever it waits for"
    )
    _add_runtime(parser)


@_verb("kill", "end a run, or all runs of an entry", "kill.kill_runs")
def _kill(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN|ENTRY", help="as status shows them")
    _add_runtime(parser)


@_verb("history", "show what has run, and how it ended", "history.show_history")
def _history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("entry", metavar="ENTRY", nargs="?", help="its name; all of them")
    for option, what in (("since", "those from then on"), ("until", "those before then")):
        parser.add_argument(
            f"--{option}", metavar="TIME", help=f"{what}: 2027-03-28T02:30, or 2h for so long ago"
        )
    parser.add_argument(
        "--outcome", metavar="LIST", action="append", help="those that ended so: failed,gave-up"
    )
    parser.add_argument(
        "--limit", metavar="N", type=_number(1000), default=20, help="how many lines (20)"
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    _add_past(parser)


@_verb("show", "show all that is kept of a run", "show.show_run")
def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN|ENTRY", help="as history shows them")
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    _add_past(parser)


@_verb("logs", "show what a run has printed", "logs.show_output")
def _logs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN|ENTRY", help="as history shows them")
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on to its end, and exit as its command does"
    )
    _add_past(parser)


@_verb("list", "show the entries of the tables", "tables.list_entries")
def _list(parser: argparse.ArgumentParser) -> None:
    _add_tables(parser)
    _add_runtime(parser)
    parser.add_argument("--next", action="store_true", help="in the order of their next fire times")
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")


@_verb("next", "show the next fire times of a schedule", "times.show_next")
def _next(parser: argparse.ArgumentParser) -> None:
    _add_subject(parser)
    parser.add_argument("-n", metavar="N", type=_number(100_000), default=5, help="how many (5)")
    parser.add_argument(
        "--from", dest="start", metavar="TIME", help="those later than 2027-03-28T02:30; now"
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")


@_verb("explain", "say in words what a schedule means", "explain.show_explanation")
def _explain(parser: argparse.ArgumentParser) -> None:
    _add_subject(parser)


@_verb("simulate", "show what the daemon would do", "simulate.simulate")
def _simulate(parser: argparse.ArgumentParser) -> None:
    start, end = "2027-03-28", "2027-03-29T12:00"
    parser.add_argument("--from", dest="start", metavar="TIME", required=True, help=f"as {start}")
    parser.add_argument("--to", dest="end", metavar="TIME", required=True, help=f"as {end}")
    parser.add_argument("--tz", metavar="ZONE", help="the zone of the times (the system's)")
    _add_tables(parser)
    parser.add_argument("--slots", metavar="N", type=_number(65536), help="the size of the pool")
    parser.add_argument(
        "--fail",
        metavar="NAME=N",
        action="append",
        help="the first N attempts of each run fail, may be given again",
    )
    parser.add_argument(
        "--lasts",
        metavar="[NAME=]DURATION",
        action="append",
        help="how long attempts take, may be given again (1s)",
    )
    parser.add_argument(
        "--step-clock",
        metavar="TIME=+DURATION",
        action="append",
        help="set the clock forward or, with -, back, may be given again",
    )
    parser.add_argument("--reboot", action="store_true", help="the machine boots at the beginning")
    parser.add_argument("--json", action="store_true", help="one object a line, for programs")
    parser.add_argument("--summary", action="store_true", help="only counts, for each entry")


@_verb("check", "report every problem of table files", "check.check_tables")
def _check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", action="store_true", help="user tables, without a user column")
    parser.add_argument("--classic", action="store_true", help="cron's own language only")
    parser.add_argument("--strict", action="store_true", help="warnings count as errors do")
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    _add_config(parser)
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        help="a table, - is standard input; without one, the tables that a daemon would read",
    )
    parser.set_defaults(table=None)


def _add_tables(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--table",
        metavar="FILE",
        action="append",
        help="a table to read in place of all others, may be given again",
    )
    _add_config(parser)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help=f"the configuration ({CONFIG})")


def _add_runtime(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runtime", metavar="DIR", help="the runtime directory of the daemon")


def _add_past(parser: argparse.ArgumentParser) -> None:
    """Where the history is to be found."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--state", metavar="DIR", help="read the history in this state directory")
    where.add_argument("--runtime", metavar="DIR", help="the runtime directory of the daemon")


def _add_subject(parser: argparse.ArgumentParser) -> None:
    """What `next` and `explain` are asked about."""
    parser.add_argument(
        "subject",
        metavar="EXPR|ENTRY",
        help='a schedule like "30 2 * * *" or @daily, or the name of an entry',
    )
    parser.add_argument(
        "--tz",
        metavar="ZONE",
        help="the time zone of the schedule (the system's); with an entry, one to show as well",
    )
    _add_tables(parser)


def _number(highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        digits = text.isascii() and text.isdigit() and len(text) <= 9
        if digits and 1 <= int(text) <= highest:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {highest}")

    return parse
