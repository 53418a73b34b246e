"""The command of an entry: what the shell gets, what it reads, what people call it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cronjob.core.command import short_name, split_stdin


@pytest.mark.parametrize(
    ("text", "command", "stdin"),
    [
        ("backup --all", "backup --all", ""),
        ("mail -s x%hello", "mail -s x", "hello\n"),
        ("mail -s x %hello%there", "mail -s x ", "hello\nthere\n"),
        ("cat%a%", "cat", "a\n"),
        ("cat%a%%", "cat", "a\n\n"),
        ("cat%", "cat", ""),
        ("cat%%", "cat", "\n"),
        (r"date +\%F", "date +%F", ""),
        (r"date +\%F\%T", "date +%F%T", ""),
        (r"cat%50\% of%it", "cat", "50% of\nit\n"),
        (r"printf \n", r"printf \n", ""),
        (r"printf \\%x", r"printf \\", "x\n"),
        (r"printf \\\%x", r"printf \\%x", ""),
        (r"cat%a\b", "cat", "a\\b\n"),
        (r"cat%a\\%b", "cat", "a\\%b\n"),
        ("echo \\", "echo \\", ""),
        ("cat%\\", "cat", "\\\n"),
        ("echo 'a b' # c", "echo 'a b' # c", ""),
    ],
)
def test_a_bare_percent_ends_the_command_and_begins_its_input(
    text: str, command: str, stdin: str
) -> None:
    assert split_stdin(text) == (command, stdin)


def cronie(text: str) -> tuple[str, str]:
    """The rules of do_command.c child_process, one character after the other."""
    command, position, escaped = "", 0, False
    while position < len(text):
        character = text[position]
        position += 1
        if escaped:
            command = command[:-1] + "%" if character == "%" else command + character
            escaped = False
        elif character == "%":
            break
        else:
            command += character
            escaped = character == "\\"
    stdin, escaped, character = "", False, ""
    for character in text[position:]:
        if escaped:
            if character != "%":
                stdin += "\\"
        elif character == "%":
            character = "\n"
        escaped = character == "\\"
        if not escaped:
            stdin += character
    if escaped:
        stdin += "\\"
    return command, stdin + "\n" if stdin and not stdin.endswith("\n") else stdin


@settings(deadline=None)
@given(st.text(alphabet="a\\% ", max_size=14))
def test_any_mixture_of_percent_and_backslash_is_read_as_by_cronie(text: str) -> None:
    assert split_stdin(text) == cronie(text)


def test_a_long_command_of_backslashes_is_split_at_once() -> None:
    text = "\\" * 100_001
    assert split_stdin(text + "%x") == (text[:-1] + "%x", "")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("/usr/local/sbin/backup --all", "backup"),
        ("rsync -a /srv/a/ /srv/b/", "rsync"),
        ("cd / && run-parts --report /etc/cron.hourly", "cd"),
        ("LANG=C PATH=/x:/y /bin/true", "true"),
        ("test -x /usr/sbin/anacron || true", "test"),
        ("[ -x /usr/bin/php ] && php x", "php"),
        ("sleep; x", "sleep"),
        ("'quoted name' x", "x"),
        ("$(true)", "command"),
        ("", "command"),
        ("/opt/" + "x" * 50, "x" * 32),
    ],
)
def test_the_short_name_is_that_of_the_first_program(command: str, name: str) -> None:
    assert short_name(command) == name


@settings(deadline=None)
@given(st.text())
def test_every_command_has_a_short_name_that_is_one_word(command: str) -> None:
    name = short_name(command)
    assert 0 < len(name) <= 32
    assert len(name.split()) == 1
