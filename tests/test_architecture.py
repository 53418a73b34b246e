"""The shape of the package, read from its source: who imports whom, and what it costs."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cronjob

ROOT = Path(cronjob.__file__).parent
MODULES = {
    ".".join(("cronjob", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in sorted(ROOT.rglob("*.py"))
}

#: Each layer, and those that it may import besides itself.  The way is downwards only.
LAYERS = {
    "cronjob.errors": (),
    "cronjob.core": ("cronjob.errors",),
    "cronjob.ports": ("cronjob.errors", "cronjob.core"),
    "cronjob.testing": ("cronjob.errors", "cronjob.core", "cronjob.ports"),
    "cronjob.host": ("cronjob.errors", "cronjob.core", "cronjob.ports"),
    "cronjob.daemon": ("cronjob.errors", "cronjob.core", "cronjob.ports", "cronjob.host"),
    "cronjob.cli": (
        *("cronjob", "cronjob.errors", "cronjob.core", "cronjob.ports", "cronjob.testing"),
        *("cronjob.host", "cronjob.daemon"),
    ),
    "cronjob.__main__": ("cronjob.cli",),
    "cronjob": ("cronjob.errors", "cronjob.core"),  # the public list
}
IMPURE = {
    *("asyncio", "logging", "os", "pathlib", "random", "socket", "sqlite3", "subprocess", "time"),
    *("fcntl", "select", "secrets", "shutil", "signal", "sys", "tempfile", "urllib"),
}
ALLOWED_IN_CORE = {"os.waitstatus_to_exitcode", "threading.Lock"}
VAGUE = {"utils", "util", "helpers", "common", "base", "manager", "misc", "models"}
MOST_LINES = 400


def imports(path: Path) -> Iterator[str]:
    """Every imported module, or `module.name` where a name is taken out of one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(path: Path) -> set[str]:
    """The modules of the package that a module imports, also inside of functions."""
    found = {name for name in imports(path) if name.partition(".")[0] == "cronjob"}
    return {name if name in MODULES else name.rpartition(".")[0] for name in found}


def layer_of(module: str) -> str:
    layers = [layer for layer in LAYERS if module == layer or module.startswith(f"{layer}.")]
    assert len(layers) > 1 or module == "cronjob", f"{module} is in no layer"
    return max(layers, key=len)


def reading_order(package: str = "cronjob.core") -> list[str]:
    """The modules of a package in the order of the numbered list in its docstring, to the end."""
    doc = ast.get_docstring(ast.parse(MODULES[package].read_text(encoding="utf-8"))) or ""
    names = [f"{package}.{name}" for name in re.findall(r"^\d+\. +(\w+) ", doc, re.MULTILINE)]
    inside = {name: reading_order(name) for name in names if MODULES[name].stem == "__init__"}
    return [module for name in names for module in [*inside.get(name, ()), name]]


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module: str) -> None:
    layer = layer_of(module)
    imported = {layer_of(name) for name in own_imports(MODULES[module])}
    assert imported <= {layer, *LAYERS[layer]}


def test_the_layers_are_listed_in_an_order_that_has_no_cycle() -> None:
    for layer, below in LAYERS.items():
        assert not [lower for lower in below if layer in LAYERS[lower]]


def test_the_order_of_reading_lists_every_module_of_core_once() -> None:
    inside = [module for module in MODULES if module.startswith("cronjob.core.")]
    assert sorted(reading_order()) == inside


@pytest.mark.parametrize("name", reading_order())
def test_a_module_of_core_needs_only_what_was_read_before(name: str) -> None:
    order = reading_order()
    packages = {name.rpartition(".")[0], "cronjob.core"}
    assert own_imports(MODULES[name]) - {"cronjob.errors", *packages} <= {
        *order[: order.index(name)]
    }


def test_every_module_of_host_is_in_one_room_of_its_list() -> None:
    doc = ast.get_docstring(ast.parse(MODULES["cronjob.host"].read_text(encoding="utf-8"))) or ""
    rooms = re.findall(r"^(?:\w+(?: \w+)?)? {2,}(.*)$", doc, re.MULTILINE)
    listed = [name for room in rooms for name in re.findall(r"\w+", room)]
    inside = [module.split(".")[2] for module in MODULES if module.startswith("cronjob.host.")]
    assert sorted(listed) == sorted({*inside})


def test_the_order_of_reading_lists_every_module_of_the_history_once() -> None:
    order = reading_order("cronjob.host.history")
    inside = [module for module in MODULES if module.startswith("cronjob.host.history.")]
    assert sorted(order) == inside
    for number, name in enumerate(order):
        needed = {one for one in own_imports(MODULES[name]) if one in inside}
        assert needed <= {*order[:number]}


@pytest.mark.parametrize("name", reading_order())
def test_core_touches_no_machine(name: str) -> None:
    imported = set(imports(MODULES[name])) - ALLOWED_IN_CORE
    assert not {module for module in imported if module.partition(".")[0] in IMPURE}


def needed_by(module: str) -> set[str]:
    """The modules of the package that come with a module, itself included."""
    found, new = set[str](), {module}
    while new:
        found |= new
        new = {name for one in new for name in own_imports(MODULES[one])} - found
    return found


def test_the_guardian_comes_with_its_own_parts_and_the_standard_library_only() -> None:
    """It is started without site-packages, and its memory is counted."""
    parts = needed_by("cronjob.host.guardian")
    assert {part.rpartition(".")[0] for part in parts} == {"cronjob.host"}
    tops = {name.partition(".")[0] for part in parts for name in imports(MODULES[part])}
    assert tops <= {"cronjob", *sys.stdlib_module_names}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_short_and_says_what_it_is(module: str) -> None:
    text = MODULES[module].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    assert ast.get_docstring(ast.parse(text))


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert not {path.stem for path in MODULES.values()} & VAGUE
    assert not {part for path in MODULES.values() for part in path.parts} & VAGUE


def test_the_public_surface_is_this_list() -> None:
    assert sorted(cronjob.__all__) == [
        *("CronjobError", "Entry", "Fields", "FireTime", "Problem", "Schedule", "ScheduleError"),
        *("Setting", "Table", "__version__", "parse_table"),
    ]
    assert not [name for name in cronjob.__all__ if not hasattr(cronjob, name)]


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("cronjob.cli", ["croniter", "pendulum", "asyncio"]),
        ("cronjob.cli.tables", ["pendulum", "asyncio"]),
        ("cronjob.cli.status", ["croniter", "pendulum", "asyncio"]),
        ("cronjob.cli.run", ["croniter", "pendulum", "asyncio"]),
        ("cronjob.cli.history", ["croniter", "pendulum", "asyncio"]),
        ("cronjob.host.history.reading", ["croniter", "pendulum", "asyncio"]),
        ("cronjob.host.past", ["croniter", "pendulum", "asyncio"]),
        ("cronjob.cli.times", ["pendulum", "asyncio"]),
        ("cronjob.core.engine", ["pendulum", "asyncio"]),
        ("cronjob.host.guardian", ["asyncio", "dataclasses", "typing"]),
    ],
)
def test_what_costs_time_is_imported_only_by_those_who_need_it(
    module: str, heavy: list[str]
) -> None:
    code = f"import sys, {module}; print(*sorted({{*{heavy}}} & {{*sys.modules}}))"
    result = subprocess.run(
        [sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert result.stdout.split() == []
