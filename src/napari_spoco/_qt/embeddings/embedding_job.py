"""The body of the job that embeds an image. No Qt; torch is imported in the job's thread.

An image is embedded once (`EmbeddedImage`); after that its objects are found again under other settings
(`segmentation_job`), and only what depends on a change is computed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from napari_spoco._qt.embeddings.embedding_source import find_model
from napari_spoco._qt.embeddings.embedding_store import EmbeddingStore, digest
from napari_spoco._qt.embeddings.other_network import OtherNetwork
from napari_spoco._qt.embeddings.prediction_job import Predictor
from napari_spoco._qt.embeddings.view_part import ViewPart, cut_inputs, part_around
from napari_spoco._qt.jobs.job_steps import JobStep
from napari_spoco.config import AnnotationConfig
from napari_spoco.data.annotations import SparseAnnotations
from napari_spoco.data.images import as_channels_first, find_grey_values

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_spoco._qt.embeddings.embedding_source import ModelFile
    from napari_spoco._qt.jobs.worker import JobContext
    from napari_spoco._qt.layers.sources import Geometry, ImageSource
    from napari_spoco.config import SegmentationConfig
    from napari_spoco.data.images import GreyValues
    from napari_spoco.data.resampling import Resampling
    from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard
    from napari_spoco.segmentation.reclustering import Reclustering
    from napari_spoco.segmentation.view import ReadoutContext

    Network = Literal["student", "teacher"]
    Box = tuple[slice, ...]

_DOTS = 1500
"""Of the scatter plot: at most so many pixels of the image, and as many annotated ones."""


@dataclass(frozen=True, eq=False)
class EmbeddingInputs:
    """What the user has chosen.

    Attributes
    ----------
    config : SegmentationConfig
        Of the segmentation that may follow.
    mask, annotations : ndarray
        (*spatial), to be read only.
    meaning : AnnotationConfig
        What the values of the annotations state.
    background_pixel : tuple of int
        (Z)YX, what was clicked as background.
    channels : tuple of int
        Which ones of the image the model is given; those that it was trained on if None.
    network : str
        Which one embeds, where the model has both; consistency clustering looks at the student first in any case.
    view : tuple of slice
        The part on show, in pixels (Z)YX, where no more than that is wanted; None = the whole image.
    """

    image: ImageSource
    model_path: str
    config: SegmentationConfig
    device: str = "auto"
    mask: NDArray[Any] | None = None
    annotations: NDArray[Any] | None = None
    meaning: AnnotationConfig = field(default_factory=AnnotationConfig)
    background_pixel: tuple[int, ...] | None = None
    channels: tuple[int, ...] | None = None
    network: Network = "teacher"
    view: Box | None = None


@dataclass(frozen=True, eq=False)
class EmbeddedImage:
    """An image under a model, ready to be read out.

    Attributes
    ----------
    key : str
        Tells images, models and networks apart.
    card : ModelCard
        Of the model.
    resampling : Resampling
        Between the user's grid and that of the embeddings.
    factors : tuple of float
        Pixels of the model's grid per pixel of the user's, along every axis of the whole image.
    embeddings : ndarray
        (E, *spatial) float16 on the model's grid, to be read only.
    reclustering : Reclustering
        Finds the objects.
    context : ReadoutContext
        What is known beside, on the model's grid.
    rgb : ndarray
        Principal components, uint8 (*spatial, 3) on the user's grid.
    basis : ndarray
        (E, 3), the components.
    dots : tuple of ndarray
        Pixels by their first two components (N, 2), and their annotated ids; 0 = not annotated.
    notices : tuple of str
        Sentences for the user.
    part : ViewPart
        What of the image all this is of; None = all of it.
    other : OtherNetwork
        Embeds the same by the other network; None where the model has one only, and for parts.
    """

    key: str
    card: ModelCard
    resampling: Resampling
    factors: tuple[float, ...]
    embeddings: NDArray[np.float16]
    reclustering: Reclustering
    context: ReadoutContext
    rgb: NDArray[np.uint8]
    basis: NDArray[np.float64]
    dots: tuple[NDArray[np.float32], NDArray[np.int32]] | None = None
    notices: tuple[str, ...] = ()
    part: ViewPart | None = None
    other: OtherNetwork | None = None

    def own_settings(self, settings: SegmentationConfig) -> SegmentationConfig:
        """Return what a person has set for the pixels of their image as it is to be read out of the embeddings."""
        from napari_spoco.segmentation.grid_settings import on_model_grid

        return on_model_grid(settings, self.factors, self.card.voxel_size)


class _WholeImage(NamedTuple):
    """An image (C, *spatial) at the model's voxel size, of which parts are embedded, by the name of both."""

    name: str
    image: NDArray[Any]
    grey_values: GreyValues


