"""The bodies of the side jobs that write files or count. No Qt, no torch."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_spoco.data.annotations import BACKGROUND, SparseAnnotations
from napari_spoco.data.writers import atomic_path, write_labels

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import ArrayLike

    from napari_spoco._qt.sources import LabelsSource
    from napari_spoco._qt.worker import JobContext
    from napari_spoco.config import AnnotationConfig


@dataclass(frozen=True)
class AnnotationSummary:
    """How much has been painted: objects, and pixels that are stated to be background."""

    n_objects: int = 0
    median_size: int = 0
    n_background: int = 0


def save_labels(_context: JobContext, labels: LabelsSource, path: str) -> Generator[None, None, Path]:
    """Write labels as TIFF; returns the path. Raises OSError or ValueError with a sentence for the user."""
    yield
    geometry = labels.geometry
    return write_labels(path, labels.data, scale=geometry.scale, units=geometry.units, axis_labels=geometry.axis_labels)


def copy_model(_context: JobContext, source: str, path: str) -> Generator[None, None, Path]:
    """Copy a model file, all or nothing; raises WriteError where it cannot be written."""
    yield
    with atomic_path(path) as temporary:
        shutil.copyfile(source, temporary)
    return Path(path)


def count_objects(
    _context: JobContext, labels: ArrayLike, meaning: AnnotationConfig
) -> Generator[None, None, AnnotationSummary]:
    """Count what has been painted; raises ValueError for ids that mean nothing."""
    yield
    return summarize(labels, meaning)


def summarize(labels: ArrayLike, meaning: AnnotationConfig) -> AnnotationSummary:
    """Return the number of painted objects and their median size in pixels; `meaning` is that of the ids."""
    annotations = SparseAnnotations.from_labels(labels, config=meaning)
    background = annotations.runs.get(BACKGROUND)
    return AnnotationSummary(
        annotations.n_objects, annotations.median_size or 0, background.n_pixels if background else 0
    )
