"""The file of an image that a project keeps: the one that it was read from, or a copy. No Qt, no napari."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.data.images import read_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spoco._qt.project.project_session import KeptImage
    from napari_spoco.project.project import Project

COPY_LIMIT = 2**30
"""Bytes up to which an image that no file holds is copied."""
_N_COLOURS = 3


def keep_image(project: Project, image: KeptImage, name: str) -> tuple[str, list[str]]:
    """Return the file of an image, copied where none holds it, and why it is not kept: the file is empty then."""
    if (file := _file_of(image)) is not None:
        return file, []
    if _n_bytes(image) > COPY_LIMIT:
        problem = (
            f"The image “{image.title}” is too large to be copied into the project; save it as a TIFF file and "
            "open that. What is painted is kept."
        )
        return "", [problem]
    place = image.placement
    try:
        return project.keep_pixels(_read_pixels(image), name, scale=place.scale, units=place.units), []
    except ValueError as error:
        return "", [f"The image “{image.title}” itself is not kept in the project: {error}"]


def _file_of(image: KeptImage) -> str | None:
    """Return the file of an image if it can be read back from there; one too large to be compared is taken on trust."""
    if image.file is None or not Path(image.file).is_file():
        return None
    if _n_bytes(image) > COPY_LIMIT:
        return image.file
    pixels = _read_pixels(image)
    try:
        data = read_image(image.file, ndim=len(image.placement.scale)).data
    except (ValueError, OSError):
        return None
    return image.file if np.array_equal(data, pixels.reshape((-1, *shape_of(image)))) else None


def _read_pixels(image: KeptImage) -> NDArray[Any]:
    """Return (*spatial) or (C, *spatial), colours without their opacity; what is lazy is read now."""
    if not image.is_rgb:
        return np.asarray(image.pixels)
    return np.moveaxis(np.asarray(image.pixels[..., :_N_COLOURS]), -1, 0)


def shape_of(image: KeptImage) -> tuple[int, ...]:
    """Return the shape of an image without channels and colours."""
    shape, ndim = image.pixels.shape, len(image.placement.scale)
    return tuple(shape[:ndim] if image.is_rgb else shape[-ndim:])


def _n_bytes(image: KeptImage) -> int:
    n_pixels = _N_COLOURS * math.prod(shape_of(image)) if image.is_rgb else math.prod(image.pixels.shape)
    return n_pixels * np.dtype(image.pixels.dtype).itemsize