class Embedder:
    """Embeds images; keeps the last one and the last part at hand, and the embeddings of earlier ones on disk."""

    def __init__(self, folder: Path) -> None:
        self._store = EmbeddingStore(folder)
        self._last: EmbeddedImage | None = None
        self._last_part: EmbeddedImage | None = None
        self._whole: _WholeImage | None = None

    @property
    def last(self) -> EmbeddedImage | None:
        """The image that was embedded last, as a whole."""
        return self._last

    def find(self, key: str) -> NDArray[np.float16] | None:
        """Return what the networks gave for a key, in this session or an earlier one; None where it is not kept."""
        return self._store.find(key)

    def embed(self, job: JobContext, inputs: EmbeddingInputs) -> Generator[JobStep, None, EmbeddedImage]:
        """Return the image with all that is known now, or the part of it that is wanted, where that is quicker.

        What has not changed is not computed again.
        """
        from napari_spoco.models.checkpoint import load_model
        from napari_spoco.whole_image import check_method

        yield JobStep("Reading the image and the model")
        pixels = as_channels_first(np.asarray(inputs.image.data), ndim=inputs.image.ndim)
        model = load_model(inputs.model_path)
        check_method(model, inputs.config)
        model, notices = _with_channels(model, inputs.channels, len(pixels))
        pixels, model = model.card.take_channels(pixels), model.with_channels(None)
        file, used = Path(inputs.model_path), find_model(inputs.model_path)
        geometry = inputs.image.geometry
        name = digest(pixels, str(file.resolve()), used.time, geometry.scale, geometry.units)
        # Consistency clustering compares the student's embeddings with the teacher's.
        needs_both = inputs.config.method == "consistency"
        network: Network = "student" if needs_both or model.teacher is None else inputs.network
        resampling = model.card.resampling(pixels.shape[1:], geometry.scale, geometry.units)
        factors = resampling.factors
        part = self._part(inputs, f"{name}-{network}", resampling, model)
        image = grey_values = None
        if part is not None:
            whole = self._look_at_whole(job, name, pixels, resampling, model)
            image, grey_values = whole.image[(slice(None), *part.model_box)], whole.grey_values
            inputs, name = cut_inputs(inputs, part, resampling.shape), f"{name}-{digest(part, grey_values)}"
            resampling = part.resampling(resampling)
        predictor = Predictor(job, self._store, model, inputs.device, grey_values)
        last = self._last if part is None else self._last_part
        if last is None or last.key != f"{name}-{network}":
            image = resampling.image(pixels) if image is None else image
            last = _begin(predictor, f"{name}-{network}", image, resampling, geometry)
        context = _context(inputs, last)
        if needs_both and context.teacher_embeddings is None and model.teacher is not None:
            teacher = predictor.predict(f"{name}-teacher", context.image)
            context = replace(context, teacher_embeddings=teacher[: model.config.embedding_dim])
        last.reclustering.set_context(context)
        dots = _sample_dots(last, context.annotations)
        last = replace(last, context=context, dots=dots, notices=notices, part=part, factors=factors)
        if part is None:
            self._last = last = replace(last, other=self._other_network(last, model, used, inputs.device))
        else:
            self._last_part = last
        return last

    def _other_network(
        self, image: EmbeddedImage, model: EmbeddingModel, used: ModelFile, device: str
    ) -> OtherNetwork | None:
        if model.teacher is None or image.context.image is None:
            return None
        name, network = image.key.rsplit("-", 1)
        return OtherNetwork(
            f"{name}-{'teacher' if network == 'student' else 'student'}",
            image.context.image,
            used,
            len(image.embeddings),
            device,
            self._store,
            isinstance(image.embeddings, np.memmap),
        )

    def _part(
        self, inputs: EmbeddingInputs, key: str, resampling: Resampling, model: EmbeddingModel
    ) -> ViewPart | None:
        """Return what has to be embedded of an image; None for all of it, where that is at hand, wanted or as quick."""
        if inputs.view is None or self.find(key) is not None or (self._last is not None and self._last.key == key):
            return None
        return part_around(inputs.view, resampling, model.config)

    def _look_at_whole(
        self, job: JobContext, name: str, pixels: NDArray[Any], resampling: Resampling, model: EmbeddingModel
    ) -> _WholeImage:
        """Return the image at the model's voxel size, and by what it is normalised; once for all of its parts."""
        if self._whole is None or self._whole.name != name:
            job.report(JobStep("Looking at the whole image"))
            image = resampling.image(pixels)
            self._whole = _WholeImage(name, image, find_grey_values(image, model.card.normalization))
        return self._whole


