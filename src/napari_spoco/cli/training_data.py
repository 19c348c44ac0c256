"""Images with their annotations, from files or from a project, as a trainer takes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_spoco.data.annotations import SparseAnnotations
from napari_spoco.data.images import SourceImage, read_image, read_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spoco.config import TrainingConfig
    from napari_spoco.project.project import Project

    Box = tuple[slice, ...]

_BOX = re.compile(r"(?P<image>.+?):(?P<bounds>\d*:\d*(,\d*:\d*)+)")


@dataclass(frozen=True)
class TrainingData:
    """What is trained on, in one order."""

    sources: tuple[SourceImage, ...]
    annotations: tuple[SparseAnnotations, ...]

    @property
    def images(self) -> list[NDArray[Any]]:
        """Images (C, *spatial)."""
        return [source.data for source in self.sources]

    @property
    def voxel_sizes(self) -> list[tuple[float, ...]]:
        """Of each image, per spatial axis, in `units`."""
        return [source.scale for source in self.sources]

    @property
    def units(self) -> list[tuple[str, ...]]:
        """Of each image, per spatial axis."""
        return [source.units for source in self.sources]


def read_files(
    images: Sequence[Path], annotations: Sequence[Path], boxes: Sequence[str], config: TrainingConfig
) -> TrainingData:
    """Read TIFF files; each box names its image, as `place_boxes` reads it.

    Raises
    ------
    OSError
        A file cannot be read.
    ValueError
        A file is no image or no label image, there is not one of these per image, or a box is of no image.
    """
    if len(images) != len(annotations):
        raise ValueError(
            f"--annotations: expected one annotation per image, got {len(images)} images and {len(annotations)} "
            "annotations"
        )
    placed = place_boxes(boxes, images)
    sources, snapshots = [], []
    for image, labels, inside in zip(images, annotations, placed, strict=True):
        painted = read_labels(labels)
        sources.append(read_image(image, ndim=painted.ndim))
        snapshots.append(
            SparseAnnotations.from_labels(painted, boxes=inside, config=config.annotations, name=labels.name)
        )
    return TrainingData(tuple(sources), tuple(snapshots))


def read_project(project: Project) -> TrainingData:
    """Read the images of a project into which something was painted.

    Raises
    ------
    OSError
        A file cannot be read.
    ValueError
        A file is no image or no label image, or nothing was painted.
    """
    painted = [image for image in project.images if image.annotation_file is not None]
    if not painted:
        raise ValueError(f"{project.path}: expected an image with annotations, got {len(project.images)} without")
    return TrainingData(
        tuple(project.read_image(image.name) for image in painted),
        tuple(
            SparseAnnotations.from_labels(
                project.annotations(image.name), boxes=image.slices, config=image.meaning, name=image.name
            )
            for image in painted
        ),
    )


def place_boxes(texts: Sequence[str], images: Sequence[Path]) -> list[list[Box]]:
    """Read boxes such as "cells.tif:0:10,20:84,:" and return those of each image.

    An image is named by its path, its file name, or this without suffix; a bound that is left out is the image's.

    Raises
    ------
    ValueError
        A box cannot be read, or names none or several of the images.
    """
    placed: list[list[Box]] = [[] for _ in images]
    for text in texts:
        match = _BOX.fullmatch(text)
        if match is None:
            raise ValueError(f"--box: expected IMAGE:y0:y1,x0:x1 or IMAGE:z0:z1,y0:y1,x0:x1, got {text!r}")
        named = [index for index, path in enumerate(images) if match["image"] in (str(path), path.name, path.stem)]
        if len(named) != 1:
            names = ", ".join(map(str, images))
            raise ValueError(f"--box: expected one of the images ({names}), got {match['image']!r}")
        placed[named[0]].append(tuple(_read_slice(part) for part in match["bounds"].split(",")))
    return placed


def _read_slice(text: str) -> slice:
    start, _, stop = text.partition(":")
    return slice(int(start) if start else None, int(stop) if stop else None)
