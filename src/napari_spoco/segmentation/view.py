"""What a read-out needs before there are objects: smoothed embeddings, the background's embedding, a foreground.

A view is a box of an image, or all of it. Its embeddings are smoothed with what lies around it; what is background, and
how far from it objects are, is a matter of the whole image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_spoco.config import PIXEL_CLASSES
from napari_spoco.data.annotations import BACKGROUND
from napari_spoco.segmentation.arguments import check_mask
from napari_spoco.segmentation.background import distance_to_background, find_background
from napari_spoco.segmentation.classical import bright_foreground
from napari_spoco.segmentation.edges import AROUND
from napari_spoco.segmentation.foreground import radius_from_annotations
from napari_spoco.segmentation.pixel_classes import class_probabilities, find_cores, foreground_by_classes
from napari_spoco.segmentation.smoothing import local_contrast, smooth_embeddings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_spoco.config import Foreground, Method, SegmentationConfig
    from napari_spoco.models.checkpoint import ModelCard
    from napari_spoco.segmentation.stages import StageMemory

    Smooth = Callable[..., NDArray[np.float32]]

Box = tuple[slice, ...]
USUAL_SMOOTHING, EDGE_SMOOTHING = 1.0, 0.5
"""Of the embeddings, where the user has set none; edges would be lost by more."""
USUAL_CLASS_THRESHOLD = 0.5
"""Of pixel classes, where nothing was painted to choose one by."""
_REACH = 3.0
"""Standard deviations of the smoothing around a view."""
_SAMPLED_PIXELS = 50_000
"""Pixels of an image, evenly spaced, that tell the background of a part of it."""


@dataclass(frozen=True, eq=False)
class ReadoutContext:
    """What is known beside the embeddings; each part may be missing.

    Attributes
    ----------
    image : ndarray
        (C, *spatial) raw intensities.
    annotations : ndarray
        (*spatial) integers as in `SparseAnnotations`: objects from 1, `BACKGROUND` strokes; 0 says nothing.
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
    def method(self) -> Method:
        """The method of the settings, else the one that suits the model."""
        return self.settings.method or self.card.method or "mutex_watershed"

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
        known = self.card.median_object_size
        return known if known is not None else self.memory("size", median_size, self.context.annotations)

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
    def foreground_kind(self) -> Foreground:
        """Where objects may be: of the settings, else what suits model and method."""
        if self.settings.foreground or self.method == "edges":
            return self.settings.foreground or "none"
        is_told = self.context.class_scores is not None and self.card.knows_outside
        return "pixel_classes" if is_told else self.card.foreground or "none"

    @property
    def cores(self) -> NDArray[np.bool_] | None:
        """What is surely inside of objects, where the foreground is told by pixel classes."""
        if self.context.mask is not None or self.foreground_kind != "pixel_classes":
            return None
        return self.memory("cores", find_cores, self.class_probabilities, self.class_threshold)

    @property
    def foreground(self) -> NDArray[np.bool_] | None:
        """Where objects may be in the box; None = everywhere."""
        settings = self.settings
        if self.context.mask is not None:
            return self.memory("foreground", mask_of_box, self.context.mask, self.box)
        kind = self.foreground_kind
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


def smoothed_box(
    embeddings: Any,
    box: Box | None,
    sigma: float,
    scale: Sequence[float] | None,
    smooth: Smooth = smooth_embeddings,
) -> NDArray[np.float32]:
    """Smooth the embeddings of a box as if all of the image were smoothed; reads no more than it needs.

    Parameters
    ----------
    embeddings
        (E, *spatial), floating point; anything that can be sliced.
    box
        One slice per spatial axis, None = all.
    sigma, scale
        Of `smooth_embeddings`.
    smooth
        What smooths; `class_probabilities` for scores of the pixel classes.
    """
    if box is None:
        return smooth(np.asarray(embeddings), sigma, scale=scale)
    steps = scale or (1.0,) * len(box)
    halo = [math.ceil(_REACH * sigma * steps[-1] / step) for step in steps]
    outer = [slice(max(0, part.start - reach), part.stop + reach) for part, reach in zip(box, halo, strict=True)]
    inner = [slice(part.start - whole.start, part.stop - whole.start) for part, whole in zip(box, outer, strict=True)]
    smoothed = smooth(np.asarray(embeddings[(slice(None), *outer)]), sigma, scale=scale)
    return np.ascontiguousarray(smoothed[(slice(None), *inner)])


def contrast_of_box(signal: NDArray[Any], box: Box | None, scale: Sequence[float] | None) -> NDArray[np.float32]:
    """Return the local contrast of a signal (*spatial) in the box."""
    contrast: NDArray[np.float32] = smoothed_box(signal[None], box, AROUND, scale, local_contrast)[0]
    return contrast