def _begin(
    predictor: Predictor, key: str, image: NDArray[Any], resampling: Resampling, geometry: Geometry
) -> EmbeddedImage:
    """Embed an image (C, *spatial) at the model's voxel size."""
    from napari_spoco.segmentation.prediction import split_outputs
    from napari_spoco.segmentation.projection import PcaProjection
    from napari_spoco.segmentation.reclustering import Reclustering
    from napari_spoco.segmentation.view import ReadoutContext

    card = predictor.model.card
    embeddings, scores = split_outputs(predictor.predict(key, image), card.network)
    predictor.job.report(JobStep("Making colours of the embeddings"))
    projection = PcaProjection()
    rgb, _ = resampling.picture(projection.fit_transform(np.asarray(embeddings, np.float32)))
    scale = geometry.scale if resampling.is_identity and "pixel" not in geometry.units else None
    context = ReadoutContext(image=image, class_scores=scores, scale=scale)
    reclustering = Reclustering(embeddings, card, context)
    basis = projection.basis
    assert basis is not None
    return EmbeddedImage(key, card, resampling, resampling.factors, embeddings, reclustering, context, rgb, basis)


def _context(inputs: EmbeddingInputs, image: EmbeddedImage) -> ReadoutContext:
    """Say what is known beside the embeddings; an array that holds what it held before stays the same one."""
    resampling, known = image.resampling, image.context
    mask, clicked = inputs.mask, inputs.background_pixel
    if mask is not None and mask.shape != resampling.shape:
        raise ValueError(f"foreground: expected the image's shape {resampling.shape}, got {mask.shape}.")
    annotations = inputs.annotations
    if annotations is not None and annotations.shape != resampling.shape:
        annotations = None  # Of another image: of no use here, and no error.
    if annotations is not None:  # Strokes of background are no objects.
        meaning = inputs.meaning.model_copy(update={"painted_in_planes": False})
        labels = SparseAnnotations.from_labels(np.array(annotations), config=meaning).labels
        annotations = _kept(known.annotations, resampling.annotations(labels))
    return replace(
        known,
        mask=None if mask is None else _kept(known.mask, resampling.mask(np.asarray(mask))),
        annotations=annotations,
        in_planes=inputs.meaning.painted_in_planes,
        background_pixel=None if clicked is None else resampling.model_pixel(clicked),
    )


def run_embedding(
    job: JobContext, inputs: EmbeddingInputs, embedder: Embedder
) -> Generator[JobStep, None, EmbeddedImage]:
    """Embed the image unless it is embedded.

    Raises
    ------
    ValueError, OSError
        The image, the model or the mask do not suit; nothing was changed.
    """
    return (yield from embedder.embed(job, inputs))


def _with_channels(
    model: EmbeddingModel, channels: tuple[int, ...] | None, n_channels: int
) -> tuple[EmbeddingModel, tuple[str, ...]]:
    """Return the model for the chosen channels, and say so where an image of so many has those of its training too."""
    if channels is None:
        return model, ()
    trained = model.card.channels
    if trained is None or trained == channels or max(*trained, *channels) >= n_channels:
        return model.with_channels(channels), ()
    before, now = (", ".join(map(str, numbers)) for numbers in (trained, channels))
    notice = f"The model was trained on channel {before}, and is given channel {now}, as is chosen in Annotate."
    return model.with_channels(channels), (notice,)


def _sample_dots(
    image: EmbeddedImage, annotations: NDArray[np.int32] | None
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return `EmbeddedImage.dots`; the embeddings may lie on disk, so this belongs in the job's thread."""
    flat = image.embeddings.reshape(len(image.embeddings), -1)
    n_pixels = flat.shape[1]
    ids = np.zeros(n_pixels, np.int32) if annotations is None else annotations.ravel()
    painted = np.flatnonzero(ids > 0)
    every, some = (np.linspace(0, max(n - 1, 0), min(n, _DOTS)).astype(np.intp) for n in (n_pixels, len(painted)))
    pixels = np.union1d(every, painted[some])
    return flat[:, pixels].T.astype(np.float32) @ image.basis[:, :2].astype(np.float32), ids[pixels]


def _kept(known: Any, new: NDArray[Any]) -> NDArray[Any]:
    """Return what was known where it is equal, so that nothing that depends on it is computed again."""
    return known if known is not None and np.array_equal(known, new) else new
