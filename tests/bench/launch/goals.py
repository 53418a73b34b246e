"""What was promised, beside what was reached."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.bench.launch.burst import Figures
from tests.bench.launch.suite import FORGETFUL, LIMIT, NATIVE, PYTHON, SLOTS, Row

Value = Callable[["Board"], float]
DEFAULT_SLOTS = 16  #: on a machine with up to four CPUs


class UnmeasuredError(KeyError):
    """A row that a goal needs is not there."""


@dataclass(frozen=True, slots=True)
class Board:
    """All rows, to be asked for single figures."""

    rows: tuple[Row, ...]

    def find(self, group: str, contender: str, form: str = "SHELL") -> Figures:
        """The figures of one row.  Raises `UnmeasuredError`."""
        for row in self.rows:
            if (row.group, row.contender, row.form) == (group, contender, form) and row.figures:
                return row.figures
        raise UnmeasuredError(contender)

    def peers(self) -> list[Figures]:
        """Everybody else in the burst that lost nothing.  Raises `UnmeasuredError` without any."""
        ours = (LIMIT, FORGETFUL, NATIVE, PYTHON)
        found = [
            row.figures
            for row in self.rows
            if row.group == "burst" and row.contender not in ours and row.figures
        ]
        if not (complete := [figures for figures in found if not figures.lost]):
            raise UnmeasuredError("peers")
        return complete

    def best_cpu(self) -> float:
        """Microseconds a run of the cheapest peer."""
        return min(peer.cpu_each for peer in self.peers())

    def best_last(self) -> float:
        """Seconds to the last start of the fastest peer."""
        return min(peer.last for peer in self.peers())


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure, and the most that it may be."""

    text: str
    most: float
    value: Value
    unit: str = "x"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal, and what was reached; None when it was not measured."""

    goal: Goal
    reached: float | None

    @property
    def met(self) -> bool:
        return self.reached is not None and self.reached <= self.goal.most


def cpu_to_limit(name: str, form: str) -> Value:
    """CPU time beside that of the bare C loop with the same form of command."""

    def value(board: Board) -> float:
        limit = board.find("burst", LIMIT, form).cpu_each
        return board.find("burst", name, form).cpu_each / limit

    return value


def cpu_to_peer(name: str, form: str) -> Value:
    """CPU time beside that of the cheapest peer, which always has a shell."""
    return lambda board: board.find("burst", name, form).cpu_each / board.best_cpu()


def last_to_peer(name: str, form: str) -> Value:
    """The last start beside that of the fastest peer."""
    return lambda board: board.find("burst", name, form).last / board.best_last()


def first_start(name: str, group: str) -> Value:
    """Milliseconds from the instant to the first start."""
    return lambda board: board.find(group, name).first * 1000


def table_ratio(name: str) -> Value:
    """CPU time a run with the big table beside that with the small one."""

    def value(board: Board) -> float:
        small, big = (
            row.figures.cpu_each
            for row in board.rows
            if row.group == "table" and row.contender.startswith(name) and row.figures
        )
        return big / small

    return value


def many(name: str, figure: Callable[[Figures], float]) -> Value:
    """A figure of the longest burst."""
    return lambda board: figure(board.find("many", name, "EXEC"))


def _of_both(name: str, short: str) -> list[Goal]:
    return [
        Goal(f"{short}: first start of few", 5, first_start(name, "first"), "ms"),
        Goal(f"{short}: first start of the burst", 5, first_start(name, "burst"), "ms"),
        Goal(f"{short}: CPU a run, big table / small table", 1.1, table_ratio(name)),
        Goal(f"{short}: lost of the longest burst", 0, many(name, lambda f: f.lost), ""),
        Goal(
            f"{short}: processes in it, beyond the slots",
            4,
            many(name, lambda f: f.processes - DEFAULT_SLOTS),
            "",
        ),
        Goal(
            f"{short}: growth of the daemon in it", 4, many(name, lambda f: f.growth / 2**20), "MB"
        ),
        Goal(
            f"{short}: last start of the pool of {SLOTS}",
            0.5,
            lambda board: board.find("pool", name).last,
            "s",
        ),
    ]


def _of_native(name: str, short: str) -> list[Goal]:
    return [
        Goal(f"{short}: CPU a run by `sh -c` / C loop", 1.6, cpu_to_limit(name, "SHELL")),
        Goal(f"{short}: CPU a simple run / C loop", 3.0, cpu_to_limit(name, "SIMPLE")),
        Goal(f"{short}: CPU a simple run / best peer", 0.35, cpu_to_peer(name, "SIMPLE")),
        Goal(f"{short}: last start by `sh -c` / best peer", 0.65, last_to_peer(name, "SHELL")),
        Goal(f"{short}: last simple start / best peer", 0.35, last_to_peer(name, "SIMPLE")),
    ]


def storing(board: Board) -> float:
    """CPU time in microseconds that the history of a run costs."""
    stored, forgotten = (board.find("burst", name, "SIMPLE") for name in (NATIVE, FORGETFUL))
    return stored.cpu_each - forgotten.cpu_each


GOALS = [
    *_of_native(FORGETFUL, "C program, nothing stored"),
    *_of_native(NATIVE, "C program"),
    Goal("C program: CPU to store a run", 150, storing, "us"),
    *_of_both(NATIVE, "C program"),
    Goal("pure Python: CPU a run by `sh -c` / C loop", 2.5, cpu_to_limit(PYTHON, "SHELL")),
    Goal("pure Python: CPU a simple run / best peer", 0.75, cpu_to_peer(PYTHON, "SIMPLE")),
    Goal("pure Python: last start by `sh -c` / best peer", 1.05, last_to_peer(PYTHON, "SHELL")),
    *_of_both(PYTHON, "pure Python"),
]


def judge(rows: Iterable[Row]) -> list[Verdict]:
    """Every goal beside what was reached."""
    board, verdicts = Board(tuple(rows)), []
    for goal in GOALS:
        try:
            reached: float | None = goal.value(board)
        except (UnmeasuredError, ValueError, ZeroDivisionError):
            reached = None
        verdicts.append(Verdict(goal, reached))
    return verdicts
