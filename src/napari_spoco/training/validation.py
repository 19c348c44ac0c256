"""How well a training recovers annotated objects that it was not shown: a score from sparse labels alone.

This module alone knows how objects are chosen to be left out and how their recovery is measured. Taking them out of
the annotations is the trainer's business, and what follows from the score too. A left-out object is compared with the
soft mask around its own anchor (what one click would give) and with the best segment of a mutex watershed around it,
which begins where pixels are surely inside of objects if the network says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import ndimage

from napari_spoco.data.annotations import IGNORE
from napari_spoco.data.object_sizes import median_object_size
from napari_spoco.segmentation.instance import instance_around
from napari_spoco.segmentation.mutex_watershed import segment_mutex_watershed
from napari_spoco.segmentation.pixel_classes import class_probabilities, find_cores, grow_cores
from napari_spoco.segmentation.prediction import split_outputs
from napari_spoco.segmentation.view import USUAL_CLASS_THRESHOLD
from napari_spoco.training.preview import embed_box

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from napari_spoco.config import LossConfig, NetworkConfig, ValidationConfig
    from napari_spoco.data.annotations import SparseAnnotations
    from napari_spoco.training.inputs import TrainingImage

LeftOut = tuple[frozenset[int], ...]
"""Per image the ids of the objects that a training is not shown."""

_FEWEST_OBJECTS = {1: 3, 2: 6}
"""In all, by how many may be left out at the least: a trained model is rather scored by a single one than not."""
_MOST_SCORED = {2: 16, 3: 6}
_LEAST_BOX = {2: (128, 128), 3: (16, 64, 64)}
_MOST_BOX = {2: (256, 256), 3: (32, 96, 96)}
_LEAST_MARGIN = 6
_CLUSTERED_PIXELS = 32_768
"""Larger surroundings are clustered on a coarser grid in the plane: the watershed is the dear part of a scoring."""
_FRAGMENT_SHARE = 1 / 3
"""Of the median annotated object, as in the read-out."""
_SMOOTHING = 1.0


def split_left_out(
    data: Sequence[TrainingImage], config: ValidationConfig, rng: np.random.Generator, *, fewest: Literal[1, 2] = 2
) -> tuple[LeftOut, ...]:
    """Draw the objects to leave out, all objects of all images with the same chance.

    Parameters
    ----------
    data
        The training images; with fewer than six objects in all none is left out (three, if `fewest` is 1).
    config
        `left_out` and `fraction`.
    rng
        Draws the order of the objects.
    fewest
        Of a fraction that is fewer objects than that none is left out: a single one hardly measures anything.

    Returns
    -------
    tuple of LeftOut
        The folds: none; one of round(fraction * n), at least `fewest`, objects; or, in turn, ceil(1 / fraction) folds
        (at most n) that hold every object once and differ by at most one in size. No fold holds all objects.
    """
    objects = [(index, i) for index, image in enumerate(data) for i in image.annotations.instance_ids]
    if config.left_out == "none" or len(objects) < _FEWEST_OBJECTS[fewest]:
        return ()
    order = rng.permutation(len(objects))
    if config.left_out == "fraction":
        n_left_out = max(1, round(config.fraction * len(objects)))
        parts = [order[:n_left_out]] if n_left_out >= fewest else []
    else:
        parts = np.array_split(order, min(math.ceil(1 / config.fraction), len(objects)))
    folds = [[objects[position] for position in part] for part in parts]
    return tuple(
        tuple(frozenset(i for image, i in fold if image == index) for index in range(len(data))) for fold in folds
    )


@dataclass(frozen=True)
class LeftOutScore:
    """Mean intersection over union of `n_objects` left-out objects.

    `soft_iou` is that with the soft mask of each object's anchor, `clustered_iou` that with the best segment, `error`
    the standard error of `score`; 0 for a single object.
    """

    soft_iou: float
    clustered_iou: float
    n_objects: int
    error: float = 0.0

    @property
    def score(self) -> float:
        """Return the mean of both, in [0, 1]; the higher, the better."""
        return (self.soft_iou + self.clustered_iou) / 2


class Validator:
    """Score networks by the objects that their training was not shown.

    Parameters
    ----------
    data
        The training images with all their annotations, left-out ones included.
    network
        Architecture of the networks that will be scored.
    loss
        Its kernel makes the soft masks, its push margin the affinities.
    """

    def __init__(self, data: Sequence[TrainingImage], network: NetworkConfig, loss: LossConfig) -> None:
        self._data = data
        self._network = network
        self._loss = loss
        size = median_object_size((image.annotations, image.voxel_size) for image in data)
        self._fragment_size = size * _FRAGMENT_SHARE
        self._targets: dict[tuple[int, int], _Target] = {}

    def score(self, network: nn.Module, left_out: LeftOut) -> LeftOutScore:
        """Score a network.

        Parameters
        ----------
        network
            Maps (1, C, *spatial) to (1, E, *spatial); it is run in evaluation mode.
        left_out
            Per image the ids of the objects. Of more than 16 (2D) or 6 (3D) as many are scored, always the same and
            evenly spaced over the images; ids that are no longer annotated are passed over, as are images that were
            added behind those of the split.

        Returns
        -------
        LeftOutScore
            Means over the scored objects. The same network has the same score.

        Raises
        ------
        ValueError
            None of the objects is annotated.
        """
        objects = [
            (index, i)
            for index, (ids, image) in enumerate(zip(left_out, self._data, strict=False))
            for i in image.annotations.instance_ids
            if i in ids
        ]
        if not objects:
            raise ValueError(f"left_out: expected at least one annotated object, got {left_out}")
        n_scored = min(len(objects), _MOST_SCORED[self._network.ndim])
        chosen = np.linspace(0, len(objects) - 1, n_scored).round().astype(int)
        ious = np.array([self._ious(network, *objects[position]) for position in chosen])
        soft, clustered = ious.mean(axis=0).tolist()
        error = float(ious.mean(axis=1).std(ddof=1) / math.sqrt(n_scored)) if n_scored > 1 else 0.0
        return LeftOutScore(soft, clustered, n_scored, error)

    def _ious(self, network: nn.Module, index: int, instance_id: int) -> tuple[float, float]:
        if (index, instance_id) not in self._targets:
            annotations = self._data[index].annotations
            self._targets[index, instance_id] = _find_target(annotations, instance_id, self._network.stride)
        target = self._targets[index, instance_id]
        outputs = embed_box(network, self._data[index].image[(slice(None), *target.box)])
        embeddings, scores = split_outputs(outputs, self._network)
        found = instance_around(
            embeddings,
            target.anchor,
            delta_var=self._loss.delta_var,
            kernel_threshold=self._loss.kernel_threshold,
        )
        soft = best_iou(found.astype(np.uint32), target.mask, target.is_counted)
        step = math.ceil(math.sqrt(target.mask[target.near].size / _CLUSTERED_PIXELS))
        near = (*target.near[:-2], *(slice(axis.start, axis.stop, step) for axis in target.near[-2:]))
        segments = self._segment(
            embeddings[(slice(None), *near)], None if scores is None else scores[(slice(None), *near)], step
        )
        return soft, best_iou(segments, target.mask[near], target.is_counted[near])

    def _segment(
        self, embeddings: NDArray[np.float32], scores: NDArray[np.float32] | None, step: int
    ) -> NDArray[np.uint32]:
        """Segment a part of an image, every `step`-th pixel of a plane, as the default read-out does."""
        probabilities = None if scores is None else class_probabilities(scores, _SMOOTHING)
        segments = segment_mutex_watershed(
            embeddings,
            delta_dist=self._loss.delta_dist,
            foreground=None if probabilities is None else find_cores(probabilities, USUAL_CLASS_THRESHOLD),
            smoothing=_SMOOTHING,
            fragment_size=int(self._fragment_size / step**2),
        )
        return segments if probabilities is None else grow_cores(segments, probabilities)


@dataclass(frozen=True, eq=False)
class _Target:
    """A left-out object in the box that is embedded for it.

    `box` lies in the image; everything else lies in the box: `near` are the object's surroundings, `mask` its pixels,
    `is_counted` the pixels at which something is known.
    """

    box: tuple[slice, ...]
    near: tuple[slice, ...]
    anchor: tuple[int, ...]
    mask: NDArray[np.bool_]
    is_counted: NDArray[np.bool_]


def _find_target(annotations: SparseAnnotations, instance_id: int, stride: int) -> _Target:
    """Lay a box of limited size around an object, wide enough for the network to see what is around it."""
    labels, ndim = annotations.labels, annotations.labels.ndim
    pixels = np.transpose(np.unravel_index(annotations.runs[instance_id].pixels(), labels.shape))  # (N, ndim)
    low, high = pixels.min(axis=0), pixels.max(axis=0) + 1
    planes = annotations.painted_planes[instance_id] if instance_id in annotations.in_planes else None
    anchor = low + deepest_pixel(labels[_slices(low, high)] == instance_id, in_planes=planes is not None)
    extent = high - low
    size = np.clip(2 * extent, np.maximum(_LEAST_BOX[ndim], stride), np.maximum(_MOST_BOX[ndim], stride))
    size = np.minimum(size, labels.shape)
    # What does not fit is cut around the anchor, so that the box always holds some of the object.
    centre = np.where(extent <= size, (low + high) // 2, anchor)
    start = np.clip(centre - size // 2, 0, labels.shape - size)
    box = _slices(start, start + size)
    margin = np.maximum(extent // 2, _LEAST_MARGIN)
    near = _slices(np.maximum(low - margin - start, 0), np.minimum(high + margin - start, size))
    is_counted = labels[box] != IGNORE
    if planes is not None:
        is_painted = np.isin(np.arange(start[0], start[0] + size[0]), list(planes))
        is_counted &= is_painted.reshape(-1, *(1,) * (ndim - 1))
    return _Target(box, near, tuple((anchor - start).tolist()), labels[box] == instance_id, is_counted)


def deepest_pixel(mask: NDArray[np.bool_], *, in_planes: bool = False) -> NDArray[np.intp]:
    """Return the index (ndim,) of the pixel that is farthest from the outside of a mask; the array's border is outside.

    With `in_planes` only the distance within the plane counts, as nothing is known of the planes above and below.
    """
    far_planes = (float(sum(mask.shape)), *(1.0,) * (mask.ndim - 1)) if in_planes else None
    depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=far_planes)
    return np.array(np.unravel_index(depth.argmax(), depth.shape)) - 1


def best_iou(segments: NDArray[Any], mask: NDArray[np.bool_], is_counted: NDArray[np.bool_]) -> float:
    """Return the largest intersection over union of an object with a segment (ids from 1), over the counted pixels."""
    sizes = np.bincount(segments[is_counted], minlength=2)
    overlaps = np.bincount(segments[is_counted & mask], minlength=len(sizes))
    unions = sizes + np.count_nonzero(is_counted & mask) - overlaps
    return float((overlaps[1:] / np.maximum(unions[1:], 1)).max())


def _slices(start: NDArray[Any], stop: NDArray[Any]) -> tuple[slice, ...]:
    return tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))


class RunningScore:
    """The latest score of each fold, where objects are left out in turn."""

    def __init__(self) -> None:
        self._latest: dict[int, LeftOutScore] = {}

    def update(self, fold: int, score: LeftOutScore) -> None:
        """Replace the fold's score."""
        self._latest[fold] = score

    @property
    def n_folds(self) -> int:
        """Number of folds that have a score."""
        return len(self._latest)

    @property
    def mean(self) -> LeftOutScore | None:
        """Mean over the folds that have a score, with the sum of their objects; None if none has."""
        if not self._latest:
            return None
        scores = [score for _, score in sorted(self._latest.items())]
        return LeftOutScore(
            soft_iou=float(np.mean([score.soft_iou for score in scores])),
            clustered_iou=float(np.mean([score.clustered_iou for score in scores])),
            n_objects=sum(score.n_objects for score in scores),
            error=math.hypot(*(score.error for score in scores)) / len(scores),
        )

    def state_dict(self) -> dict[str, float]:
        """Return plain numbers by "<fold>.<name>"."""
        return {f"{fold}.{name}": value for fold, score in self._latest.items() for name, value in vars(score).items()}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Take the scores over that `state_dict` returned."""
        folds = sorted({int(key.split(".")[0]) for key in state})
        self._latest = {
            fold: LeftOutScore(
                state[f"{fold}.soft_iou"],
                state[f"{fold}.clustered_iou"],
                int(state[f"{fold}.n_objects"]),
                state[f"{fold}.error"],
            )
            for fold in folds
        }
