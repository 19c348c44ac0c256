"""What the embeddings of an image depend on: whether those at hand are still of what is there now.

The file of a model is told apart by its time: a training that is resumed writes other weights into the same one. What
is kept on disk is found by the contents themselves (`Embedder`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_spoco._qt.layers.image_axes import axes_of, pixels_of

if TYPE_CHECKING:
    from napari.layers import Layer


class ModelFile(NamedTuple):
    """A model by its file, and when that was written, in ns; None where there is none."""

    path: str | None
    time: int | None = None


@dataclass(frozen=True, eq=False)
class EmbeddingSource:
    """An image as it was when it was embedded.

    Attributes
    ----------
    image : Layer
        The layer.
    pixels : array
        What is in it; another object holds other pixels.
    reading : tuple
        How they are read: axes, chosen channels, voxel size and its units.
    model : ModelFile
        The model in use.
    """

    image: Layer
    pixels: Any
    reading: tuple[object, ...]
    model: ModelFile

    def is_same(self, other: EmbeddingSource) -> bool:
        """Say whether the embeddings of both are the same."""
        is_same_image = self.image is other.image and self.pixels is other.pixels
        return is_same_image and (self.reading, self.model) == (other.reading, other.model)


def find_source(image: Layer, channels: tuple[int, ...] | None, model: ModelFile) -> EmbeddingSource:
    """Return what the embeddings of an image depend on now."""
    reading = (axes_of(image), channels, tuple(image.scale), tuple(map(str, image.units)))
    return EmbeddingSource(image, pixels_of(image), reading, model)


def find_model(path: str | None) -> ModelFile:
    """Return a model with the time of its file."""
    try:
        return ModelFile(path, None if path is None else Path(path).stat().st_mtime_ns)
    except OSError:
        return ModelFile(path)
