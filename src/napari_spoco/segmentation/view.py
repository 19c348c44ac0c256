"""What a read-out needs before there are objects: smoothed embeddings, the background's embedding, a foreground.

A view is a box of an image, or all of it. Its embeddings are smoothed with what lies around it; what is background, and
how far from it objects are, is a matter of the whole image. How each part is made is known in `view_stages`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.config import PIXEL_CLASSES
from napari_spoco.segmentation.background import distance_to_background
from napari_spoco.segmentation.background_choice import choose_background
from napari_spoco.segmentation.pixel_classes import class_probabilities, find_cores, foreground_by_classes
from napari_spoco.segmentation.view_stages import (
    annotated_radius,
    annotations_of_box,
    box_background,
    bright_part,
    contrast_of_box,
    image_background,
    is_far,
    mask_of_box,
    mean_of_channels,
    median_size,
    object_box,
    painted_box,
    smoothed_box,
    stroke_box,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spoco.config import Method, SegmentationConfig
    from napari_spoco.models.checkpoint import ModelCard
    from napari_spoco.segmentation.background_choice import BackgroundChoice
    from napari_spoco.segmentation.stages import StageMemory
    from napari_spoco.segmentation.view_stages import Box

USUAL_SMOOTHING, EDGE_SMOOTHING = 1.0, 0.5
"""Of the embeddings, where the user has set none; edges would be lost by more."""
USUAL_CLASS_THRESHOLD = 0.5
"""Of pixel classes, where nothing was painted to choose one by."""


@dataclass(frozen=True, eq=False)
class ReadoutContext:
    """What is known beside the embeddings; each part may be missing.

    Attributes
    ----------
    image : ndarray
        (C, *spatial) raw intensities.
    annotations : ndarray
        (*spatial) integers as in `SparseAnnotations`: objects from 1, `BACKGROUND` strokes; 0 says nothing.
    in_planes : bool
        Whether objects of a stack are annotated in some planes only.
    mask : ndarray
        (*spatial) bool or integer, a foreground given by the user.
    background_pixel : tuple of int
        A pixel (Z)YX that the user has clicked as background.
    teacher_embeddings : ndarray
        (E, *spatial) of the teacher, for consistency clustering, whose embeddings are the student's.
    class_scores : ndarray
        (3, *spatial) of the pixel classes, where the network tells them apart (`prediction.split_outputs`).
    boundaries : ndarray
        (*spatial) what is bright between objects, for supervoxels and edges; None = the mean of the image's channels.
    scale : tuple of float
        Size of a pixel per spatial axis; None = that of the model.
    """

    image: NDArray[Any] | None = None
    annotations: NDArray[Any] | None = None
    in_planes: bool = False
    mask: NDArray[Any] | None = None
    background_pixel: tuple[int, ...] | None = None
    teacher_embeddings: Any = None
    class_scores: Any = None
    boundaries: NDArray[Any] | None = None
    scale: tuple[float, ...] | None = None


@dataclass(frozen=True, eq=False)
class View:
    """A box of an image under some settings; every part is made when it is first asked for.

    Attributes
    ----------
    memory : StageMemory
        Where results are kept.
    embeddings : array-like
        (E, *spatial) of the image, float16 or float32; anything that can be sliced.
    card, settings, context
        As for `read_out`.
    box : tuple of slice, optional
        The part; None = the image.
    """

    memory: StageMemory
    embeddings: Any
    card: ModelCard
    settings: SegmentationConfig
    context: ReadoutContext
    box: Box | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where something that is known is not of the image's shape."""
        n_channels, *shape = np.shape(self.embeddings)
        context = self.context
        for name, array, expected in (
            ("image", context.image, (None, *shape)),
            ("annotations", context.annotations, tuple(shape)),
            ("mask", context.mask, tuple(shape)),
            ("teacher_embeddings", context.teacher_embeddings, (n_channels, *shape)),
            ("class_scores", context.class_scores, (len(PIXEL_CLASSES), *shape)),
            ("boundaries", context.boundaries, tuple(shape)),
        ):
            came = expected if array is None else np.shape(array)
            if len(came) != len(expected) or any(b not in (None, a) for a, b in zip(came, expected, strict=True)):
                raise ValueError(f"{name}: expected shape {expected}, got {came}.")

    @property
    def scale(self) -> tuple[float, ...] | None:
        """Size of a pixel per spatial axis."""
        return self.context.scale or self.card.voxel_size

    @property
    def choice(self) -> BackgroundChoice:
        """How objects are told from background."""
        context = self.context
        has_mask, has_classes = context.mask is not None, context.class_scores is not None
        return choose_background(self.settings, self.card, has_mask=has_mask, has_classes=has_classes)

    @property
    def method(self) -> Method:
        """The method of the settings, else the one that suits the model."""
        return self.choice.method

    @property
    def smoothing(self) -> float:
        """Standard deviation of the smoothing of the embeddings, in pixels of the last axis."""
        usual = EDGE_SMOOTHING if self.method == "edges" else USUAL_SMOOTHING
        return usual if self.settings.smoothing is None else self.settings.smoothing

    @property
    def smooth(self) -> NDArray[np.float32]:
        """Smoothed embeddings of the box."""
        smoothing = self.smoothing
        return self.memory("embeddings", smoothed_box, self.embeddings, self.box, smoothing, self.scale)

    @property
    def smooth_teacher(self) -> NDArray[np.float32]:
        """The teacher's smoothed embeddings of the box."""
        embeddings, smoothing = self.context.teacher_embeddings, self.smoothing
        return self.memory("teacher", smoothed_box, embeddings, self.box, smoothing, self.scale)

    @property
    def background(self) -> NDArray[np.float32]:
        """Embeddings of the background, (n, E): as it was shown, else the dominant mode of the image."""
        annotations, pixel = self.context.annotations, self.context.background_pixel
        strokes = self.memory("strokes", stroke_box, annotations)
        if self.box is None:
            shown = annotations if strokes else None
            return self.memory("background", image_background, self.smooth, shown, pixel)
        where = (strokes, pixel, self.smoothing, self.scale)
        return self.memory("background", box_background, self.embeddings, annotations, *where)

    @property
    def shows_background(self) -> bool:
        """Whether somebody has shown what is background in this image, by strokes or a click."""
        strokes = self.memory("strokes", stroke_box, self.context.annotations)
        return strokes is not None or self.context.background_pixel is not None

    @property
    def radius(self) -> float | None:
        """How far annotated objects are from the background: in this image, else in the training images."""
        annotations, quantile = self.context.annotations, self.settings.foreground_quantile
        if annotations is None or self.memory("has objects", object_box, annotations) is None:
            return self.card.foreground_radius
        # Objects and strokes with what is around them, whatever is on show: a preview has the radius of the whole.
        painted = self.memory("painted", painted_box, annotations)
        embeddings = self.smooth
        if self.box is not None:
            smoothing = self.smoothing
            embeddings = self.memory("objects", smoothed_box, self.embeddings, painted, smoothing, self.scale)
        return self.memory("radius", annotated_radius, embeddings, annotations, painted, self.background, quantile)

    @property
    def object_size(self) -> float:
        """Median size of annotated objects in pixels: of the training images, else of this one; 0 = unknown."""
        known, context = self.card.median_object_size, self.context
        if known is not None:
            return known
        return self.memory("size", median_size, context.annotations, self.scale, context.in_planes)

    @property
    def annotations(self) -> NDArray[Any] | None:
        """Annotations in the box, if an object is painted there."""
        return self.memory("annotations", annotations_of_box, self.context.annotations, self.box)

    @property
    def image(self) -> NDArray[np.float64] | None:
        """Mean of the channels of the whole image."""
        image = self.context.image
        return None if image is None else self.memory("image", mean_of_channels, image)

    @property
    def signal(self) -> NDArray[np.floating[Any]] | None:
        """What shows boundaries in the whole image, (*spatial)."""
        return self.image if self.context.boundaries is None else self.context.boundaries

    @property
    def contrast(self) -> NDArray[np.float32] | None:
        """How much the signal of the box stands out from what is around it."""
        signal = self.signal
        return None if signal is None else self.memory("contrast", contrast_of_box, signal, self.box, self.scale)

    @property
    def class_probabilities(self) -> NDArray[np.float32]:
        """Probabilities of the pixel classes in the box, (3, *spatial), smoothed as the embeddings are."""
        scores, smoothing = self.context.class_scores, self.smoothing
        if scores is None:
            raise ValueError("class_scores: expected those of a network that classifies pixels, got None.")
        return self.memory("classes", smoothed_box, scores, self.box, smoothing, self.scale, class_probabilities)

    @property
    def class_threshold(self) -> float:
        """Probability above which a pixel is surely of a class: of the settings, else what suits the model."""
        return self.settings.class_threshold or self.card.class_threshold or USUAL_CLASS_THRESHOLD

    @property
    def cores(self) -> NDArray[np.bool_] | None:
        """What is surely inside of objects, where the foreground is told by pixel classes."""
        if self.choice.foreground != "pixel_classes":
            return None
        return self.memory("cores", find_cores, self.class_probabilities, self.class_threshold)

    @property
    def foreground(self) -> NDArray[np.bool_] | None:
        """Where objects may be in the box; None = everywhere."""
        settings, kind, mask = self.settings, self.choice.foreground, self.context.mask
        if kind == "mask" and mask is not None:
            return self.memory("foreground", mask_of_box, mask, self.box)
        if kind == "pixel_classes":
            return self.memory("foreground", foreground_by_classes, self.class_probabilities, self.class_threshold)
        if kind == "intensity":
            if self.image is None:
                raise ValueError("image: the foreground by intensity needs the image, got None.")
            how = (settings.intensity_threshold, settings.intensity_neighbourhood)
            return self.memory("foreground", bright_part, self.image, *how, self.box)
        if kind == "embedding":
            radius = settings.foreground_radius or self.radius
            if radius is None:
                raise ValueError(
                    "foreground_radius: expected a number or annotated objects to take it from, got neither."
                )
            distance = self.memory("distance", distance_to_background, self.smooth, self.background)
            return self.memory("foreground", is_far, distance, radius)
        return None
