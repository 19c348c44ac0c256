"""What may be trained on: images and annotations, checked once, resampled, normalised, ready for the sampler."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.data.annotations import (
    IGNORE,
    MIN_OBJECT_PIXELS,
    AnnotationStore,
    SparseAnnotations,
    check_annotations,
)
from napari_spoco.data.images import as_channels_first, normalize_image
from napari_spoco.training.scale import TrainingScale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_spoco.config import AnnotationConfig, NetworkConfig, Normalization
    from napari_spoco.data.resampling import Resampling

Annotations = np.ndarray[Any, np.dtype[np.integer[Any]]] | SparseAnnotations | AnnotationStore


@dataclass(frozen=True)
class TrainingImage:
    """A normalised image (C, *spatial), float32, with its annotations (*spatial).

    Both are at the voxel size of the run, `voxel_size`, of which the ratios count, None if it is not known;
    `resampling` tells where the user's pixels are, None if these are they.
    """

    image: NDArray[np.float32]
    annotations: SparseAnnotations
    resampling: Resampling | None = None
    voxel_size: tuple[float, ...] | None = None


def prepare_images(
    images: Sequence[NDArray[Any]],
    annotations: Sequence[Annotations],
    normalization: Normalization,
    *,
    config: AnnotationConfig,
    dense: bool,
    scale: TrainingScale | None = None,
    channels: Sequence[int] | None = None,
) -> list[TrainingImage]:
    """Check, resample and normalise images and annotations.

    An image without any annotated object is allowed as long as another one has some.

    Parameters
    ----------
    images : sequence of ndarray
        (*spatial) or (C, *spatial).
    annotations : sequence of ndarray, SparseAnnotations or AnnotationStore
        One per image, (*spatial); of a store, its newest snapshot.
    normalization : Normalization
        Of the intensities.
    config : AnnotationConfig
        What the values of arrays state; snapshots know that themselves.
    dense : bool
        Every object is annotated in all images: what is unlabeled becomes background, in snapshots too.
    scale : TrainingScale, optional
        To which voxel size each image is resampled; images are taken as they are if None.
    channels : sequence of int, optional
        Which channels of each image are trained on (`data.channels.take_channels`); all if None.

    Raises
    ------
    ValueError
        An image or an annotation cannot be trained on; the message names it, what was expected and what came.
    """
    if not images or len(images) != len(annotations):
        raise ValueError(
            f"images, annotations: expected one annotation per image, got {len(images)} images and "
            f"{len(annotations)} annotations"
        )
    scale = scale or TrainingScale(None, (None,) * len(images))
    prepared = []
    for index, (image, given) in enumerate(zip(images, annotations, strict=True)):
        snapshot = _as_snapshot(given, config, f"annotations[{index}]")
        pixels = as_channels_first(image, ndim=snapshot.labels.ndim, channels=channels, name=f"images[{index}]")
        prepared.append(_prepare(pixels, snapshot.as_dense() if dense else snapshot, normalization, scale, index))
    if not any(data.annotations.n_objects for data in prepared):
        raise ValueError("annotations: expected at least one annotated object (an id from 1), got none")
    kinds = {(data.image.ndim - 1, data.image.shape[0]) for data in prepared}
    if len(kinds) > 1:
        raise ValueError(f"images: expected one dimensionality and channel count, got (ndim, channels) {sorted(kinds)}")
    return prepared


def check_sizes(data: Sequence[TrainingImage], patch_shape: tuple[int, ...], network: NetworkConfig) -> None:
    """Raise ValueError where an image or the patch is too small for the network, or of another kind."""
    ndim, channels = data[0].image.ndim - 1, data[0].image.shape[0]
    if (ndim, channels) != (network.ndim, network.in_channels):
        raise ValueError(
            f"images: expected {network.ndim}D images of {network.in_channels} channels, as the model was made for, "
            f"got {ndim}D images of {channels}{' (choose as many)' if channels > network.in_channels else ''}"
        )
    halvings = f"the network halves the image {len(network.feature_maps) - 1} times"
    if len(patch_shape) != network.ndim or min(patch_shape) < network.stride:
        raise ValueError(
            f"patch_shape: expected {network.ndim} axes of at least {network.stride} pixels ({halvings}), "
            f"got {patch_shape}"
        )
    for index, training_image in enumerate(data):
        shape = training_image.image.shape[1:]
        if min(shape) < network.stride:
            raise ValueError(
                f"images[{index}]: expected at least {network.stride} pixels along every axis ({halvings}), got {shape}"
            )


def _as_snapshot(given: Annotations, config: AnnotationConfig, name: str) -> SparseAnnotations:
    if isinstance(given, SparseAnnotations):
        return given
    if isinstance(given, AnnotationStore):
        return given.snapshot()
    return SparseAnnotations.from_labels(given, config=config, name=name)


def _prepare(
    pixels: NDArray[Any], snapshot: SparseAnnotations, normalization: Normalization, scale: TrainingScale, index: int
) -> TrainingImage:
    shape = pixels.shape[1:]
    checked = check_annotations(snapshot, shape, name=f"annotations[{index}]", may_be_empty=True)
    resampling = scale.resampling(index, shape)
    resampled = normalize_image(resampling.image(pixels), normalization)
    voxel_size = scale.voxel_size and scale.voxel_size[0]
    return TrainingImage(resampled, at_scale(checked, resampling), resampling, voxel_size)


def at_scale(annotations: SparseAnnotations, resampling: Resampling | None) -> SparseAnnotations:
    """Return a snapshot in the pixels of the run, of the same version; objects too small to be meant are `IGNORE`."""
    if resampling is not None and not resampling.is_identity:
        annotations = replace(annotations, labels=resampling.annotations(annotations.labels))
    small = [instance_id for instance_id, size in annotations.sizes.items() if size < MIN_OBJECT_PIXELS]
    if not small:
        return annotations
    # Not unlabeled: where all else is annotated, they would be the only pixels to be pushed from their own object.
    return replace(annotations, labels=np.where(np.isin(annotations.labels, small), IGNORE, annotations.labels))
