"""cron, busybox crond and bcron, each with private copies of the files that it reads.

They run in a mount namespace of their own, where a copy of /etc and empty folders lie over the
machine's, so that they neither see nor change its files.  Their minute is the machine's.
"""

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field

from tests.bench.launch.contender import USER, Errand, Plan
from tests.bench.launch.fetch import Cache

#: Over the machine's folders, in the namespace alone: $1 is the contender's folder.
PRIVATE = """
set -e
mount --bind "$1/etc" /etc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/spool
mount -t tmpfs tmpfs /var/log
mkdir -p /var/spool/cron/crontabs /var/spool/cron/tmp
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """A cron of a Debian package, installed or unpacked in the cache."""

    name: str
    package: str
    program: str  #: where the package puts it
    script: str  #: what puts the tables in place and becomes the daemon; `$2` is the program
    owner: bool = False  #: the lines have a user column
    accounts: tuple[str, ...] = ()  #: lines for its copy of /etc/passwd
    most_lines: int = 1_000_000  #: of a user's table; more become those of other names of the user
    cache: Cache = field(default_factory=Cache)

    @property
    def missing(self) -> str:
        if os.geteuid() != 0:
            return "only root can run it"
        if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
            return "no mount namespaces here"
        return "" if self.cache.program(self.package, self.program) else "not installed"

    @property
    def version(self) -> str:
        return self.cache.package_version(self.package)

    def prepare(self, errand: Errand) -> Plan:
        """Its tables, and a script that mounts them over the machine's."""
        program = self.cache.program(self.package, self.program)
        assert program is not None, self.missing
        etc = errand.folder / "etc"
        shutil.copytree("/etc", etc, symlinks=True, ignore_dangling_symlinks=True)
        if (pam := self.cache.program(self.package, "/etc/pam.d/cron")) is not None:
            shutil.copy(pam, etc / "pam.d/cron")
        for name in ("cron.d", "cron.hourly"):
            shutil.rmtree(etc / name, ignore_errors=True)
        tables = self.tables(errand)
        names = [f"{name}:x:65534:65534::/:/bin/sh" for name in tables if name != USER]
        accounts = (etc / "passwd").read_text().replace("/nonexistent", "/")  # bcron insists on it
        added = "".join(f"{line}\n" for line in (*self.accounts, *names))
        (etc / "passwd").write_text(accounts + added)
        (etc / "crontab").write_text("")
        spool = errand.folder / "spool"
        spool.mkdir()
        for name, lines in tables.items():
            path = etc / "crontab" if self.owner else spool / name
            path.write_text("".join(lines))
            path.chmod(0o600)
        script = f"{PRIVATE}{self.script.replace('SPOOL', shlex.quote(str(spool)))}"
        words = ["/bin/sh", "-c", script, self.name, str(errand.folder), str(program)]
        return Plan(
            argv=["unshare", "-m", "--propagation", "private", *words],
            instant=errand.next_minute(),
            environment={
                "LD_LIBRARY_PATH": self.cache.libraries(self.package),
                "PATH": f"{program.parent}:{os.environ['PATH']}",
            },
            log=errand.folder / "log",
        )

    def tables(self, errand: Errand) -> dict[str, list[str]]:
        """The lines by user."""
        lines = [f"* * * * * {USER if self.owner else ''} {errand.command}\n"] * errand.entries
        starts = range(0, len(lines), self.most_lines)
        names = [USER, *(f"{USER}{number}" for number in range(1, len(starts)))]
        return {
            name: lines[start : start + self.most_lines]
            for name, start in zip(names, starts, strict=True)
        }


def crons(cache: Cache) -> list[Cron]:
    """All of them."""
    return [
        Cron(
            name="busybox crond",
            package="busybox-static",
            program="/bin/busybox",
            most_lines=250,  # its own limit is 256, but for root
            script="cp -a SPOOL/. /var/spool/cron/crontabs\n"
            'exec "$2" crond -f -L /dev/null -c /var/spool/cron/crontabs',
            cache=cache,
        ),
        Cron(
            name="bcron",
            package="bcron",
            program="/usr/sbin/bcron-start",
            script="cp -a SPOOL/. /var/spool/cron/crontabs\n"
            'chown -R cron /var/spool/cron\nexec "$2"',
            accounts=("cron:x:64990:64990::/var/spool/cron:/bin/sh",),
            cache=cache,
        ),
        Cron(
            name="Debian cron",
            package="cron",
            program="/usr/sbin/cron",
            script='exec "$2" -f -L 0',
            owner=True,
            cache=cache,
        ),
    ]
