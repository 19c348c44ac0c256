"""The colours of the layer under review, chosen so that objects next to each other can be told apart.

napari gives each id a colour of its round, whatever lies next to it: a third of the cells of a tissue have a neighbour
of nearly the same colour. Here such objects, and no others, get another colour of the round, and keep it: it is noted
at the layer, so that the next review goes on from there. A thread looks at the pixels; colours that the user chooses
meanwhile stay.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import CyclicLabelColormap
from qtpy.QtCore import QObject

from napari_spoco._qt.jobs.worker import SideJob

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_spoco._qt.jobs.worker import JobContext
    from napari_spoco.data.label_change import Box

_logger = logging.getLogger(__name__)
_DISTANCE = 30
"""In CIE Lab, between neighbours; less than 15 is hard to tell under half transparent colours."""
_N_PLACES = 2**16 - 1
"""At most; napari draws as many from two bytes a pixel."""
_MOST_COLOURS = 1000
"""Of a round in which there is something to choose; napari's own have fewer than 200."""
_KEY = "napari-spoco colours"
"""Of the layer's metadata: the colormap that was given to it here, and its `Round`."""


@dataclass(frozen=True, eq=False)
class Round:
    """The colours of a layer.

    Attributes
    ----------
    colours : ndarray
        (1 + K, 4), red, green, blue and opacity; the first is that of 0.
    choice : ndarray
        (1 + n_places,) index of the colour of each place, from 0, without that of 0.
    """

    colours: NDArray[np.floating]
    choice: NDArray[np.intp]

    @classmethod
    def of(cls, colormap: CyclicLabelColormap) -> Round:
        """Take the colours as they are."""
        colours = np.asarray(colormap.colors)
        n_colours = len(colours) - 1
        return cls(colours, np.arange(-1, _N_PLACES // n_colours * n_colours) % n_colours)

    def colormap(self) -> CyclicLabelColormap:
        """Return it as napari takes it."""
        table = np.concatenate([self.colours[:1], self.colours[1:][self.choice[1:]]])
        return CyclicLabelColormap(colors=table, background_value=0)


class Colouring(QObject):
    """Tells the objects of a layer apart, from its making to `end`.

    Parameters
    ----------
    layer
        Its pixels are an array in memory. Where each label has a colour that the user has chosen, nothing is done.
    """

    def __init__(self, layer: Labels, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._layer = layer
        self._shown = layer.colormap
        self._round: Round | None = None
        self._changed: dict[int, Box] = {}  # since the running job was begun
        self._job = SideJob(self)
        self._job.returned.connect(self._on_told_apart)
        self._job.failed.connect(self._on_failed)
        given, choice = layer.metadata.get(_KEY, (None, None))
        if given is self._shown:
            self._round = choice
        elif isinstance(self._shown, CyclicLabelColormap) and 2 < len(self._shown.colors) < _MOST_COLOURS:
            self._round = Round.of(self._shown)
        if self._round is not None:
            self._start(None)

    def follow(self, boxes: Mapping[int, Box]) -> None:
        """Tell objects that have changed from their neighbours; each lies in its box."""
        self._changed |= boxes
        if self._changed and not self._job.is_running:
            self._start(self._changed)

    def end(self) -> None:
        """Let the layer be, with the colours that it has."""
        self._round = None

    @property
    def _is_ours(self) -> bool:
        """Whether the layer has the colours that were given to it here, or those of before."""
        return self._round is not None and self._layer.colormap is self._shown

    def _start(self, boxes: Mapping[int, Box] | None) -> None:
        self._changed = {}
        if self._is_ours:
            self._job.start(run_telling_apart, self._layer.data, self._round, boxes)

    def _on_told_apart(self, new: Round) -> None:
        if not self._is_ours:
            return
        if not np.array_equal(new.choice, self._round.choice):
            self._round = new
            self._show(new)
        self.follow({})

    def _on_failed(self, error: Exception) -> None:
        _logger.warning("The objects keep their colours.", exc_info=error)

    def _show(self, new: Round) -> None:
        colormap = new.colormap()
        colormap.use_selection, colormap.selection = self._shown.use_selection, self._shown.selection
        self._layer.colormap = self._shown = colormap
        self._layer.metadata[_KEY] = (colormap, new)


def run_telling_apart(
    _job: JobContext, labels: NDArray[Any], colours: Round, boxes: Mapping[int, Box] | None
) -> Generator[None, None, Round]:
    """Tell objects from those next to them: those in boxes, by id, or all."""
    from napari_spoco.review import neighbour_colours

    yield
    n_places = len(colours.choice) - 1
    movable, part = None, labels
    if boxes is not None:
        movable = neighbour_colours.place_of(np.array([*boxes]), n_places)
        part = labels[_around(boxes, neighbour_colours.REACH)]
    pairs = neighbour_colours.find_neighbours(part, n_places)
    palette = colours.colours[1:, :3]
    choice = neighbour_colours.tell_apart(pairs, colours.choice, palette, distance=_DISTANCE, movable=movable)
    return Round(colours.colours, choice)


def _around(boxes: Mapping[int, Box], margin: int) -> Box:
    """Return a box around all boxes, wider by a margin."""
    axes = zip(*boxes.values(), strict=True)
    return tuple(
        slice(max(min(part.start for part in parts) - margin, 0), max(part.stop for part in parts) + margin)
        for parts in axes
    )
