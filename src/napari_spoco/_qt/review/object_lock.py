"""Keeps napari's brush, fill and polygon from changing locked objects of a layer, in pixels that they have or may get.

napari tells of a stroke by the list of the parts that it keeps to undo it. What would change a locked object is taken
out of that list, so that neither Undo nor Redo brings it back, and the pixels are written back: at once, and again
after this turn of the event loop, as napari tells of a polygon before it paints it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from napari.layers import Labels
    from numpy.typing import NDArray


class _Refused(NamedTuple):
    """Pixels that are to stay: `values` at `place` of `pixels`, and the locked ids for the sake of which."""

    pixels: NDArray[Any]
    place: Any
    values: NDArray[Any]
    ids: frozenset[int]

    def write_back(self) -> None:
        self.pixels[self.place] = self.values


class ObjectLock(QObject):
    """Locks objects of a layer from its making to `end`.

    `refused` brings the locked ids that a stroke would have changed; `painted` says that something was painted.

    Attributes
    ----------
    find_ids : callable
        Returns the ids that are locked now.
    """

    refused = Signal(object)
    painted = Signal()

    def __init__(self, layer: Labels, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.find_ids: Callable[[], Collection[int]] = frozenset
        self._layer, self._pixels = layer, layer.data
        self._has_strokes = True  # of before, perhaps
        self._refused: list[_Refused] = []
        self._turn = QTimer(self)
        self._turn.setSingleShot(True)
        self._turn.timeout.connect(self._write_back)
        layer.events.paint.connect(self._on_painted)

    def end(self) -> None:
        """Let go of the layer."""
        self._layer.events.paint.disconnect(self._on_painted)
        self._turn.stop()
        self._write_back()

    def forget_strokes(self) -> None:
        """Let napari's own Undo and Redo begin anew: they would change what has been locked since."""
        layer = self._layer
        if not self._has_strokes or not layer.editable:
            return
        mode, has_pan = layer.mode, layer.mouse_pan
        layer.editable = False  # This is what makes napari forget.
        layer.editable = True
        layer.mode, layer.mouse_pan = mode, has_pan
        self._has_strokes = False

    def _on_painted(self, event: Any) -> None:
        self._has_strokes = True
        parts: list[Any] = event.value
        is_of_tools = all(map(_is_masked, parts))
        refused = _take_out(self._pixels, parts, self.find_ids())
        if refused:
            if not parts and is_of_tools:
                self._layer.undo()  # Nothing is left of it: the next Undo is for the stroke before.
            self._refused += refused
            self._turn.start(0)
            for one in reversed(refused):
                one.write_back()
            self.refused.emit(tuple(sorted(frozenset().union(*(one.ids for one in refused)))))
        if parts:
            self.painted.emit()

    def _write_back(self) -> None:
        refused, self._refused = self._refused, []
        for one in reversed(refused):
            one.write_back()
        if refused:
            self._layer.refresh(extent=False)


def _take_out(pixels: NDArray[Any], parts: list[Any], ids: Collection[int]) -> list[_Refused]:
    """Take out of the parts of a stroke, in place, what changes locked objects; return what that is."""
    if not ids:
        return []
    locked = np.fromiter(ids, pixels.dtype, len(ids))
    split = [_split(pixels, part, locked) for part in parts]
    parts[:] = [kept for kept, _ in split if kept is not None]
    return [refused for _, refused in split if refused is not None]


def _split(pixels: NDArray[Any], part: Any, locked: NDArray[Any]) -> tuple[Any, _Refused | None]:
    """Return of a part of a stroke what may stay, and what may not; None for nothing.

    The part is a box, a mask in it (None = all of it), the labels before (in that order) and the one label after; or
    the indices, an array per axis, the labels before, and the label or labels after.
    """
    before, after = np.ravel(part[-2]), np.asarray(part[-1])
    was_locked, lost = _find(before, locked)
    is_locked, gained = _find(np.atleast_1d(after), locked)
    if not lost and not gained:
        return part, None
    is_refused, ids = was_locked | is_locked, lost | gained
    if _is_masked(part):
        mask = np.ones(before.shape, np.bool_).reshape(part.old_values.shape) if part.mask is None else part.mask
        rest, place = np.zeros_like(mask), np.zeros_like(mask)
        rest[mask], place[mask] = ~is_refused, is_refused
        kept = part._replace(mask=rest, old_values=before[~is_refused])
        refused = _Refused(pixels[part.slice_key], place, before[is_refused], ids)
    else:
        indices, _, _ = part
        left = after if after.ndim == 0 else after[~is_refused]
        kept = (tuple(axis[~is_refused] for axis in indices), before[~is_refused], left)
        refused = _Refused(pixels, tuple(axis[is_refused] for axis in indices), before[is_refused], ids)
    return (None if is_refused.all() else kept), refused


def _find(labels: NDArray[Any], locked: NDArray[Any]) -> tuple[NDArray[np.bool_], frozenset[int]]:
    """Return which of the labels (N,) are locked, and the ids. A run of equal ones is looked up once."""
    starts = np.flatnonzero(np.concatenate([[True], labels[1:] != labels[:-1]]))
    runs = labels[starts]
    is_locked = np.isin(runs, locked)
    lengths = np.diff(starts, append=len(labels))
    return np.repeat(is_locked, lengths), frozenset(np.unique(runs[is_locked]).tolist())


def _is_masked(part: Any) -> bool:
    return hasattr(part, "slice_key")
