"""The bodies of the jobs that change annotations: find out which pixels become what. No Qt, no layers.

Nothing is changed here: a job looks at the labels, and the event loop paints.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.data.free_ids import next_object_id
from napari_spoco.data.label_files import read_label_file
from napari_spoco.data.label_import import import_objects
from napari_spoco.data.work_box import WorkBox

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Sequence

    from numpy.typing import NDArray

    from napari_spoco._qt.jobs.worker import JobContext


@dataclass(frozen=True, eq=False)
class PixelsToPaint:
    """What is to be painted, and the sentence that says so.

    Attributes
    ----------
    indices : tuple of ndarray
        (N,) per axis.
    before, after : ndarray or int
        Labels of these pixels, (N,) or one for all.
    text : str
        For the user.
    new_ids : collection of int
        Ids of objects that nothing had when it was found.
    next_id : int
        Where there are such, the next one that nothing has.
    """

    indices: tuple[NDArray[Any], ...]
    before: Any
    after: Any
    text: str
    new_ids: Collection[int] = ()
    next_id: int = 0

    @property
    def n_pixels(self) -> int:
        """How many pixels there are."""
        return len(self.indices[0])

    def part(self, start: int, n_pixels: int) -> tuple[tuple[NDArray[Any], ...], Any, Any]:
        """Return the indices, an array per axis, and the labels before and after of so many pixels."""
        where = slice(start, start + n_pixels)
        before, after = (
            labels[where] if isinstance(labels, np.ndarray) else labels for labels in (self.before, self.after)
        )
        return tuple(axis[where] for axis in self.indices), before, after


def run_removal(
    _job: JobContext, labels: NDArray[Any], ids: Collection[int], names: Sequence[str]
) -> Generator[None, None, PixelsToPaint]:
    """Find the pixels of some ids; `names` are what the user calls them."""
    yield
    indices = np.nonzero(np.isin(labels, list(ids)))
    n_pixels = len(indices[0])
    what = names[0] if len(names) == 1 else f"{len(names)} objects"
    pixels = f"{n_pixels} pixel{'' if n_pixels == 1 else 's'}"
    return PixelsToPaint(indices, labels[indices], 0, f"Removed {what} ({pixels}); undo (Ctrl+Z) takes it back.")


def run_interpolation(
    _job: JobContext, labels: NDArray[Any], label: int, axis: int, scale: Sequence[float]
) -> Generator[None, None, PixelsToPaint]:
    """Find the pixels of an object in the planes, across an axis, between those in which it is painted.

    Raises
    ------
    ValueError
        It is painted in less than two planes.
    """
    yield
    from napari_spoco.data.interpolation import interpolate_planes

    spacing = [step for other, step in enumerate(scale) if other != axis]
    result = interpolate_planes(np.moveaxis(labels, axis, 0), [label], spacing=spacing)
    across, *along = result.change.indices
    along.insert(axis, across)
    planes = result.filled.get(label, ())
    many = "s" if len(planes) > 1 else ""
    text = f"Object {label}: {len(planes)} plane{many} filled ({_ranges(planes)}); undo (Ctrl+Z) takes it back."
    nothing = f"Object {label}: nothing to fill; the pixels between its planes are painted already."
    return PixelsToPaint(tuple(along), 0, label, text if planes else nothing)


def run_import(
    _job: JobContext, labels: NDArray[Any], other: Any, text: str, reserved: Collection[int]
) -> Generator[None, None, PixelsToPaint]:
    """Find what objects of other labels, an array or a label file, would paint.

    Raises
    ------
    OSError, ValueError
        The labels cannot be read, or do not fit; a sentence for the user.
    """
    yield
    is_file = isinstance(other, str | Path)
    source = read_label_file(other) if is_file else np.asarray(other)
    name = Path(other).name if is_file else "labels"
    result = import_objects(labels, source, text, reserved=reserved, name=name)
    said = [f"{result.n_objects} object{'' if result.n_objects == 1 else 's'} imported"]
    if result.renamed:
        said.append(f"{len(result.renamed)} with a new label, as theirs is in use ({_pairs(result.renamed)})")
    if result.n_left_out:
        said.append(f"{result.n_left_out} left out: everything there is painted already")
    undo = "; undo (Ctrl+Z) takes it back" if result.change else ""
    after, new_ids = result.change.after, result.change.new_ids
    order = _greatest_first(after)
    indices = tuple(axis[order] for axis in result.change.indices)
    return PixelsToPaint(
        indices, 0, after[order], f"{', '.join(said)}{undo}.", new_ids, _next_id(labels, new_ids, reserved)
    )


@dataclass(frozen=True, eq=False)
class Crop:
    """A part of an image, (*part), (C, *part) or (*part, colours), and the part of its annotations, if it has some.

    `place` are the pixels of the whole, along its spatial axes; `labels` are the box's, to be painted on.
    """

    pixels: NDArray[Any]
    place: tuple[slice, ...]
    box: WorkBox | None = None
    labels: NDArray[Any] | None = None


def run_crop(
    _job: JobContext,
    labels: NDArray[Any] | None,
    image: Any,
    part: tuple[slice, ...],
    place: tuple[slice, ...],
    reserved: Collection[int],
) -> Generator[None, None, Crop]:
    """Copy a part of an image, which may be lazy, and the same part, the `place`, of its annotations."""
    yield
    pixels = np.array(image[part])
    if labels is None:
        return Crop(pixels, place)
    box = WorkBox.of(labels, place, reserved=reserved)
    return Crop(pixels, place, box, box.labels.copy())


@dataclass(frozen=True, eq=False)
class BoxPixels(PixelsToPaint):
    """What the annotations of a part change in the whole.

    Attributes
    ----------
    taken : WorkBox
        The part as it was taken, or else as the whole is now.
    painted : WorkBox
        What it is as soon as any of the pixels is painted.
    """

    taken: WorkBox = field(kw_only=True)
    painted: WorkBox = field(kw_only=True)


def run_write_back(
    _job: JobContext,
    labels: NDArray[Any],
    edited: NDArray[Any],
    taken: WorkBox | tuple[slice, ...],
    reserved: Collection[int],
) -> Generator[None, None, BoxPixels]:
    """Find what the annotations of a part change in the whole; raises ValueError for a part of another shape.

    Where it is not known what they were when the part was `taken`, but only its place, all that differs is a change.
    """
    yield
    box = taken if isinstance(taken, WorkBox) else WorkBox.of(labels, taken, reserved=reserved)
    indices, before, after = box.changes(labels, edited.copy(), reserved=reserved)
    n_pixels = int(np.count_nonzero(before != after))
    text = f"{n_pixels} pixel{'' if n_pixels == 1 else 's'} written back; undo (Ctrl+Z) takes it back."
    ids = np.setdiff1d(after, [0, *reserved])
    new_ids = ids[~np.isin(ids, box.labels)].tolist()
    order = _greatest_first(after)
    return BoxPixels(
        tuple(axis[order] for axis in indices),
        before[order],
        after[order],
        text if n_pixels else "Nothing has changed in the work box.",
        new_ids,
        _next_id(labels, new_ids, reserved),
        taken=box,
        painted=box.with_written(indices, after),
    )


def _greatest_first(ids: NDArray[Any]) -> NDArray[np.intp]:
    """Return an order that begins with the greatest of the ids (N,): as soon as it is painted, no other one is free."""
    order = np.arange(len(ids))
    if len(ids):
        greatest = int(np.argmax(ids))
        order[0], order[greatest] = greatest, 0
    return order


def _next_id(labels: NDArray[Any], new_ids: Collection[int], reserved: Collection[int]) -> int:
    """Return the id for an object that begins when labels have new ids; they may be too small to hold it."""
    return next_object_id([int(labels.max()), *new_ids], reserved, limit=np.iinfo(np.int64).max)


def _ranges(planes: Sequence[int]) -> str:
    """Write planes as "3-5, 7"."""
    parts = np.split(np.array(planes), np.flatnonzero(np.diff(planes) > 1) + 1)
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts if len(part))


def _pairs(renamed: dict[int, int], most: int = 3) -> str:
    pairs = [f"{old} → {new}" for old, new in list(renamed.items())[:most]]
    return ", ".join((*pairs, "…") if len(renamed) > most else pairs)
