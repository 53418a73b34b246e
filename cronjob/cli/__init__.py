"""The command `cronjob`: its verbs and exit codes.

0: done; 1: the answer is "no", or problems were found; 2: the command line is wrong.

Modules that cost time to import are imported by the verbs that need them.
"""

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence

from cronjob.errors import printable

TABLE = "/etc/cronjob.tab"
CONFIG = "/etc/cronjob.toml"


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
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
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


def _parser() -> argparse.ArgumentParser:
    from cronjob import __version__

    parser = argparse.ArgumentParser(
        prog="cronjob",
        description="Runs crontabs: each line in its own time zone, with retries and a record.",
    )
    parser.add_argument("--version", action="version", version=f"cronjob {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    _add_daemon(verbs.add_parser("daemon", help="run the tables, in the foreground"))
    _add_status(verbs.add_parser("status", help="show what the daemon is doing"))
    _add_run(verbs.add_parser("run", help="start a run of an entry now"))
    _add_kill(verbs.add_parser("kill", help="end a run, or all runs of an entry"))
    _add_history(verbs.add_parser("history", help="show what has run, and how it ended"))
    _add_show(verbs.add_parser("show", help="show all that is kept of a run"))
    _add_logs(verbs.add_parser("logs", help="show what a run has printed"))
    _add_list(verbs.add_parser("list", help="show the entries of the tables"))
    _add_next(verbs.add_parser("next", help="show the next fire times of a schedule"))
    _add_explain(verbs.add_parser("explain", help="say in words what a schedule means"))
    _add_simulate(verbs.add_parser("simulate", help="show what the daemon would do"))
    _add_check(verbs.add_parser("check", help="report every problem of table files"))
    return parser


def _add_daemon(parser: argparse.ArgumentParser) -> None:
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

    def verb(options: argparse.Namespace) -> int:
        from cronjob.cli.service import run_daemon

        return run_daemon(options)

    parser.set_defaults(verb=verb)


def _add_status(parser: argparse.ArgumentParser) -> None:
    _add_runtime(parser)
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")

    def verb(options: argparse.Namespace) -> int:
        from cronjob.cli.status import show_status

        return show_status(options)

    parser.set_defaults(verb=verb)


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("entry", metavar="ENTRY", help="its name, as list shows it")
    parser.add_argument(
        "--wait", action="store_true", help="print its output, and exit as its command does"
    )
    parser.add_argument(
        "--force", action="store_true", help="whatever runs already, and whatever it waits for"
    )
    _add_runtime(parser)

    def verb(options: argparse.Namespace) -> int:
        from cronjob.cli.run import run_entry

        return run_entry(options)

    parser.set_defaults(verb=verb)


def _add_kill(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN|ENTRY", help="as status shows them")
    _add_runtime(parser)

    def verb(options: argparse.Namespace) -> int:
        from cronjob.cli.kill import kill_runs

        return kill_runs(options)

    parser.set_defaults(verb=verb)


def _add_history(parser: argparse.ArgumentParser) -> None:
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

    def verb(options: argparse.Namespace) -> int:
        from cronjob.cli.history import show_history

        return show_history(options)

    parser.set_defaults(verb=verb)


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN|ENTRY", help="as history shows them")
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    _add_past(parser)

    def verb(options: argparse.Namespace) -> int:
        from cronjob.cli.show import show_run

        return show_run(options)

    parser.set_defaults(verb=verb)


def _add_logs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN|ENTRY", help="as history shows them")
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on to its end, and exit as its command does"
    )
    _add_past(parser)

    def verb(options: argparse.Namespace) -> int:
        from cronjob.cli.logs import show_output

        return show_output(options)

    parser.set_defaults(verb=verb)


def _add_past(parser: argparse.ArgumentParser) -> None:
    """Where the history is to be found."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--state", metavar="DIR", help="read the history in this state directory")
    where.add_argument("--runtime", metavar="DIR", help="the runtime directory of the daemon")


def _add_runtime(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runtime", metavar="DIR", help="the runtime directory of the daemon")


def _add_list(parser: argparse.ArgumentParser) -> None:
    _add_tables(parser)
    _add_runtime(parser)
    parser.add_argument("--next", action="store_true", help="in the order of their next fire times")
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")

    def verb(options: argparse.Namespace) -> int:
        from cronjob.cli.tables import list_entries

        return list_entries(options)

    parser.set_defaults(verb=verb)


def _add_next(parser: argparse.ArgumentParser) -> None:
    _add_subject(parser)
    parser.add_argument("-n", metavar="N", type=_number(100_000), default=5, help="how many (5)")
    parser.add_argument(
        "--from", dest="start", metavar="TIME", help="those later than 2027-03-28T02:30; now"
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")

    def verb(options: argparse.Namespace) -> int:
        from cronjob.cli.times import show_next

        return show_next(options)

    parser.set_defaults(verb=verb)


def _add_explain(parser: argparse.ArgumentParser) -> None:
    _add_subject(parser)

    def verb(options: argparse.Namespace) -> int:
        from cronjob.cli.explain import show_explanation

        return show_explanation(options)

    parser.set_defaults(verb=verb)


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


def _add_simulate(parser: argparse.ArgumentParser) -> None:
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

    def verb(options: argparse.Namespace) -> int:
        from cronjob.cli.simulate import simulate

        return simulate(options)

    parser.set_defaults(verb=verb)


def _add_check(parser: argparse.ArgumentParser) -> None:
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

    def verb(options: argparse.Namespace) -> int:
        from cronjob.cli.check import check_tables

        return check_tables(options)

    parser.set_defaults(verb=verb, table=None)


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


def _number(highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        digits = text.isascii() and text.isdigit() and len(text) <= 9
        if digits and 1 <= int(text) <= highest:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {highest}")

    return parse
