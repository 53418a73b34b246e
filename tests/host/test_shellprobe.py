"""What /bin/sh does with an environment decides whether it can be left out."""

from pathlib import Path

import pytest

from cronjob.host import shellprobe
from cronjob.host.shellprobe import need_of_shell


def script(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("body", "need"),
    [
        ("PWD=/; export PWD; env; exit 127", ""),
        ("export SHLVL=1 _=env; env; exit 127", "{} changes SHLVL, _ in the environment"),
        ("unset PROBE; env; exit 127", "{} changes PROBE in the environment"),
        ("env; exit 0", "{} does not look for programs on PATH alone"),
        ("exit 1", "{} does not look for programs on PATH alone"),
    ],
)
def test_only_a_shell_that_adds_pwd_alone_is_left_out(body: str, need: str, tmp_path: Path) -> None:
    shell = script(tmp_path / "sh", body)
    assert need_of_shell(shell) == need.format(shell)


def test_shell_that_is_missing_is_needed(tmp_path: Path) -> None:
    shell = str(tmp_path / "sh")
    assert need_of_shell(shell) == f"{shell} cannot be executed: No such file or directory"


def test_shell_that_hangs_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shellprobe, "WAIT_SECONDS", 0.1)
    shell = script(tmp_path / "sh", "exec sleep 60")
    assert need_of_shell(shell) == f"{shell} does not answer within 0 s"
