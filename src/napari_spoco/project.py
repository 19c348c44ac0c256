"""A project: a folder that keeps images, what was painted into them, trainings and results.

    project.toml          name, format version, and per image its file, annotations, boxes and what labels mean
    images/               copies; images may also stay where they are
    annotations/NAME.tif  what was painted, int32 ids (*spatial)
    runs/YYYY-MM-DD-NN/   one folder per training (`training/run_folder.py`)
    results/              whatever was made with the models

Nothing is kept in memory: every question reads `project.toml` and every change replaces it at once, so that the window
and the command line may work on one project. No file of an earlier project or image is ever overwritten.
"""

from __future__ import annotations

import re
import shutil
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import tifffile

from napari_spoco.config import AnnotationConfig
from napari_spoco.data.annotations import SparseAnnotations
from napari_spoco.data.images import as_channels_first, read_image, read_labels
from napari_spoco.data.writers import atomic_path, check_folder, write_labels
from napari_spoco.project_file import ProjectFile, ProjectImage, read_project_file, write_project_file

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_spoco.data.images import SourceImage

    Box = tuple[slice, ...]

_FILE = "project.toml"
_IMAGES, _ANNOTATIONS, _RUNS, _RESULTS = "images", "annotations", "runs", "results"
_NAME = re.compile(r"\w([\w .()+-]*[\w)+-])?")
_RUN = re.compile(r"(\d{4}-\d\d-\d\d)-(\d{2,})")


