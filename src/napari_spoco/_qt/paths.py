"""Where files go: trainings of this user, and what the file dialogs answer."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from qtpy.QtCore import QStandardPaths
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_spoco._qt.train.run_folders import STATE_FILE
from napari_spoco.batch.images import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Sequence

MODEL_SUFFIX = ".safetensors"
_MODEL_FILTER = f"Model (*{MODEL_SUFFIX})"
_LOAD_FILTER = (
    f"Models (*{MODEL_SUFFIX} {STATE_FILE} *.zip *.pytorch *.pt *.pth *.ckpt);;"
    f"Model or run (*{MODEL_SUFFIX} {STATE_FILE});;BioImage.IO package (*.zip);;"
    "Weights of others (*.pytorch *.pt *.pth *.ckpt);;All files (*)"
)
_PACKAGE_FILTER = "BioImage.IO package (*.zip)"
_BATCH_FILTER = "Batch (*.yaml *.yml *.toml *.json)"
_IMAGES_FILTER = f"Images ({' '.join(f'*{suffix}' for suffix in IMAGE_SUFFIXES)});;All files (*)"


class LabelFile(NamedTuple):
    """A kind of file for labels: what it is called, what it keeps, and how its names end."""

    title: str
    help: str
    suffixes: tuple[str, ...]


LABEL_FILES = {
    "tiff": LabelFile(
        "TIFF (ImageJ)",
        "A file with pixel size and unit. ImageJ's flavour ends at id 65535; with larger ones it becomes a plain TIFF "
        "of 32 bits.",
        (".tif", ".tiff"),
    ),
    "ome_tiff": LabelFile(
        "OME-TIFF", "A file of up to 32 bits, with a unit per axis, compressed.", (".ome.tif", ".ome.tiff")
    ),
    "ome_zarr": LabelFile(
        "OME-Zarr labels",
        "A folder of chunks with coarser levels, for large images. It also keeps where the layer lies.",
        (".ome.zarr", ".zarr"),
    ),
    "objects": LabelFile(
        "Table of objects (CSV)", "A row per object: place, size and shape in the units of the layer.", (".csv",)
    ),
}
"""What labels may be written as, by the names of `config.BatchConfig.formats`."""


def data_folder() -> Path:
    """Return the folder that keeps trainings, their models and embeddings, outside of any temporary place."""
    data = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericDataLocation)
    return Path(data) / "napari-spoco"


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
    """Ask for a file that holds a model, of ours or of others, or the state of a training; empty for none."""
    return QFileDialog.getOpenFileName(parent, "Load model", str(folder), _LOAD_FILTER)[0]


def ask_run_to_resume(parent: QWidget, folder: Path) -> str:
    """Ask for the folder of a training; empty where the user thinks better of it."""
    return QFileDialog.getExistingDirectory(parent, "Folder of the run to resume", str(folder))


def ask_model_to_save(parent: QWidget, name: str) -> str:
    """Ask where to keep a model; empty where the user thinks better of it."""
    return _ask_to_save(parent, "Save model", name, _MODEL_FILTER, (MODEL_SUFFIX,))


def ask_package_to_save(parent: QWidget, name: str) -> str:
    """Ask where to write a BioImage.IO package; empty where the user thinks better of it."""
    return _ask_to_save(parent, "Save package", f"{name}.zip", _PACKAGE_FILTER, (".zip",))


def ask_labels_to_save(parent: QWidget, name: str, kind: str = "tiff") -> str:
    """Ask where to write labels as a kind of `LABEL_FILES`; empty where the user thinks better of it.

    A name that ends as another kind does asks for that kind: "a.csv" stays as it is.
    """
    title, _, suffixes = LABEL_FILES[kind]
    kinds = f"{title.split(' (')[0]} ({' '.join(f'*{suffix}' for suffix in suffixes)})"
    # "a.tif" becomes "a.ome.tif" where that is the kind.
    others = [one for file in LABEL_FILES.values() for one in file.suffixes if not suffixes[0].endswith(one)]
    return _ask_to_save(parent, "Save labels", f"{name}{suffixes[0]}", kinds, suffixes, others)


def ask_images(parent: QWidget, folder: str = "") -> list[str]:
    """Ask for image files, in a folder at first; none where the user thinks better of it."""
    return QFileDialog.getOpenFileNames(parent, "Images", folder, _IMAGES_FILTER)[0]


def ask_folder(parent: QWidget, title: str, folder: str = "") -> str:
    """Ask for a folder, in another one at first; empty where the user thinks better of it."""
    return QFileDialog.getExistingDirectory(parent, title, folder)


def ask_batch_to_load(parent: QWidget) -> str:
    """Ask for the file of a batch; empty where the user thinks better of it."""
    return QFileDialog.getOpenFileName(parent, "Load batch", "", _BATCH_FILTER)[0]


def ask_batch_to_save(parent: QWidget) -> str:
    """Ask where to write a batch; empty where the user thinks better of it."""
    return _ask_to_save(parent, "Save batch", "batch.yaml", "YAML (*.yaml *.yml)", (".yaml", ".yml"))


def _ask_to_save(
    parent: QWidget, title: str, name: str, kinds: str, suffixes: tuple[str, ...], others: Sequence[str] = ()
) -> str:
    """Ask for a name that ends as it should; about a file that only the added ending meets, the dialog never asked.

    `others` are endings that may stand, too.
    """
    asked = QFileDialog.getSaveFileName(parent, title, name, kinds)[0]
    path = asked if asked.lower().endswith(tuple(others)) else _with_suffix(asked, suffixes)
    return path if path == asked or not Path(path).exists() or _may_replace(parent, path) else ""


def _may_replace(parent: QWidget, path: str) -> bool:
    question = f"{path} exists already. Replace it?"
    return QMessageBox.question(parent, "Replace?", question) == QMessageBox.StandardButton.Yes


def _with_suffix(path: str, suffixes: tuple[str, ...]) -> str:
    """Complete a name: "a" and "a.tif" become "a.ome.tif" where that is the first of the suffixes."""
    if not path or path.lower().endswith(suffixes):
        return path
    last = f".{suffixes[0].rpartition('.')[2]}"
    return (path[: -len(last)] if path.lower().endswith(last) else path) + suffixes[0]
