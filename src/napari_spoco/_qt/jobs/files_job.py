"""The bodies of the side jobs that write files or count. No Qt, no torch."""

from __future__ import annotations

import math
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.data.annotations import BACKGROUND, SparseAnnotations
from napari_spoco.data.layer_files import save_ome_zarr, save_tiff
from napari_spoco.data.painted_objects import PaintedObjects, count_touching
from napari_spoco.data.writers import atomic_path, write_objects_csv

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import ArrayLike

    from napari_spoco._qt.jobs.worker import JobContext
    from napari_spoco.config import AnnotationConfig


@dataclass(frozen=True, eq=False)
class AnnotationSummary:
    """What has been painted, as it was when it was counted.

    Attributes
    ----------
    objects : PaintedObjects
        All that is painted; strokes have the ids `BACKGROUND` and `IGNORE`.
    shape : tuple of int
        Of the annotations.
    n_touching : int
        Objects that touch another one.
    """

    objects: PaintedObjects = field(default_factory=lambda: PaintedObjects.of(np.zeros((0, 0), np.int32)))
    shape: tuple[int, ...] = (0, 0)
    n_touching: int = 0

    @property
    def n_objects(self) -> int:
        """Number of objects, strokes not counted."""
        return int((self.objects.ids > 0).sum())

    @property
    def median_size(self) -> int:
        """Median number of pixels of an object, rounded down; 0 without an object."""
        sizes = self.objects.n_pixels[self.objects.ids > 0]
        return int(np.median(sizes)) if len(sizes) else 0

    @property
    def n_background(self) -> int:
        """Number of pixels that are stated to be background."""
        row = self.objects.row(BACKGROUND)
        return 0 if row is None else int(self.objects.n_pixels[row])

    @property
    def share(self) -> float:
        """Share of the image, in [0, 1], of which something is stated."""
        return int(self.objects.n_pixels.sum()) / max(math.prod(self.shape), 1)


@dataclass(frozen=True, eq=False)
class LabelsToWrite:
    """Labels as their layer holds them, (*spatial), which may be lazy or painted on.

    `attributes` of the layer place them (as `layer_files` takes them); `image`, (*spatial) or (C, *spatial), is what
    intensities are measured in, if anything is.
    """

    pixels: Any
    attributes: Mapping[str, Any]
    image: Any = None


def write_labels_layer(_context: JobContext, labels: LabelsToWrite, path: str) -> Generator[None, None, Path]:
    """Write labels, or a table of them, as the ending of the path says (`paths.LABEL_FILES`); returns the path.

    Raises OSError or ValueError with a sentence for the user.
    """
    yield
    # The largest id decides on the type of the file: what is painted after it was looked for must not be written.
    pixels = np.array(labels.pixels)
    suffix = Path(path).suffix.lower()
    if suffix == ".csv":
        units = tuple(map(str, labels.attributes["units"]))
        return write_objects_csv(path, pixels, image=labels.image, scale=labels.attributes["scale"], units=units)
    (save_ome_zarr if suffix == ".zarr" else save_tiff)(path, pixels, labels.attributes)
    return Path(path)


def copy_model(_context: JobContext, source: str, path: str) -> Generator[None, None, Path]:
    """Copy a model file, all or nothing; raises WriteError where it cannot be written."""
    yield
    with atomic_path(path) as temporary:
        shutil.copyfile(source, temporary)
    return Path(path)


def save_package(_context: JobContext, source: str, path: str) -> Generator[None, None, Path]:
    """Make a BioImage.IO package of a model file, named as the file; errors as `bioimageio.export_package`."""
    from napari_spoco.models.bioimageio import export_package
    from napari_spoco.models.checkpoint import load_model

    yield
    name = re.sub(r"[^A-Za-z0-9_+\- ()]+", "-", Path(path).stem)
    return export_package(load_model(source), path, name=name)


def count_objects(
    _context: JobContext, labels: ArrayLike, meaning: AnnotationConfig
) -> Generator[None, None, AnnotationSummary]:
    """Count what has been painted; raises ValueError for ids that mean nothing."""
    yield
    return summarize(labels, meaning)


def summarize(labels: ArrayLike, meaning: AnnotationConfig) -> AnnotationSummary:
    """List what is painted in labels of two axes or more; `meaning` is that of the ids. Errors as `count_objects`."""
    stated = SparseAnnotations.from_labels(labels, config=meaning).labels
    return AnnotationSummary(PaintedObjects.of(stated), stated.shape, count_touching(stated))
