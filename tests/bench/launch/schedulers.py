"""APScheduler, yacron and cronstable, from a virtual environment in the cache."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.launch.contender import USER, Errand, Plan
from tests.bench.launch.fetch import Cache

SCRIPT = Path(__file__).with_name("apscheduler_daemon.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class APScheduler:
    """Its asyncio scheduler; the commands run as the user that it runs as, output captured."""

    name: str = "APScheduler"
    cache: Cache = field(default_factory=Cache)

    @property
    def version(self) -> str:
        return self.cache.wheel_version("APScheduler")

    @property
    def missing(self) -> str:
        return "" if self.version else "not in the cache"

    def prepare(self, errand: Errand) -> Plan:
        """Its minute begins at the instant, by the offset of its zone."""
        instant = errand.soon()
        words = [str(SCRIPT), str(-instant % 60), str(errand.entries), errand.command]
        return Plan(
            argv=[str(self.cache.python), *words], instant=instant, log=errand.folder / "log"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlCron:
    """yacron, or its fork cronstable; with `slots` a pool of so many, which only the fork has."""

    name: str
    slots: int = 0
    cache: Cache = field(default_factory=Cache)

    @property
    def version(self) -> str:
        return self.cache.wheel_version(self.name.partition(" ")[0])

    @property
    def missing(self) -> str:
        return "" if self.version else "not in the cache"

    def prepare(self, errand: Errand) -> Plan:
        """JSON is YAML, but both insist on the block style."""
        lines = ["jobs:"]
        for name in errand.names:
            lines += [
                f"  - name: {name}",
                f"    command: {json.dumps(errand.command)}",
                "    shell: /bin/sh",
                '    schedule: "* * * * *"',
                "    captureStdout: true",
                "    captureStderr: true",
                *([f"    user: {USER}"] if os.geteuid() == 0 else ()),
                *(["    pool: small"] if self.slots else ()),
            ]
        if self.slots:
            state = errand.folder / "state"
            lines += ["pools:", "  small:", f"    slots: {self.slots}", "    maxQueued: 10000"]
            lines += ["state:", f"  path: {state}"]
        config = errand.folder / "jobs.yaml"
        config.write_text("\n".join(lines) + "\n")
        program = self.cache.python.with_name(self.name.partition(" ")[0])
        return Plan(
            argv=[str(program), "-c", str(config), "-l", "ERROR"],
            instant=errand.next_minute(),
            log=errand.folder / "log",
        )
