"""How the chosen image is read: a line about its axes, a choice of them where there is one, and of its channels.

Channels that are layers of their own are offered to be made one image.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QPushButton, QVBoxLayout, QWidget

from napari_spoco._qt.annotate.voxel_form import VoxelForm
from napari_spoco._qt.forms.editors import ignore_wheel
from napari_spoco._qt.forms.parts import row, sentence

_COLUMNS = 5
MOST_BOXES = 20
"""Of more channels than this, one chooses by number."""
_AXES_HELP = (
    "What the axes of the image are, first to last; C is that of the channels, T that of time. It is a guess where the "
    "file does not say: correct it if planes were taken for channels or for time points, or the other way round."
)
_FIRST_HELP = (
    "Move the axis of the channels to the front, so that annotations can lie on the planes. No pixel is changed."
)
_TIME_HELP = (
    "Make an image of the time point that the slider shows, to annotate, train on and segment; nothing is copied."
)
_CHANNELS_HELP = (
    "The channels that the network sees, of every image it is trained on. The model remembers them and takes the same "
    "ones of other images, unless others are chosen here. Train > Advanced settings > Channels takes them in any order."
)
_COMBINE_HELP = (
    "Make one image with a channel of each: {}. They have the same shape, pixel size and place. Nothing is copied, and "
    "you go on looking at these layers: the new one is hidden. Delete it to take this back. Are the channels others? "
    "Select them in the layer list first."
)
_LONGEST_LIST = 8
"""Names of layers in a tooltip."""


class ShownImage(NamedTuple):
    """What the form shows of an image.

    `possible` are the ways to read it and `axes` the one in use, see `data.channels.POSSIBLE_AXES` and `SERIES_AXES`;
    `channels` are the names of the channels, `chosen` their numbers, all if None.
    """

    text: str
    axes: str
    possible: tuple[str, ...]
    channels: tuple[str, ...]
    chosen: tuple[int, ...] | None


class ImageForm(QWidget):
    """Shows a `ShownImage`, and says what the user wants of it."""

    axes_chosen = Signal(str)
    first_requested = Signal()
    time_point_requested = Signal()
    channels_chosen = Signal(object)  # tuple of int; None for all
    combination_requested = Signal()

    def __init__(self, *, title_width: int = 0) -> None:
        super().__init__()
        self.about, self.voxels = sentence(), VoxelForm()
        self.axes, self.first_button = QComboBox(), QPushButton("Put channels first")
        self.combine_button, self.time_button = QPushButton(), QPushButton("Take this time point")
        self.axes.setToolTip(_AXES_HELP)
        self.axes.setPlaceholderText("not known")
        ignore_wheel(self.axes)
        self.first_button.setToolTip(_FIRST_HELP)
        self.time_button.setToolTip(_TIME_HELP)
        self.boxes: list[QCheckBox] = []
        self._possible: tuple[str, ...] = ()
        self._axes_row, self._channels_row, self._grid = QWidget(), QWidget(), QWidget()
        self._combine_row, self._time_row = QWidget(), QWidget()
        self._grid.setToolTip(_CHANNELS_HELP)
        self._cells = QGridLayout(self._grid)
        self._cells.setColumnStretch(_COLUMNS, 1)
        self._axes_row.setLayout(row(self.axes, self.first_button, title="Axes", title_width=title_width))
        self._channels_row.setLayout(row(self._grid, title="Channels", title_width=title_width))
        self._combine_row.setLayout(row(self.combine_button, title="Channels", title_width=title_width))
        self._time_row.setLayout(row(self.time_button, title="Time", title_width=title_width))
        rows = self._axes_row, self._time_row, self._channels_row, self._combine_row
        layout = QVBoxLayout(self)
        for part in (layout, self._cells, *(widget.layout() for widget in rows)):
            part.setContentsMargins(0, 0, 0, 0)
        for widget in (self.about, *rows, self.voxels):
            layout.addWidget(widget)
        self.axes.activated.connect(self._on_axes_activated)
        self.first_button.clicked.connect(self._on_first_clicked)
        self.combine_button.clicked.connect(self._on_combine_clicked)
        self.time_button.clicked.connect(self._on_time_clicked)
        self.show_image(None)
        self.show_combinable(())

    def show_image(self, image: ShownImage | None) -> None:
        """Show how an image is read; nothing without one."""
        self.setVisible(image is not None)
        if image is None:
            return
        self.about.setText(image.text)
        self._show_axes(image)
        self._show_channels(image)

    def show_combinable(self, names: tuple[str, ...]) -> None:
        """Offer to make one image of layers of these names; nothing without any."""
        self._combine_row.setVisible(bool(names))
        self.combine_button.setText(f"Combine {len(names)} layers")
        listed = ", ".join((*names[:_LONGEST_LIST], *["…"][: len(names) > _LONGEST_LIST]))
        self.combine_button.setToolTip(_COMBINE_HELP.format(listed))

    def _show_axes(self, image: ShownImage) -> None:
        if image.possible != self._possible:
            self._possible = image.possible
            self.axes.clear()
            self.axes.addItems([name_axes(axes) for axes in image.possible])
        self.axes.setCurrentIndex(image.possible.index(image.axes) if image.axes in image.possible else -1)
        self._axes_row.setVisible(len(image.possible) > 1)
        is_series = "T" in image.axes
        self.first_button.setVisible(image.axes.find("C") > 0 and not is_series)
        self._time_row.setVisible(is_series)

    def _show_channels(self, image: ShownImage) -> None:
        names = image.channels if 1 < len(image.channels) <= MOST_BOXES else ()
        self._channels_row.setVisible(bool(names))
        while len(self.boxes) < len(names):
            self._add_box()
        for index, box in enumerate(self.boxes):
            box.setVisible(index < len(names))
            box.setText(names[index] if index < len(names) else "")
            box.setChecked(index < len(names) and (image.chosen is None or index in image.chosen))

    def _add_box(self) -> None:
        index, box = len(self.boxes), QCheckBox()
        box.setToolTip(_CHANNELS_HELP)
        box.clicked.connect(partial(self._on_box_clicked, box))
        self.boxes.append(box)
        self._cells.addWidget(box, index // _COLUMNS, index % _COLUMNS)

    def _on_axes_activated(self, index: int) -> None:
        self.axes_chosen.emit(self._possible[index])

    def _on_first_clicked(self) -> None:
        self.first_requested.emit()

    def _on_time_clicked(self) -> None:
        self.time_point_requested.emit()

    def _on_combine_clicked(self) -> None:
        self.combination_requested.emit()

    def _on_box_clicked(self, box: QCheckBox) -> None:
        offered = [other for other in self.boxes if not other.isHidden()]
        chosen = tuple(index for index, other in enumerate(offered) if other.isChecked())
        if not chosen:  # One at least is trained on.
            box.setChecked(True)
            return
        self.channels_chosen.emit(None if len(chosen) == len(offered) else chosen)


def name_axes(axes: str) -> str:
    """Write axes for a list: "C, Z, Y, X"."""
    return ", ".join(axes)
