"""The body of the segmentation job: load the model, predict, cluster. No Qt; torch is imported in the job's thread."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.config import AnnotationConfig
from napari_spoco.data.annotations import SparseAnnotations
from napari_spoco.data.images import as_channels_first

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_spoco._qt.sources import ImageSource
    from napari_spoco._qt.worker import JobContext
    from napari_spoco.config import SegmentationConfig
    from napari_spoco.models.checkpoint import EmbeddingModel


@dataclass(frozen=True, eq=False)
class SegmentationInputs:
    """What the user has chosen; `mask` and `annotations` (*spatial) are copies that no painting reaches.

    `meaning` says what the values of the annotations state.
    """

    image: ImageSource
    model_path: str
    config: SegmentationConfig
    device: str = "auto"
    mask: NDArray[Any] | None = None
    annotations: NDArray[Any] | None = None
    meaning: AnnotationConfig = field(default_factory=AnnotationConfig)


@dataclass(frozen=True)
class PredictionProgress:
    """Tiles done, and in all."""

    n_done: int
    n_tiles: int


@dataclass(frozen=True, eq=False)
class EmbeddingsPredicted:
    """The whole image as PCA colours, uint8 (*spatial, 3); clustering begins."""

    rgb: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class SegmentationResult:
    """Objects of the image: uint32 (*spatial), ids 1..n_objects."""

    labels: NDArray[np.uint32]
    n_objects: int


class EmbeddingCache:
    """The embeddings of the last image under the last model, so that other settings cost no prediction."""

    def __init__(self) -> None:
        self._entry: tuple[tuple[object, ...], NDArray[np.float32]] | None = None

    def get(self, key: tuple[object, ...]) -> NDArray[np.float32] | None:
        """Return the embeddings kept under that key."""
        entry = self._entry
        return entry[1] if entry is not None and entry[0] == key else None

    def put(self, key: tuple[object, ...], embeddings: NDArray[np.float32]) -> None:
        """Keep these embeddings instead of the last ones."""
        self._entry = (key, embeddings)


def run_segmentation(
    context: JobContext, inputs: SegmentationInputs, cache: EmbeddingCache
) -> Generator[PredictionProgress | EmbeddingsPredicted, None, SegmentationResult]:
    """Predict the embeddings unless they are known, then cluster them.

    Raises
    ------
    ValueError, OSError
        The image, the model or the mask do not suit; nothing was changed.
    """
    from napari_spoco.models.checkpoint import load_model
    from napari_spoco.segmentation.projection import PcaProjection
    from napari_spoco.segmentation.readout import ReadoutContext, read_out

    pixels = as_channels_first(np.asarray(inputs.image.data), ndim=inputs.image.ndim)
    mask = _check_shape(inputs.mask, pixels, "foreground")
    annotations = inputs.annotations
    if annotations is not None and annotations.shape != pixels.shape[1:]:
        annotations = None  # Of another image: of no use here, and no error.
    if annotations is not None:  # Strokes of background are no objects.
        meaning = inputs.meaning.model_copy(update={"painted_in_planes": False})
        annotations = SparseAnnotations.from_labels(annotations, config=meaning).labels
    model = load_model(inputs.model_path)
    key = _key(inputs.model_path, pixels)
    embeddings = cache.get(key)
    if embeddings is None:
        embeddings = _predict(context, model, pixels, inputs.device)
        cache.put(key, embeddings)
    yield EmbeddingsPredicted(PcaProjection().fit_transform(embeddings))
    labels = read_out(embeddings, model.card, inputs.config, ReadoutContext(pixels, annotations, mask))
    return SegmentationResult(labels, int(labels.max(initial=0)))


def _key(model_path: str, pixels: NDArray[Any]) -> tuple[object, ...]:
    """Identify model file and image by what they hold, so that a changed image is predicted anew."""
    digest = hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=16).hexdigest()
    return model_path, Path(model_path).stat().st_mtime_ns, pixels.shape, pixels.dtype.str, digest


def _predict(context: JobContext, model: EmbeddingModel, pixels: NDArray[Any], device: str) -> NDArray[np.float32]:
    from napari_spoco.segmentation.prediction import predict_embeddings
    from napari_spoco.training.devices import choose_device

    def report(n_done: int, n_tiles: int) -> None:
        context.report(PredictionProgress(n_done, n_tiles))

    embeddings: NDArray[np.float32] = predict_embeddings(
        model.to(choose_device(device)),
        pixels,
        teacher=model.teacher is not None,
        stop=context.is_cancelled,
        on_progress=report,
    )
    return embeddings


def _check_shape(mask: NDArray[Any] | None, pixels: NDArray[Any], name: str) -> NDArray[Any] | None:
    if mask is not None and mask.shape != pixels.shape[1:]:
        raise ValueError(f"{name}: expected the image's shape {pixels.shape[1:]}, got {mask.shape}.")
    return mask
