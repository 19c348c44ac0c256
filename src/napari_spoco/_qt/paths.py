"""Where files go: trainings of this user, and what the file dialogs answer."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from qtpy.QtCore import QStandardPaths
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_spoco._qt.run_folders import STATE_FILE

MODEL_SUFFIX = ".safetensors"
_MODEL_FILTER = f"Model (*{MODEL_SUFFIX})"
_LOAD_FILTER = f"Model or run (*{MODEL_SUFFIX} {STATE_FILE})"
_TIFF_FILTER = "TIFF (*.tif *.tiff)"


def models_folder() -> Path:
    """Return the folder that keeps every training with its models, outside of any temporary place."""
    data = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericDataLocation)
    return Path(data) / "napari-spoco" / "models"


def new_run_folder(folder: Path, image_name: str) -> Path:
    """Return the name of a folder that says when, and on which image, a model was trained; it is not made."""
    stem = re.sub(r"[^\w.-]+", "-", image_name).strip("-.") or "image"
    first = folder / f"{stem} {datetime.now():%Y-%m-%d %H.%M.%S}"
    path, count = first, 1
    while path.exists():
        count += 1
        path = first.with_name(f"{first.name} ({count})")
    return path


def ask_model_to_load(parent: QWidget, folder: Path) -> str:
    """Ask for an existing model file, or the state of a training; empty where the user thinks better of it."""
    return QFileDialog.getOpenFileName(parent, "Load model", str(folder), _LOAD_FILTER)[0]


def ask_run_to_resume(parent: QWidget, folder: Path) -> str:
    """Ask for the folder of a training; empty where the user thinks better of it."""
    return QFileDialog.getExistingDirectory(parent, "Folder of the run to resume", str(folder))


def ask_model_to_save(parent: QWidget, name: str) -> str:
    """Ask where to keep a model; empty where the user thinks better of it."""
    path = QFileDialog.getSaveFileName(parent, "Save model", name, _MODEL_FILTER)[0]
    return _with_suffix(path, (MODEL_SUFFIX,))


def ask_labels_to_save(parent: QWidget, name: str) -> str:
    """Ask where to write labels; empty where the user thinks better of it."""
    path = QFileDialog.getSaveFileName(parent, "Save labels", f"{name}.tif", _TIFF_FILTER)[0]
    return _with_suffix(path, (".tif", ".tiff"))


def _with_suffix(path: str, suffixes: tuple[str, ...]) -> str:
    return path if not path or path.lower().endswith(suffixes) else path + suffixes[0]
