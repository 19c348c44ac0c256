"""What the simulated annotator paints: which objects, in which images, and strokes over the background."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from benchmarks.annotation_budget.strokes import draw_strokes
from scipy import ndimage

from napari_spoco.config import AnnotationConfig
from napari_spoco.data.annotations import MIN_OBJECT_PIXELS, SparseAnnotations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Object = tuple[int, int]
    """Index of the image, id in the image."""

STROKE_SHARE = 0.018
"""Of the pixels of an image in which something is annotated."""
_FORM = re.compile(r"(?:(\d+)%|(\d+) (spread|neighbours|box))(\+strokes)?")


@dataclass(frozen=True)
class Reveal:
    """How much is annotated, and how.

    Attributes
    ----------
    kind : {"fraction", "spread", "neighbours", "box"}
        A fraction of all objects; or a number of objects: one in each of as many images, next to each other in one
        image, or all of a box of one image, in which the background is stated too.
    amount : float
        The fraction, in (0, 1], or the number.
    with_strokes : bool
        Whether background is painted in the images with annotated objects.
    """

    kind: Literal["fraction", "spread", "neighbours", "box"]
    amount: float
    with_strokes: bool = False

    @classmethod
    def parse(cls, text: str) -> Reveal:
        """Read "10%", "16 spread", "16 neighbours" or "16 box", with or without "+strokes"."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError(f"reveal: expected the form '10%' or '16 box', with or without '+strokes', got {text!r}")
        percent, number, kind, strokes = match.groups()
        if percent:
            return cls("fraction", int(percent) / 100, bool(strokes))
        return cls(kind, int(number), bool(strokes))


def reveal(label_images: Sequence[NDArray[Any]], how: Reveal, rng: np.random.Generator) -> list[SparseAnnotations]:
    """Annotate some of the objects of fully labelled images.

    Parameters
    ----------
    label_images
        Per image integers (*spatial), 0 = background. Objects of fewer than `MIN_OBJECT_PIXELS` pixels are not painted.
    how
        How many, and which.
    rng
        Chooses.

    Raises
    ------
    ValueError
        No object, or not as many images or objects in one image as `how` asks for.
    """
    objects = [(i, instance_id) for i, labels in enumerate(label_images) for instance_id in _ids(labels)]
    if not objects:
        raise ValueError("label_images: expected at least one object, got none")
    boxes: dict[int, tuple[slice, ...]] = {}
    if how.kind == "fraction":
        chosen = [objects[i] for i in rng.permutation(len(objects))[: max(1, round(how.amount * len(objects)))]]
    elif how.kind == "spread":
        chosen = _one_each(objects, int(how.amount), rng)
    else:
        chosen = _neighbours(label_images, int(how.amount), rng)
        if how.kind == "box":
            image = chosen[0][0]
            boxes[image] = _box_around(label_images[image], [instance_id for _, instance_id in chosen])
            chosen = [(image, instance_id) for instance_id in _ids(label_images[image], boxes[image])]
    return [
        _paint(labels, [o for i, o in chosen if i == image], boxes.get(image), how.with_strokes, rng)
        for image, labels in enumerate(label_images)
    ]


def _ids(labels: NDArray[Any], box: tuple[slice, ...] = ()) -> list[int]:
    """Return the ids in a box whose objects, in the whole image, are large enough to be painted."""
    ids, sizes = np.unique(labels, return_counts=True)
    inside = np.isin(ids, labels[box]) if box else True
    return ids[(ids > 0) & (sizes >= MIN_OBJECT_PIXELS) & inside].tolist()


def _one_each(objects: Sequence[Object], n: int, rng: np.random.Generator) -> list[Object]:
    first = {objects[i][0]: objects[i] for i in rng.permutation(len(objects))}
    if n > len(first):
        raise ValueError(f"reveal: expected one object in each of {n} images, got {len(first)} images with objects")
    return [first[image] for image in rng.permutation(sorted(first))[:n].tolist()]


def _neighbours(label_images: Sequence[NDArray[Any]], n: int, rng: np.random.Generator) -> list[Object]:
    """Return an object and those with the nearest centres, all in one image."""
    enough = [i for i, labels in enumerate(label_images) if len(_ids(labels)) >= n]
    if not enough:
        raise ValueError(f"reveal: expected an image of at least {n} objects, got none")
    image = int(rng.choice(enough))
    ids = _ids(label_images[image])
    centres = np.array(ndimage.center_of_mass(label_images[image] > 0, label_images[image], ids))
    distances = np.linalg.norm(centres - centres[rng.integers(len(ids))], axis=1)
    return [(image, ids[i]) for i in np.argsort(distances, kind="stable")[:n]]


def _box_around(labels: NDArray[Any], ids: Sequence[int]) -> tuple[slice, ...]:
    places = np.argwhere(np.isin(labels, ids))
    return tuple(slice(int(a), int(b) + 1) for a, b in zip(places.min(axis=0), places.max(axis=0), strict=True))


def _paint(
    labels: NDArray[Any],
    ids: Sequence[int],
    box: tuple[slice, ...] | None,
    with_strokes: bool,
    rng: np.random.Generator,
) -> SparseAnnotations:
    painted = np.where(np.isin(labels, ids), labels, 0).astype(np.int32)
    stroke_id = int(labels.max()) + 1
    if with_strokes and ids:
        painted[draw_strokes(labels, STROKE_SHARE, rng)] = stroke_id
    config = AnnotationConfig(background_label=stroke_id)
    return SparseAnnotations.from_labels(painted, boxes=() if box is None else (box,), config=config)