class Project:
    """A project folder; made by `create` or `open`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read()

    @classmethod
    def create(cls, path: str | os.PathLike[str], name: str | None = None) -> Self:
        """Make an empty project in a folder that does not exist, or holds nothing.

        Raises
        ------
        FileExistsError
            There is something already.
        OSError
            The folder cannot be made or written.
        """
        path = Path(path).resolve()
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise FileExistsError(f"path: expected a new or an empty folder, got {path}, which holds something")
        path.mkdir(parents=True, exist_ok=True)
        check_folder(path)
        for folder in (_IMAGES, _ANNOTATIONS, _RUNS, _RESULTS):
            (path / folder).mkdir()
        write_project_file(path / _FILE, ProjectFile(name=name or path.name))
        return cls(path)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open the project in a folder.

        Raises
        ------
        FileNotFoundError
            There is no project.
        ValueError
            `project.toml` is broken, or made by a newer version.
        """
        path = Path(path).resolve()
        if not cls.is_at(path):
            raise FileNotFoundError(f"path: there is no project in {path} (no {_FILE}).")
        return cls(path)

    @staticmethod
    def is_at(path: str | os.PathLike[str]) -> bool:
        """Say whether a folder holds a project."""
        return (Path(path) / _FILE).is_file()

    @property
    def path(self) -> Path:
        """The folder."""
        return self._path

    @property
    def name(self) -> str:
        """What the project is called."""
        return self._read().name

    @property
    def images(self) -> tuple[ProjectImage, ...]:
        """The images, in the order in which they were added."""
        return self._read().images

    def image(self, name: str) -> ProjectImage:
        """Return what is known of an image; ValueError where there is none of that name."""
        images = {image.name: image for image in self.images}
        if name not in images:
            raise ValueError(
                f"name: expected an image of the project ({', '.join(images) or 'none yet'}), got {name!r}"
            )
        return images[name]

    def add_image(
        self,
        image: str | os.PathLike[str] | NDArray[Any],
        name: str | None = None,
        *,
        ndim: int | None = None,
        copy: bool = False,
        scale: Sequence[float] | None = None,
        units: Sequence[str] | None = None,
        meaning: AnnotationConfig | None = None,
    ) -> ProjectImage:
        """Add an image.

        Parameters
        ----------
        image
            A TIFF file, which stays where it is unless `copy`; or an array (*spatial) or (C, *spatial), which is
            written into the project.
        name
            Names its files; the file's own name by default.
        ndim
            Number of spatial axes, 2 or 3; by default what the file says, all axes of an array.
        copy
            Keep a copy of the file in the project.
        scale, units
            Of an array, per spatial axis; files have their own.
        meaning
            What painted values state.

        Raises
        ------
        ValueError
            No valid image, a name that is taken or cannot name a file on every system, or an array without a name.
        OSError
            The file cannot be read, or the project cannot be written.
        """
        if isinstance(image, np.ndarray):
            ndim = ndim or image.ndim
            channels = as_channels_first(image, ndim=ndim)
            name = self._new_name(name)
            file = self._path / _IMAGES / f"{name}.tif"
            _write_image(file, channels, scale or (1.0,) * ndim, units or ("pixel",) * ndim)
        else:
            file = Path(image).resolve()
            channels = read_image(file, ndim=ndim).data
            name = self._new_name(name or file.stem)
            if copy:
                file = _copy(file, self._path / _IMAGES / f"{name}{file.suffix}")
        inside = file.is_relative_to(self._path)
        added = ProjectImage(
            name=name,
            file=file.relative_to(self._path).as_posix() if inside else str(file),
            shape=channels.shape[1:],
            meaning=meaning or AnnotationConfig(),
        )
        self._write((*self.images, added))
        return added

    def read_image(self, name: str) -> SourceImage:
        """Read an image with its scale; errors as `napari_spoco.read_image`."""
        image = self.image(name)
        return read_image(self._path / image.file, ndim=len(image.shape))

    def annotations(self, name: str) -> NDArray[np.int32]:
        """Return what was painted into an image, as painted, (*spatial); zeros where nothing was.

        Raises
        ------
        ValueError
            There is no such image, or its annotations have another shape.
        OSError
            The file cannot be read.
        """
        image = self.image(name)
        if image.annotation_file is None:
            return np.zeros(image.shape, np.int32)
        file = self._path / image.annotation_file
        labels = read_labels(file)
        if labels.shape != image.shape:
            raise ValueError(f"{file}: expected the shape of the image {name}, {image.shape}, got {labels.shape}")
        return labels.astype(np.int32, copy=False)

    def set_annotations(
        self,
        name: str,
        labels: ArrayLike,
        *,
        boxes: Sequence[Box] | None = None,
        meaning: AnnotationConfig | None = None,
    ) -> None:
        """Keep what is painted in an image; the earlier state is replaced at once, or not at all.

        Parameters
        ----------
        name
            Of the image.
        labels
            Integers (*spatial), as painted.
        boxes
            Regions in which everything is annotated, a slice per axis; as before if None.
        meaning
            What painted values state; as before if None.

        Raises
        ------
        ValueError
            There is no such image, or `SparseAnnotations.from_labels` refuses the labels.
        OSError
            The files cannot be written.
        """
        image = self.image(name)
        array = np.asarray(labels)
        if array.shape != image.shape:
            raise ValueError(f"labels: expected the shape of the image {name}, {image.shape}, got {array.shape}")
        meaning = meaning or image.meaning
        slices = image.slices if boxes is None else tuple(boxes)
        SparseAnnotations.from_labels(array, boxes=slices, config=meaning)
        file = f"{_ANNOTATIONS}/{name}.tif"
        write_labels(self._path / file, array)
        bounds = tuple(tuple(part.indices(n)[:2] for part, n in zip(box, image.shape, strict=True)) for box in slices)
        changed = image.model_copy(update={"annotation_file": file, "boxes": bounds, "meaning": meaning})
        if changed != image:
            self._write(tuple(changed if image.name == name else image for image in self.images))

    @property
    def runs(self) -> tuple[Path, ...]:
        """Folders of the trainings, oldest first."""
        folders = [path for path in (self._path / _RUNS).iterdir() if path.is_dir() and _RUN.fullmatch(path.name)]
        return tuple(sorted(folders, key=_run_number))

    @property
    def newest_run(self) -> Path | None:
        """Folder of the last training."""
        runs = self.runs
        return runs[-1] if runs else None

    def new_run(self) -> Path:
        """Make the empty folder of the next training and return it."""
        today = date.today().isoformat()
        number = max((number for day, number in map(_run_number, self.runs) if day == today), default=0) + 1
        while True:
            folder = self._path / _RUNS / f"{today}-{number:02}"
            try:
                folder.mkdir()
            except FileExistsError:  # Another process was first.
                number += 1
            else:
                return folder

    @property
    def results(self) -> Path:
        """Folder of what was made with the models."""
        return self._path / _RESULTS

    def _read(self) -> ProjectFile:
        return read_project_file(self._path / _FILE)

    def _write(self, images: tuple[ProjectImage, ...]) -> None:
        write_project_file(self._path / _FILE, self._read().model_copy(update={"images": images}))

    def _new_name(self, name: str | None) -> str:
        """Return a name if it is free and names a file on every system."""
        if name is None or not _NAME.fullmatch(name):
            raise ValueError(f"name: expected letters, digits, and .()+- or spaces between them, got {name!r}")
        if name.casefold() in {image.name.casefold() for image in self.images}:
            raise ValueError(f"name: expected one that is not taken (upper or lower case), got {name!r}")
        return name


def _run_number(path: Path) -> tuple[str, int]:
    match = _RUN.fullmatch(path.name)
    if match is None:
        raise AssertionError("only folders of trainings have a number")
    return match[1], int(match[2])


def _copy(source: Path, target: Path) -> Path:
    if target.exists():
        raise FileExistsError(f"name: expected one whose file is not there yet, got {target}")
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
    return target


def _write_image(path: Path, image: NDArray[Any], scale: Sequence[float], units: Sequence[str]) -> None:
    """Write (C, *spatial) as `read_image` reads it."""
    if path.exists():
        raise FileExistsError(f"name: expected one whose file is not there yet, got {path}")
    ndim = image.ndim - 1
    if len(scale) != ndim or len(units) != ndim:
        raise ValueError(f"scale, units: expected one for each of {ndim} axes, got {scale} and {units}")
    metadata = {"axes": "C" + "ZYX"[-ndim:], "scale": [1.0, *map(float, scale)], "units": ["", *units]}
    with atomic_path(path) as temporary:
        tifffile.imwrite(temporary, image, photometric="minisblack", compression="zlib", metadata=metadata)