def stroke_box(annotations: NDArray[Any] | None) -> Box | None:
    """Return the box that holds all background strokes; None without one."""
    return None if annotations is None else _bounding_box(annotations == BACKGROUND)


def object_box(annotations: NDArray[Any] | None) -> Box | None:
    """Return the box that holds all annotated objects; None without one."""
    return None if annotations is None else _bounding_box(annotations > 0)


def painted_box(annotations: NDArray[Any]) -> Box:
    """Return the box that holds all that is painted, the whole image if nothing is."""
    return _bounding_box(annotations != 0) or tuple(slice(0, n) for n in annotations.shape)


def _bounding_box(mask: NDArray[np.bool_]) -> Box | None:
    boxes = ndimage.find_objects(mask.view(np.uint8))
    return boxes[0] if boxes else None


def median_size(annotations: NDArray[Any] | None) -> float:
    """Return the median number of pixels of the annotated objects, 0 without one."""
    if annotations is None:
        return 0.0
    _, sizes = np.unique(annotations[annotations > 0], return_counts=True)
    return float(np.median(sizes)) if len(sizes) else 0.0


def image_background(
    smooth: NDArray[np.float32], annotations: NDArray[Any] | None, pixel: tuple[int, ...] | None
) -> NDArray[np.float32]:
    """Find the background in the embeddings of a whole image; all that is shown counts, else the dominant mode."""
    shown = [what for what in (annotations, pixel) if what is not None]
    if not shown:
        return find_background(smooth)
    return np.concatenate([find_background(smooth, what) for what in shown])


def box_background(
    embeddings: Any,
    annotations: NDArray[Any] | None,
    strokes: Box | None,
    pixel: tuple[int, ...] | None,
    sigma: float,
    scale: Sequence[float] | None,
) -> NDArray[np.float32]:
    """Find the background of the whole image without smoothing all of it.

    The embeddings that are shown are smoothed; the others are evenly spaced pixels as they are, whose modes pixel
    noise hardly moves.
    """
    found = []
    if strokes is not None and annotations is not None:
        found.append(find_background(smoothed_box(embeddings, strokes, sigma, scale), annotations[strokes]))
    if pixel is not None:
        clicked = smoothed_box(embeddings, tuple(slice(index, index + 1) for index in pixel), sigma, scale)
        pixels = np.concatenate([_evenly_spaced(embeddings), clicked.reshape(len(clicked), 1, 1)], axis=2)
        found.append(find_background(pixels, (0, pixels.shape[2] - 1)))
    return np.concatenate(found) if found else find_background(_evenly_spaced(embeddings))


def _evenly_spaced(embeddings: Any) -> NDArray[np.float32]:
    """Return every n-th pixel along every axis, (E, 1, N) float32."""
    n_channels, *shape = np.shape(embeddings)
    step = max(1, math.ceil((math.prod(shape) / _SAMPLED_PIXELS) ** (1 / len(shape))))
    every = tuple(slice(None, None, step) for _ in shape)
    pixels = np.asarray(embeddings[(slice(None), *every)], dtype=np.float32)
    return pixels.reshape(n_channels, 1, -1)


def annotated_radius(
    smooth: NDArray[np.float32],
    annotations: NDArray[Any],
    box: Box,
    background: NDArray[np.float32],
    quantile: float | None,
) -> float:
    """Choose the radius by what is painted in a box, from the embeddings of the image or of the box."""
    part = annotations[box]
    inside = smooth if smooth.shape[1:] == part.shape else smooth[(slice(None), *box)]
    return radius_from_annotations([inside], [part], quantile=quantile, backgrounds=[background])


def annotations_of_box(annotations: NDArray[Any] | None, box: Box | None) -> NDArray[Any] | None:
    """Return the annotations in a box, None where no object is painted."""
    part = None if annotations is None else _part(annotations, box)
    return None if part is None or not (part > 0).any() else part


def mean_of_channels(image: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean (*spatial) of an image (C, *spatial)."""
    mean: NDArray[np.float64] = np.asarray(image).mean(axis=0)
    return mean


def mask_of_box(mask: NDArray[Any], box: Box | None) -> NDArray[np.bool_]:
    """Return a mask of the image as bool in the box."""
    part = _part(np.asarray(mask), box)
    return check_mask(part, part.shape, name="mask")


def bright_part(image: NDArray[Any], threshold: Any, neighbourhood: float, box: Box | None) -> NDArray[np.bool_]:
    """Find what is bright in the image, and return it in the box."""
    bright = bright_foreground(image, threshold=threshold, neighbourhood=neighbourhood)
    return np.ascontiguousarray(_part(bright, box))


def is_far(distance: NDArray[np.float32], radius: float) -> NDArray[np.bool_]:
    """Tell which pixels are farther than the radius."""
    far: NDArray[np.bool_] = distance > radius
    return far


def _part(array: NDArray[Any], box: Box | None) -> NDArray[Any]:
    return array if box is None else array[box]
