"""Data flows one way through the package: a room imports only from rooms above it (docs/architecture.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "traceview"
MODULES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES = 400

ROOMS: tuple[tuple[str, ...], ...] = (
    ("errors", "kept", "releases", "resources"),
    ("compiled",),
    ("source",),
    ("events",),
    ("formats",),
    ("vocabulary",),
    ("timeline",),
    ("rules",),
    ("findings",),
    ("baseline", "fingerprints"),
    ("losses",),
    ("image_map",),
    ("detect",),
    ("repair", "scene", "store"),
    ("report",),
    ("perfetto",),
    ("plot",),
    ("selection",),
    ("api", "origin"),
    ("sets",),
    ("fleet",),
    ("health", "triage"),
    ("__init__",),
    ("cli",),
    ("__main__",),
)
"""From the top down; a module or folder of the package is a room, rooms of one tuple do not know each other."""

LEVEL = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_rooms(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and room of each import from the package, wherever it stands in a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute, so that the room shows"
            module = node.module or ""
            # "from traceview import events" names the room behind the import.
            modules = [f"{module}.{a.name}" for a in node.names] if module == PACKAGE.name else [module]
        else:
            continue
        for module in modules:
            package, _, rest = module.partition(".")
            if package == PACKAGE.name:
                room = rest.partition(".")[0]
                yield node.lineno, room if room in LEVEL else "__init__"


def wrong_imports(room: str, source: str) -> list[str]:
    return [
        f"line {line}: {room} imports {other}"
        for line, other in imported_rooms(source)
        if other != room and LEVEL[other] >= LEVEL[room]
    ]


def test_every_module_is_in_a_room_and_every_room_is_there() -> None:
    assert {room_of(p) for p in MODULES} == set(LEVEL), "give the new room its place in ROOMS"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_a_module_imports_only_from_rooms_above_its_own(path: Path) -> None:
    assert wrong_imports(room_of(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_a_module_is_short_enough_to_be_read_in_one_go(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def imported_modules(path: Path) -> set[str]:
    """Return the modules that one imports from, for the type checker alone, too; rooms' fronts are left out."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names - {PACKAGE.name}


def test_no_modules_go_in_a_circle() -> None:
    def name(path: Path) -> str:
        return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")

    left = {name(p): imported_modules(p) for p in MODULES if p.name != "__init__.py"}
    while left:
        ready = {module for module, imports in left.items() if not imports & left.keys()}
        assert ready, f"each of these needs another of them: {sorted(left)}"
        left = {module: imports for module, imports in left.items() if module not in ready}


@pytest.mark.parametrize(
    ("room", "source", "wrong"),
    [
        ("events", "from traceview.formats.log import LogReader", ["line 1: events imports formats"]),
        ("formats", "import os\nimport traceview.vocabulary", ["line 2: formats imports vocabulary"]),
        ("formats", "from traceview import api", ["line 1: formats imports api"]),
        ("formats", "from traceview import __version__", ["line 1: formats imports __init__"]),
        ("formats", "import traceview", ["line 1: formats imports __init__"]),
        ("formats", "from traceview.selection import Selection", ["line 1: formats imports selection"]),
        ("timeline", "def f():\n    from traceview.api import open", ["line 2: timeline imports api"]),
        ("formats", "from traceview.formats.base import Reader\nfrom traceview.events import Arg", []),
        ("cli", "from traceview import __version__\nfrom traceview.api import open", []),
        ("formats", "from tracelog.api import x\nimport numpy", []),
    ],
)
def test_an_import_from_a_room_below_is_found(room: str, source: str, wrong: list[str]) -> None:
    assert wrong_imports(room, source) == wrong
