"""Which commands are executed without a shell, and as which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cronjob.core.directexec import LONGEST, direct_words, passes_unchanged


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("run-parts --report /etc/cron.daily", ("run-parts", "--report", "/etc/cron.daily")),
        ("  \tbackup\t -v  ", ("backup", "-v")),
        ("backup 'a  b' \"it's\"", ("backup", "a  b", "it's")),
        ("backup '$HOME `x` \\ *' \"#!*~\"", ("backup", "$HOME `x` \\ *", "#!*~")),
        ("backup ''", ("backup", "")),
        ("'/opt/my tools/b'ack\"up\" x", ("/opt/my tools/backup", "x")),
        ("backup a=b --to=c:d,e+f@g 100%", ("backup", "a=b", "--to=c:d,e+f@g", "100%")),
        ("/bin/echo hello", ("/bin/echo", "hello")),
        ("./backup", ("./backup",)),
    ],
)
def test_simple_commands_are_their_words(command: str, words: tuple[str, ...]) -> None:
    assert direct_words(command, "/bin/sh") == words


@pytest.mark.parametrize(
    "command",
    [
        *("", "  ", "''", "'' x", "a\nb", "a\r", "a 'b\nc'", "a\0", "a\x7f"),
        *("a | b", "a & b", "a; b", "a > b", "a < b", "(a)", "{ a", "a {b,c}", "a `b`"),
        *("a $B", 'a "$B"', 'a "`b`"', 'a "\\"', "a \\b", "a *", "a ?", "a [b]", "a ~", "a x:~"),
        *("a # b", "#a", "! a", "a ^b", "a !b", "A=b c", "A= c", "'A=b' c", "a 'b", 'a "b'),
        *("echo a", "exec a", "'echo' a", "[ a ]", ". a", "cd /", "test -e a", "while", "source a"),
        *("setsid a", "nice /usr/bin/setsid a", "a é", "a 'é'", "é"),
        *("a" + " b" * LONGEST, "a " * 30_000 + "$", "a" * 30_000 + "'"),
    ],
)
def test_whatever_a_shell_may_read_in_its_own_way_goes_to_a_shell(command: str) -> None:
    assert direct_words(command, "/bin/sh") is None


@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/dash", "/usr/bin/sh", "sh", ""])
def test_only_the_default_shell_is_done_without(shell: str) -> None:
    assert direct_words("backup", shell) is None


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="'\n\r\0"), min_size=1)))
def test_no_word_comes_out_that_was_not_quoted_or_plain(words: list[str]) -> None:
    found = direct_words(" ".join(["x", *(f"'{word}'" for word in words)]), "/bin/sh")
    assert found is None or list(found) == ["x", *words]


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        ({}, True),
        ({"LC_ALL": "de_DE.UTF-8", "_A1": ""}, True),
        ({"PATH": ""}, False),
        ({"PATH": "/bin:"}, False),
        ({"PATH": ":/bin"}, False),
        ({"PATH": "/a::/b"}, False),
        ({"PATH": "/a%builtin"}, False),
        ({"IFS": ","}, False),
        ({"PWD": "/"}, False),
        ({"PPID": "1"}, False),
        ({"A.B": "1"}, False),
        ({"BASH_FUNC_a%%": "() { :; }"}, False),
        ({"1A": ""}, False),
        ({"É": ""}, False),
    ],
)
def test_environment_that_a_shell_would_change_takes_a_shell(
    changes: dict[str, str], passes: bool
) -> None:
    assert passes_unchanged({"PATH": "/usr/bin:/bin", "HOME": "/"} | changes) is passes


def test_environment_without_path_takes_a_shell() -> None:
    assert not passes_unchanged({"HOME": "/"})
