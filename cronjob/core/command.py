"""The command of an entry: what the shell gets, what it reads, what people call it."""

import re

_BEFORE_BARE_PERCENT = re.compile(r"(?:[^\\%]|\\.?)*", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PERCENT = re.compile(r"\\%|%")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)
LONGEST_SHORT_NAME = 32


def split_stdin(text: str) -> tuple[str, str]:
    r"""The command, and the text on its standard input (POSIX crontab, cronie do_command.c).

    The first bare `%` ends the command, further ones are newlines, `\%` is a percent sign and
    other backslashes stay.  Text that does not end in a newline gets one.  In the command a
    backslash may itself be escaped, so `\\%` is two backslashes and a bare `%` there.
    """
    if "%" not in text:
        return text, ""
    match = _BEFORE_BARE_PERCENT.match(text)
    end = match.end() if match else 0
    command = _ESCAPED.sub(lambda pair: "%" if pair[1] == "%" else pair[0], text[:end])
    stdin = _PERCENT.sub(lambda sign: "\n" if sign[0] == "%" else "%", text[end + 1 :])
    return command, stdin + "\n" if stdin and not stdin.endswith("\n") else stdin


def short_name(command: str) -> str:
    """What a person would call the command: the base name of its first program-like word."""
    for word in command.split():
        if _ASSIGNMENT.match(word):
            continue
        base = word.rstrip(";").rsplit("/", 1)[-1]
        if _WORD.fullmatch(base):
            return base[:LONGEST_SHORT_NAME]
    return "command"
