"""cronjob.toml(5) and what reads the file say the same."""

import re
import tomllib
from pathlib import Path

import pytest

from cronjob.core.config import KEYS, Config, read_config
from cronjob.core.source import CRON_D_NAMES, PLACES
from cronjob.errors import ConfigError
from cronjob.host import mailer
from cronjob.host.configfile import load_config
from tests.docs.manpage import literal, page, parts, plain

SECTIONS = parts(page("cronjob.toml.5"), ".Sh")
PROSE = plain(" ".join(line for lines in SECTIONS.values() for line in lines))


def _keys() -> dict[str, list[str]]:
    """The lines about each key, its head first."""
    found: dict[str, list[str]] = {}
    for title, lines in parts(SECTIONS["KEYS"], ".Ss").items():
        section = title.strip("[]")
        name = ""
        for line in lines:
            if match := re.match(r"\.It Cm (\S+) ", line):
                name = f"{section}.{match[1]}" if section else match[1]
            found.setdefault(name, []).append(line)
    return {name: lines for name, lines in found.items() if name}


def test_the_keys_of_the_page_are_those_of_the_program_in_their_order() -> None:
    assert list(_keys()) == list(KEYS)


@pytest.mark.parametrize("name", [name for name in KEYS if name.startswith("tables.")])
def test_the_values_and_the_default_of_a_key_are_as_said(name: str) -> None:
    head, *lines = (plain(line) for line in _keys()[name])
    key = KEYS[name]
    values = [tomllib.loads(f"x = {text}")["x"] for text in re.findall(r'true|false|"\w+"', head)]
    assert len(values) >= 2
    assert all(key.accepts(value) for value in values)
    default = getattr(Config(), key.attribute)
    shown = str(default).lower() if isinstance(default, bool) else f'"{default}"'
    said = " ".join(lines)
    assert f"default is .Li {shown} ." in said or f".Li {shown} , the default," in said


@pytest.mark.parametrize("name", [name for name in KEYS if name.startswith("history.")])
def test_the_default_of_a_bound_is_as_said(name: str) -> None:
    said = " ".join(plain(line) for line in _keys()[name])
    default = getattr(Config(), KEYS[name].attribute)
    shown = default if isinstance(default, int) else f'"{default}"'
    assert f"The default is .Li {shown} ." in said


def test_the_files_and_directories_are_those_that_the_program_reads() -> None:
    named = set(re.findall(r"\.Pa (\S+)", PROSE))
    assert named == {
        *(PLACES.config, PLACES.table, PLACES.directory, PLACES.crontab, PLACES.cron_d),
        *(*PLACES.spools.values(), PLACES.cron_pids[0]),
        *mailer.PLACES,
    }


def test_the_names_that_cronie_passes_over_are_those_of_the_rule() -> None:
    for name in (".x", "#x", "x~", "x.rpmsave", "x.rpmorig", "x.rpmnew"):
        assert CRON_D_NAMES["cronie"].why_skipped(name)
        assert re.sub("^x|x$", "", name) in PROSE


def test_the_example_is_good() -> None:
    config = read_config(tomllib.loads("\n".join(literal(SECTIONS["EXAMPLES"]))))
    assert config == Config(slots=32, crontab=True, cron_d=True, spool=True, file_names="cronie")


def test_the_messages_are_those_of_the_program(tmp_path: Path) -> None:
    path = tmp_path / "cronjob.toml"
    found = []
    for text in ("slots = 0\ncrontab = true\n", "\n\ncrontab = \n"):
        path.write_text(text)
        with pytest.raises(ConfigError) as raised:
            load_config(str(path), required=True)
        found += [text.replace(str(path), PLACES.config) for text in raised.value.problems]
    assert literal(SECTIONS["DIAGNOSTICS"]) == found
