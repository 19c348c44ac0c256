"""Who may import whom: nothing upward, no cycles, and nothing heavy before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import napari_spoco

PACKAGE = "napari_spoco"
ROOT = Path(napari_spoco.__file__).parent
WINDOW = ("napari", "qtpy", "superqt", "magicgui", "pyqtgraph", "vispy", "PyQt5", "PyQt6", "PySide2", "PySide6")
NETWORKS = ("torch", "monai", "safetensors", "lightning_fabric")

# A room may import rooms of a lower number, and itself.
FLOORS = {
    "config": 0,
    "config_files": 1,
    "data": 1,
    "models": 2,
    "segmentation": 3,
    "training": 4,
    "project": 5,
    "pictures": 5,
    "review": 4,
    "whole_image": 5,
    "batch": 6,
    "demo": 6,
    "cli": 7,
    "_qt": 7,
}
LIGHT = ("config", "config_files", "data", "project", "_qt")
# What napari_spoco.cli may start, and only inside of a function: `napari-spoco demo --gui`.
LATE = {("cli", "_qt")}


class Import(NamedTuple):
    importer: str
    target: str
    line: int
    is_late: bool
    is_for_types: bool


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


class ImportCollector(ast.NodeVisitor):
    def __init__(self, importer: str) -> None:
        self.importer = importer
        self.found: list[Import] = []
        self.is_late = False
        self.is_for_types = False

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.add(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, f"{self.importer}:{node.lineno} imports relatively"
        for alias in node.names:
            submodule = f"{node.module}.{alias.name}"
            self.add(submodule if submodule in MODULES else str(node.module), node.lineno)

    def add(self, target: str, line: int) -> None:
        self.found.append(Import(self.importer, target, line, self.is_late, self.is_for_types))

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        before, self.is_late = self.is_late, True
        self.generic_visit(node)
        self.is_late = before

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_If(self, node: ast.If) -> None:
        before = self.is_for_types
        self.is_for_types = before or ast.unparse(node.test).endswith("TYPE_CHECKING")
        for child in node.body:
            self.visit(child)
        self.is_for_types = before
        for child in node.orelse:
            self.visit(child)


def imports_of(module: str) -> list[Import]:
    collector = ImportCollector(module)
    collector.visit(ast.parse(MODULES[module].read_text(encoding="utf-8")))
    return collector.found


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def inner(module: str) -> list[Import]:
    return [found for found in imports_of(module) if found.target.split(".")[0] == PACKAGE]


@pytest.mark.parametrize("module", [name for name in MODULES if name != PACKAGE])
def test_imports_point_downward(module: str) -> None:
    here = room(module)
    assert here in FLOORS, f"{module}: give its room a floor"
    for found in inner(module):
        there = room(found.target)
        place = f"{module}:{found.line} imports {found.target}"
        assert there, f"{place}: import from the module that defines the name"
        is_allowed = there == here or FLOORS[there] < FLOORS[here]
        assert is_allowed or (found.is_late and (here, there) in LATE), f"{place}: upward"


@pytest.mark.parametrize("module", [name for name in MODULES if room(name) != "_qt"])
def test_only_the_window_imports_napari_and_qt(module: str) -> None:
    found = [f"line {i.line}: {i.target}" for i in imports_of(module) if i.target.split(".")[0] in WINDOW]
    assert not found


@pytest.mark.parametrize(
    "module",
    [name for name in MODULES if room(name) in LIGHT],
)
def test_light_rooms_import_no_networks(module: str) -> None:
    late_is_fine = room(module) == "_qt"
    found = [
        f"line {i.line}: {i.target}"
        for i in imports_of(module)
        if i.target.split(".")[0] in NETWORKS and not i.is_for_types and not (late_is_fine and i.is_late)
    ]
    assert not found


def test_there_is_no_cycle() -> None:
    graph = {
        name: {found.target for found in inner(name) if not found.is_for_types and found.target != name}
        for name in MODULES
        if name != PACKAGE
    }
    assert len(list(TopologicalSorter(graph).static_order())) >= len(graph)


def import_with_blocked(modules: list[str], blocked: tuple[str, ...]) -> str:
    """Import the modules in a new interpreter where the blocked ones cannot be found; return its complaint."""
    code = f"""
import importlib, sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Block())
for module in {modules!r}:
    importlib.import_module(module)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    return run.stderr if run.returncode else ""


def modules_in(*rooms: str) -> list[str]:
    return [name for name in MODULES if room(name) in rooms]


@pytest.mark.parametrize(
    ("modules", "blocked"),
    [
        pytest.param([PACKAGE], (*WINDOW, *NETWORKS, "numpy", "pydantic"), id="package"),
        pytest.param(modules_in("config", "config_files", "data"), (*WINDOW, *NETWORKS), id="data"),
        pytest.param(modules_in("project"), (*WINDOW, *NETWORKS), id="project"),
        pytest.param(modules_in("models", "segmentation", "training", "demo", "cli"), WINDOW, id="no window"),
        pytest.param(modules_in("cli"), (*WINDOW, *NETWORKS), id="command line without networks"),
        pytest.param(modules_in("_qt"), NETWORKS, id="window without networks"),
    ],
)
def test_imports_where_others_are_missing(modules: list[str], blocked: tuple[str, ...]) -> None:
    assert import_with_blocked(modules, blocked) == ""


def test_the_blocker_blocks() -> None:
    assert "torch is blocked" in import_with_blocked(["napari_spoco.models.network"], ("torch",))


@pytest.mark.parametrize("name", napari_spoco.__all__)
def test_public_names_are_there(name: str) -> None:
    assert getattr(napari_spoco, name) is not None
    assert name in dir(napari_spoco)


def test_public_names_have_one_list() -> None:
    assert {*napari_spoco._HOME_OF, "__version__"} == set(napari_spoco.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        napari_spoco.nonsense  # noqa: B018
