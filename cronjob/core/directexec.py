"""Commands that need no shell: the words that `sh -c` would execute, when that is beyond doubt.

GNU make decides it in the same way (job.c construct_command_argv_internal); this is stricter, so
that nobody can tell the difference.  What is refused here only costs a shell.
"""

import re
from collections.abc import Mapping

SHELL = "/bin/sh"  #: the only one whose way with words is known here
LONGEST = 32 * 1024  #: characters; at the kernel's limits the words are the shell's to count

#: Reserved words and builtins of dash 0.5.12, bash 5.2 and busybox ash 1.35, by `type` and
#: `compgen -bk` of each: a shell does not search these on PATH.
_SHELL_WORDS = """
    ! . : [ [[ ]] { } alias bg bind break builtin caller case cd chdir command compgen complete
    compopt continue coproc declare dirs disown do done echo elif else enable esac eval exec exit
    export false fc fg fi for function getopts hash help history if in jobs kill let local logout
    mapfile popd printf pushd pwd read readarray readonly return select set shift shopt source
    suspend test then time times trap true type typeset ulimit umask unalias unset until wait while
"""
SHELL_WORDS = frozenset(_SHELL_WORDS.split())

#: setsid(1) forks when it leads a process group, which it does not below a shell that waits.
_SEES_THE_SHELL = re.compile(r"(?:.*/)?setsid", re.ASCII)

#: One character, or all between two quotes; what a piece is, its first character decides.
_PIECE = r"""[A-Za-z0-9_./:,+@%=-]|'[ -&(-~\t]*'|"[ !#%-\[\]-_a-~\t]*\""""
_COMMAND = re.compile(rf"(?:{_PIECE}|[ \t])*", re.ASCII)
_WORDS = re.compile(rf"(?:{_PIECE})+", re.ASCII)
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

#: What a shell sets, resets or refuses of what it inherits (dash var.c, bash variables.c).
_OWN_VARIABLES = """
    _ BASHOPTS BASH_ENV ENV IFS LINENO OLDPWD OPTIND POSIXLY_CORRECT PPID PS1 PS2 PS4 PWD SHELLOPTS
    SHLVL
"""
_SHELLS_OWN = frozenset(_OWN_VARIABLES.split())


def direct_words(command: str, shell: str) -> tuple[str, ...] | None:
    """The words to execute instead of `shell -c command`; None when it takes a shell."""
    if shell != SHELL or len(command) > LONGEST or not _COMMAND.fullmatch(command):
        return None
    words = tuple(_unquoted(word) for word in _WORDS.findall(command))
    if not words or not words[0] or words[0] in SHELL_WORDS or "=" in words[0]:
        return None
    return None if any(map(_SEES_THE_SHELL.fullmatch, words)) else words


def passes_unchanged(environment: Mapping[str, str]) -> bool:
    """Whether a shell hands on all of `environment` as it is, and adds PWD only."""
    path = environment.get("PATH", "")
    return (
        _SHELLS_OWN.isdisjoint(environment)
        and all(map(_VARIABLE.fullmatch, environment))
        and all(path.split(":"))
        and "%" not in path  # dash exec.c padvance: `%builtin`
    )


def _unquoted(word: str) -> str:
    if "'" not in word and '"' not in word:
        return word
    return _QUOTED.sub(lambda quoted: quoted[1] if quoted[1] is not None else quoted[2], word)
