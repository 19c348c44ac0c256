"""The bodies of the jobs that change annotations: find out which pixels become what. No Qt, no layers.

Nothing is changed here: a job looks at the labels, and the event loop paints.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.data.interpolation import interpolate_planes
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
    """

    indices: tuple[NDArray[Any], ...]
    before: Any
    after: Any
    text: str

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
    return PixelsToPaint(result.change.indices, 0, result.change.after, f"{', '.join(said)}{undo}.")


@dataclass(frozen=True, eq=False)
class Crop:
    """A part of an image, (*part), (C, *part) or (*part, colours), and the part of its annotations, if it has some.

    `place` are the pixels of the whole, along its spatial axes.
    """

    pixels: NDArray[Any]
    place: tuple[slice, ...]
    box: WorkBox | None


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
    box = None if labels is None else WorkBox.of(labels, place, reserved=reserved)
    return Crop(np.array(image[part]), place, box)


def run_write_back(
    _job: JobContext,
    labels: NDArray[Any],
    edited: NDArray[Any],
    taken: WorkBox | tuple[slice, ...],
    reserved: Collection[int],
) -> Generator[None, None, PixelsToPaint]:
    """Find what the annotations of a part change in the whole; raises ValueError for a part of another shape.

    Where it is not known what they were when the part was `taken`, but only its place, all that differs is a change.
    """
    yield
    box = taken if isinstance(taken, WorkBox) else WorkBox.of(labels, taken, reserved=reserved)
    indices, before, after = box.changes(labels, edited.copy(), reserved=reserved)
    n_pixels = len(after)
    text = f"{n_pixels} pixel{'' if n_pixels == 1 else 's'} written back; undo (Ctrl+Z) takes it back."
    return PixelsToPaint(indices, before, after, text if n_pixels else "Nothing has changed in the work box.")


def _ranges(planes: Sequence[int]) -> str:
    """Write planes as "3-5, 7"."""
    parts = np.split(np.array(planes), np.flatnonzero(np.diff(planes) > 1) + 1)
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts if len(part))


def _pairs(renamed: dict[int, int], most: int = 3) -> str:
    pairs = [f"{old} → {new}" for old, new in list(renamed.items())[:most]]
    return ", ".join((*pairs, "…") if len(renamed) > most else pairs)
