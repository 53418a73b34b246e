"""The exceptions that more than one module raises; those of a single one stand there.

CronjobError
├── ScheduleError (ValueError)   a schedule or a zone that cannot be understood
├── TableFileError               a table that cannot be read from the machine
├── ConfigError                  a configuration that cannot be used
├── LaunchError                  an attempt that could not be started
├── HistoryError                 a history that cannot be read or written
├── HeldError                    another daemon holds this state or runtime directory
└── ...                          of `core/request`, `cli/unanswered` and others
"""


class CronjobError(Exception):
    """Base of everything this package raises on purpose."""


class ScheduleError(CronjobError, ValueError):
    """A schedule text or zone name that cannot be understood: what was found, what is allowed."""


class TableFileError(CronjobError):
    """A table file that cannot be read, with the reason in words."""

    def __init__(self, reason: str, *, missing: bool = False, passing: bool = False) -> None:
        super().__init__(reason)
        self.missing = missing  #: there is nothing at the path, not even a link
        self.passing = passing  #: it may be readable soon without any change of a file


class ConfigError(CronjobError):
    """A configuration that cannot be used: every problem, one argument each."""

    def __init__(self, *problems: str, passing: bool = False) -> None:
        super().__init__(*problems)
        self.problems = problems
        self.passing = passing  #: as in `TableFileError`

    def __str__(self) -> str:
        return "; ".join(self.problems)


class LaunchError(CronjobError):
    """An attempt that could not be started: the step that failed and why."""


class HistoryError(CronjobError):
    """A history that cannot be read or written: its file, and why."""

    def __init__(self, reason: str, *, corrupt: bool = False, vanished: bool = False) -> None:
        super().__init__(reason)
        self.corrupt = corrupt  #: it is there, and damaged
        self.vanished = vanished  #: it is no longer where it was


class HeldError(CronjobError):
    """Another daemon holds the directory; the message names it."""


def quoted(text: str, limit: int = 40) -> str:
    """`text` in double quotes for a message: control characters escaped, long text cut.

    A table is somebody else's text: printed raw, a carriage return or an escape sequence could
    hide from the reader what a line really says.
    """
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return '"' + printable(short) + '"'


def printable(text: str) -> str:
    """`text` with everything that a terminal would not print replaced by `\\xNN` escapes."""
    return text if text.isprintable() else text.translate(_ESCAPES)


MOST_ESCAPES = 4096


class _Escapes(dict[int, str]):
    """What stands for each character; the first thousands are remembered, for floods of them."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        shown = character if character.isprintable() else _escaped(character)
        if len(self) < MOST_ESCAPES:
            self[code] = shown
        return shown


_ESCAPES = _Escapes()


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that was not UTF-8, as surrogateescape keeps it
        return f"\\x{ord(character) & 0xFF:02x}"
    return character.encode("unicode_escape").decode()
