"""One image from its pixels to its results: what the commands `segment` and `batch`, and the batch tab, share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.data.ome_zarr import write_ome_zarr_labels
from napari_spoco.data.writers import write_labels, write_objects_csv
from napari_spoco.review.measures import measure_objects
from napari_spoco.review.queue import score_objects
from napari_spoco.segmentation.grid_settings import on_model_grid
from napari_spoco.segmentation.prediction import predict_outputs, split_outputs
from napari_spoco.segmentation.readout import ReadoutContext, read_out

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_spoco.config import SegmentationConfig
    from napari_spoco.data.images import SourceImage
    from napari_spoco.data.resampling import Resampling
    from napari_spoco.models.checkpoint import EmbeddingModel


@dataclass(frozen=True, eq=False)
class SegmentedImage:
    """Objects of an image, and what they were found in.

    Attributes
    ----------
    labels : ndarray
        (*spatial) uint32 on the grid of the image, 0 = background. Where this grid is coarser than the model's, very
        small objects may be lost, and their ids are not given to others.
    notices : tuple of str
        Sentences about results that one should look at.
    embeddings : ndarray
        (E, *spatial) float32 on the grid of the model; of the teacher where there is one, unless the method compares
        both.
    found : ndarray
        (*spatial) uint32, the same objects on the grid of the model.
    pixel_size : tuple of float
        Of the grid of the model, per axis.
    """

    labels: NDArray[np.uint32]
    notices: tuple[str, ...]
    embeddings: NDArray[np.float32]
    found: NDArray[np.uint32]
    pixel_size: tuple[float, ...]

    @property
    def n_objects(self) -> int:
        """Number of objects on the grid of the image."""
        return int(np.count_nonzero(np.bincount(self.labels.ravel())[1:]))


def segment_source(
    model: EmbeddingModel,
    source: SourceImage,
    settings: SegmentationConfig,
    *,
    context: ReadoutContext | None = None,
    stop: Callable[[], bool] | None = None,
    on_tile: Callable[[int, int], None] | None = None,
) -> SegmentedImage:
    """Bring an image to the voxel size of a model, predict the embeddings, and read the objects out of them.

    Parameters
    ----------
    model, source, settings
        What to segment, and how; sizes and distances of objects are in pixels of the image.
    context
        What the user has shown of this image, on its own grid: annotations (int32), mask, a pixel of the background.
        All else comes from here.
    stop, on_tile
        Of `predict_outputs`.

    Raises
    ------
    PredictionStopped
        `stop` returned true.
    TypeError, ValueError
        Image, model and settings do not suit each other.
    """
    check_method(model, settings)
    resampling = model.card.resampling(source.data.shape[1:], source.scale, source.units)
    image = resampling.image(model.card.take_channels(source.data))
    model = model.with_channels(None)  # They are taken.
    compares = settings.method == "consistency"

    def predict(*, teacher: bool) -> NDArray[np.float32]:
        outputs: NDArray[np.float32] = predict_outputs(model, image, teacher=teacher, stop=stop, on_progress=on_tile)
        return outputs

    embeddings, scores = split_outputs(predict(teacher=model.teacher is not None and not compares), model.config)
    known = replace(
        _resampled(context or ReadoutContext(), resampling),
        image=image,
        class_scores=scores,
        teacher_embeddings=predict(teacher=True)[: len(embeddings)] if compares else None,
        scale=source.scale if resampling.is_identity and "pixel" not in source.units else None,
    )
    settings = on_model_grid(settings, resampling.factors, model.card.voxel_size)
    readout = read_out(embeddings, model.card, settings, known)
    notices = (resampling.notice, *readout.notices) if resampling.notice else readout.notices
    pixel_size = tuple(
        size * n / m for size, n, m in zip(source.scale, resampling.shape, resampling.model_shape, strict=True)
    )
    return SegmentedImage(resampling.labels(readout.labels), notices, embeddings, readout.labels, pixel_size)


def _resampled(context: ReadoutContext, resampling: Resampling) -> ReadoutContext:
    """Return what the user has shown, resampled."""
    for name in ("mask", "annotations"):
        given = getattr(context, name)
        if given is not None and given.shape != resampling.shape:
            raise ValueError(f"{name}: expected the image's shape {resampling.shape}, got {given.shape}.")
    mask, annotations, pixel = context.mask, context.annotations, context.background_pixel
    return replace(
        context,
        mask=None if mask is None else resampling.mask(mask),
        annotations=None if annotations is None else resampling.annotations(annotations),
        background_pixel=None if pixel is None else resampling.model_pixel(pixel),
    )


def write_results(
    outputs: Mapping[str, Path], labels: Any, source: SourceImage, scores: Mapping[int, float] | None = None
) -> None:
    """Write labels and table of one image, on its grid, by format ("tiff", "ome_tiff", "ome_zarr", "objects").

    Raises
    ------
    WriteError, ValueError
        As the writers.
    """
    geometry: dict[str, Any] = {"scale": source.scale, "units": source.units}
    for kind, path in outputs.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "objects":
            write_objects_csv(path, labels, image=source.data, scores=scores, **geometry)
        else:
            write = write_ome_zarr_labels if kind == "ome_zarr" else write_labels
            write(path, labels, axis_labels=source.axis_labels, **geometry)


def score_found(segmented: SegmentedImage, model: EmbeddingModel) -> dict[int, float]:
    """Return the score of every object (`review.score_objects`), for the table."""
    measures = measure_objects(
        segmented.found,
        embeddings=segmented.embeddings,
        scale=segmented.pixel_size,
        delta_var=model.card.delta_var,
        kernel_threshold=model.card.kernel_threshold,
    )
    return {one.instance_id: one.score for one in score_objects(measures)}


def check_method(model: EmbeddingModel, settings: SegmentationConfig) -> None:
    """Raise ValueError where a model lacks what the method compares."""
    if settings.method == "consistency" and model.teacher is None:
        raise ValueError(
            "method: consistency compares student and teacher, but the model was saved without a teacher; "
            "choose mean_shift"
        )
    for name in ("method", "foreground"):
        if getattr(settings, name) == "pixel_classes" and not model.config.pixel_classes:
            raise ValueError(f"{name}: expected another, as the model does not classify pixels, got pixel_classes")
