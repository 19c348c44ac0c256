"""What the repository says about the package is true."""

from __future__ import annotations

import ast
import os
import re
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import napari_spoco

REPOSITORY = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
IMPORT_NAMES = {
    "scikit-image": "skimage",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
    "markdown-it-py": "markdown_it",
    "pillow": "PIL",
}


def required() -> set[str]:
    names = (re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in PROJECT["dependencies"])
    return {IMPORT_NAMES.get(name, name.replace("-", "_")) for name in names}


def imported() -> set[str]:
    targets: set[str] = set()
    for path in (REPOSITORY / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                targets.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                targets.add(str(node.module))
    roots = {target.split(".")[0] for target in targets}
    return roots - set(sys.stdlib_module_names) - {"napari_spoco"}


def test_dependencies_are_what_is_imported() -> None:
    # napari is there when its plugin is, with what it requires itself; and pydantic_core when pydantic is.
    assert imported() - {"napari", "app_model", "dask", "pandas", "pydantic_core", "vispy"} == required()


def test_dependencies_name_no_window_and_no_qt_binding() -> None:
    assert not {name for name in required() if name.lower().startswith(("napari", "pyqt5", "pyqt6", "pyside"))}
    assert PROJECT["optional-dependencies"]["all"] == ["napari[all]>=0.9"]


def test_the_version_is_that_of_the_project() -> None:
    assert napari_spoco.__version__ == PROJECT["version"]


def test_napari_finds_the_manifest() -> None:
    (manifest,) = entry_points(group="napari.manifest", name="napari-spoco")
    package, _, file = manifest.value.partition(":")
    assert package == "napari_spoco"
    assert (Path(napari_spoco.__file__).parent / file).is_file()


@pytest.mark.skipif(os.name == "nt", reason="git may check links out as text there")
def test_the_manifest_at_the_top_is_a_link() -> None:
    link = REPOSITORY / "napari.yaml"
    assert link.is_symlink()
    assert link.readlink() == Path("src/napari_spoco/napari.yaml")
    assert link.is_file()


def test_typing_information_ships() -> None:
    assert (Path(napari_spoco.__file__).parent / "py.typed").is_file()
