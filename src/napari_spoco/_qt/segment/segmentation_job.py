"""The bodies of the jobs that find the objects of an image. No Qt; torch is imported in the job's thread.

The image is embedded first (`embedding_job`); then its objects are found as a whole, or in the part that is on show.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco._qt.jobs.job_steps import FindingSteps
from napari_spoco.data.objects import object_columns

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_spoco._qt.embeddings.embedding_job import EmbeddedImage, Embedder, EmbeddingInputs
    from napari_spoco._qt.jobs.job_steps import JobStep
    from napari_spoco._qt.jobs.worker import JobContext
    from napari_spoco._qt.layers.sources import Geometry
    from napari_spoco.config import SegmentationConfig
    from napari_spoco.data.resampling import Resampling

    Box = tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class SegmentationResult:
    """Objects of the image: uint32 (*spatial), ids 1..n_objects; `notices` are sentences for the user.

    `features` are columns of a table of the objects, `index` their ids.
    """

    labels: NDArray[np.uint32]
    n_objects: int
    notices: tuple[str, ...] = ()
    features: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ViewResult:
    """Objects of a box that begins at the pixel `start` of the image: uint32 (*box)."""

    labels: NDArray[np.uint32]
    start: tuple[int, ...]


def run_segmentation(
    job: JobContext, inputs: EmbeddingInputs, embedder: Embedder
) -> Generator[JobStep | EmbeddedImage, None, SegmentationResult]:
    """Embed the image unless it is embedded, then find its objects; raises as `run_embedding`."""
    image = yield from embedder.embed(job, inputs)
    yield image
    steps = FindingSteps(job.report)
    config = image.own_settings(inputs.config)
    found = image.reclustering.read_out(config, stop=job.is_cancelled, on_stage=steps.note_stage)
    steps.note(4)
    labels = image.resampling.labels(found.labels)
    said = (*image.notices, image.resampling.notice) if image.resampling.notice else image.notices
    steps.note(5)
    features = measure_features(labels, inputs.image.geometry)
    return SegmentationResult(labels, int(labels.max(initial=0)), (*said, *found.notices), features)


def run_view(
    job: JobContext, image: EmbeddedImage, config: SegmentationConfig, box: Box
) -> Generator[None, None, ViewResult | None]:
    """Find the objects in a box of the image, which its part shows; None where nobody waits for it any more.

    Raises
    ------
    ValueError
        The settings need something that is missing.
    """
    from napari_spoco.segmentation.stages import Stopped

    yield
    if config.method == "consistency" and image.context.teacher_embeddings is None:
        raise ValueError("Consistency clustering needs the teacher's embeddings too: press Segment, then preview it.")
    resampling = image.resampling
    own = box if image.part is None else image.part.within(box)
    try:
        model_box = _model_box(own, resampling)
        own_config = image.own_settings(config)
        labels = image.reclustering.read_out(own_config, box=model_box, stop=job.is_cancelled).labels
    except Stopped:
        return None
    on_grid, start = resampling.picture(labels[..., None], [part.start for part in model_box])
    if image.part is not None:
        start = tuple(index + first for index, first in zip(start, image.part.origin, strict=True))
    return ViewResult(np.ascontiguousarray(on_grid[..., 0]), start)


def measure_features(labels: NDArray[np.uint32], geometry: Geometry) -> dict[str, Any]:
    """Return size and place of every object, in the layer's units; nothing where these have no common measure."""
    try:
        columns = object_columns(labels, geometry.scale, geometry.units)
    except ValueError:
        return {}
    unit = next(iter(columns["unit"]), "")
    power = "\u00b2" if labels.ndim == 2 else "\u00b3"
    size = "area" if labels.ndim == 2 else "volume"
    names = {"label": "index", "n_pixels": "pixels", size: f"{size} ({unit}{power})"}
    names |= {f"centroid_{axis}": f"{axis} ({unit})" for axis in "zyx"[-labels.ndim :]}
    return {shown: np.array(columns[name]) for name, shown in names.items()}


def _model_box(box: Box, resampling: Resampling) -> Box:
    """Return the box of the model's grid that covers a box of the user's."""
    sizes = zip(box, resampling.shape, resampling.model_shape, strict=True)
    ends = [(part.start * m // n, -(-part.stop * m // n)) for part, n, m in sizes]
    return tuple(slice(start, max(start + 1, stop)) for start, stop in ends)
