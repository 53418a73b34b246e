"""Getting the peers into a cache: Debian packages unpacked, wheels in a virtual environment.

Nothing is installed on the machine.  The cache is $CRONJOB_BENCH_CACHE, or lies in ~/.cache.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

#: Each with the packages of the libraries that it needs and Debian does not install by itself.
PACKAGES = {"cron": (), "busybox-static": (), "bcron": ("libbg2",)}
WHEELS = ("apscheduler>=3.11,<4", "yacron==0.19.0", "cronstable==1.2.72")


def cache_folder() -> Path:
    """Where the peers are kept."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cronjob-bench"
    return Path(os.environ.get("CRONJOB_BENCH_CACHE") or default)


@dataclass(frozen=True, slots=True)
class Cache:
    """The peers that are there."""

    folder: Path = field(default_factory=cache_folder)

    @property
    def python(self) -> Path:
        """The interpreter of the virtual environment."""
        return self.folder / "venv/bin/python"

    def program(self, package: str, path: str) -> Path | None:
        """A file of a Debian package: in the cache, or installed."""
        for root in (self.folder / "debian" / package, Path("/")):
            if (found := root / path.lstrip("/")).exists():
                return found
        return None

    def libraries(self, package: str) -> str:
        """For LD_LIBRARY_PATH."""
        return str(self.folder / "debian" / package / "usr/lib")

    def package_version(self, package: str) -> str:
        """Of the one in the cache, else of the one installed."""
        note = self.folder / "debian" / f"{package}.version"
        if note.exists():
            return note.read_text().strip()
        show = ["dpkg-query", "-W", "-f", "${Version}", package]
        return _said(show) if self._has_dpkg() else ""

    def wheel_version(self, name: str) -> str:
        """Of a package in the virtual environment; empty when it is not there."""
        pattern = f"venv/lib/python*/site-packages/{name.lower()}-*.dist-info"
        for folder in self.folder.glob(pattern):
            if match := re.match(r".*-([^-]+)\.dist-info", folder.name):
                return match[1]
        return ""

    def fetch(self) -> None:
        """Download what is not there yet.  Raises `CalledProcessError` when that fails."""
        for package, libraries in PACKAGES.items():
            if not self.package_version(package):
                self._unpack(package, libraries)
        if not self.python.exists():
            subprocess.run([sys.executable, "-m", "venv", self.folder / "venv"], check=True)
        subprocess.run([self.python, "-m", "pip", "install", "--quiet", *WHEELS], check=True)

    def _unpack(self, package: str, libraries: tuple[str, ...]) -> None:
        downloads = self.folder / "downloads"
        downloads.mkdir(parents=True, exist_ok=True)
        for name in (package, *libraries):
            subprocess.run(["apt-get", "download", "-qq", name], cwd=downloads, check=True)
            archive = max(downloads.glob(f"{name}_*.deb"))
            target = self.folder / "debian" / package
            target.mkdir(parents=True, exist_ok=True)
            subprocess.run(["dpkg", "-x", archive, target], check=True)
        version = _said(["dpkg-deb", "-f", str(max(downloads.glob(f"{package}_*.deb"))), "Version"])
        (self.folder / "debian" / f"{package}.version").write_text(version + "\n")

    def _has_dpkg(self) -> bool:
        return Path("/usr/bin/dpkg-query").exists()


def _said(argv: list[str]) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()
