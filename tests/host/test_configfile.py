"""The configuration file on the machine."""

import os
import tomllib
from pathlib import Path

import pytest

from cronjob.core.config import Config
from cronjob.errors import ConfigError
from cronjob.host.configfile import load_config


def written(folder: Path, text: str | bytes) -> str:
    path = folder / "cronjob.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o644)
    return str(path)


def problems(path: str, *, required: bool = False) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load_config(path, required=required)
    assert all(text.startswith(path) for text in raised.value.problems)
    return [text.removeprefix(path) for text in raised.value.problems]


def test_a_good_file_is_a_config(tmp_path: Path) -> None:
    path = written(tmp_path, 'slots = 3\n[tables]\ncron-d = true\nfile-names = "cronie"\n')
    assert load_config(path, required=True) == Config(slots=3, cron_d=True, file_names="cronie")


def test_a_file_that_may_be_missing_and_is_has_the_defaults(tmp_path: Path) -> None:
    assert load_config(str(tmp_path / "none"), required=False) == Config()
    assert problems(str(tmp_path / "none"), required=True) == [
        ": cannot read the configuration: No such file or directory"
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b"slots = \n", ":1:9: Invalid value"),
        (b"slots = 1\nslots = 2\n", ":2:10: Cannot overwrite a value"),
        (b"# a\n[tables\n", ":2:8: "),
        (b"# \xe4\xff\nslots = 1\n", ":1:3: byte 0xe4 is not UTF-8"),
        (b"# a\n# b\xff\n", ":2:4: byte 0xff is not UTF-8"),
        (b'a = """', ": "),
    ],
)
def test_what_is_no_toml_is_said_with_its_place(text: bytes, place: str, tmp_path: Path) -> None:
    (found,) = problems(written(tmp_path, text))
    assert found.startswith(place)


def test_every_problem_of_a_file_has_its_path(tmp_path: Path) -> None:
    assert problems(written(tmp_path, "slots = 0\nslot = 1\n")) == [
        ": slots is 0; allowed is a whole number from 1 to 65536",
        ': unknown key "slot"; did you mean slots?',
    ]


def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    os.chmod(path, 0o666)
    assert problems(path) == [
        ": the configuration has mode 666; group and others must not write to it"
    ]


def test_the_places_in_messages_of_the_parser_are_understood() -> None:
    with pytest.raises(tomllib.TOMLDecodeError, match=r" \(at line 1, column 5\)$"):
        tomllib.loads("a = @")
