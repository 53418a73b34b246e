"""Builds the native child (cronjob/native/child.c) with the package, if there is a C compiler."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FLAGS = """
    -std=c11 -Os -Wall -Wextra -ffreestanding -fno-builtin -fno-tree-loop-distribute-patterns
    -fno-stack-protector -fno-asynchronous-unwind-tables -fno-pie -no-pie -static -nostdlib -s
    -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,noseparate-code
"""


class NativeChild(BuildHookInterface[Any]):
    """Without a compiler, or on a processor that the program does not know, there is none."""

    def initialize(self, _version: str, build_data: dict[str, Any]) -> None:
        if self.target_name == "sdist":
            return
        source = Path(self.root, "cronjob", "native", "child.c")
        program = source.with_suffix("")
        program.unlink(missing_ok=True)
        compiler = shlex.split(os.environ.get("CC", "cc"))
        if not shutil.which(compiler[0]):
            self.app.display_warning(f"no native child: there is no C compiler {compiler[0]}")
            return
        draft = program.with_name("child.new")
        command = [*compiler, *FLAGS.split(), "-o", str(draft), str(source)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            draft.unlink(missing_ok=True)
            self.app.display_warning(f"no native child: {shlex.join(command)}\n{result.stderr}")
            return
        draft.chmod(0o755)
        draft.rename(program)
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        build_data["artifacts"].append("cronjob/native/child")
