"""The choice of what is trained on: the image on show, or the annotated ones, each with a check mark."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from napari_spoco._qt.forms.editors import ignore_wheel
from napari_spoco._qt.train.run_images import ImageWish

if TYPE_CHECKING:
    from collections.abc import Sequence

_HELP = (
    "Train on the image that is chosen under Annotate, or on the annotated images of the viewer together. Images "
    "without a painted object are left out. All must have the same number of axes and channels."
)
_TICKS_HELP = (
    "Untick an image to leave it out of the training; what is painted in it stays. Model and memory are for the ticked "
    "ones."
)
_RESUMED_HELP = "A run that is resumed goes on with the images that it was made on."
_KEY = Qt.ItemDataRole.UserRole
_MOST_ROWS = 4
"""In sight; the others are scrolled to."""


class TrainableImage(NamedTuple):
    """An annotated image: what it is known by, its name, and how many objects are painted; None before a count."""

    key: str
    name: str
    n_objects: int | None = None

    @property
    def text(self) -> str:
        """How it reads in the list."""
        if self.n_objects is None:
            return self.name
        return f"{self.name} ({self.n_objects} object{'' if self.n_objects == 1 else 's'})"


class TrainOnForm(QWidget):
    """Choose between one image and the ticked ones; the wish stays while there is only one."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._wants_all = False
        self._images: tuple[TrainableImage, ...] = ()
        self._left_out: set[str] = set()
        self.choice, self.ticks = _make_choice(), QListWidget()
        self.ticks.setToolTip(_TICKS_HELP)
        self.ticks.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.ticks.setSpacing(1)
        self.ticks.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setToolTip(_HELP)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.choice)
        layout.addWidget(self.ticks)
        self.offer(())
        self.choice.activated.connect(self._on_activated)
        self.ticks.itemChanged.connect(self._on_ticked)

    @property
    def offers_several(self) -> bool:
        """Whether there are several annotated images."""
        return len(self._images) > 1

    @property
    def takes_several(self) -> bool:
        """Whether the ticked images are trained on, instead of the one on show."""
        return self._wants_all and self.offers_several

    @property
    def ticked(self) -> frozenset[str]:
        """What the ticked images are known by."""
        return frozenset(image.key for image in self._images) - self._left_out

    @property
    def wish(self) -> ImageWish:
        """What is chosen and ticked, to be kept."""
        left_out = (image.name for image in self._images if image.key in self._left_out)
        return ImageWish(wants_all=self._wants_all, left_out=tuple(left_out))

    def show_wish(self, wish: ImageWish) -> None:
        """Choose and tick as it was kept."""
        self._wants_all = wish.wants_all
        self._left_out = {image.key for image in self._images if image.name in wish.left_out}
        self._show()

    def offer(self, images: Sequence[TrainableImage], name: str = "") -> None:
        """Offer the image of a name, and the annotated ones where they are several."""
        self._images = tuple(images)
        self.choice.setItemText(0, f"this image: {name}" if name else "this image")
        self._show()

    def choose_all(self, wants_all: bool) -> None:
        """Choose as a person would."""
        self._wants_all = wants_all
        self._show()
        self.changed.emit()

    def allow(self, is_editable: bool, *, is_resumed: bool) -> None:
        """Let it be changed or not; a run that is resumed has its own images."""
        self.choice.setToolTip(_RESUMED_HELP if is_resumed else _HELP)
        self.setEnabled(is_editable and not is_resumed)

    def _show(self) -> None:
        n_images, n_ticked = len(self._images), len(self.ticked)
        if n_images > 1:
            which = f"all {n_images}" if n_ticked == n_images else f"{n_ticked} of {n_images}"
            self._show_second(f"{which} annotated images")
        elif self.choice.count() > 1:
            self.choice.removeItem(1)
        self.choice.setCurrentIndex(int(self.takes_several))
        self.ticks.setVisible(self.takes_several)
        self.ticks.blockSignals(True)
        self._list()
        self.ticks.blockSignals(False)

    def _show_second(self, text: str) -> None:
        if self.choice.count() == 1:
            self.choice.addItem(text)
        self.choice.setItemText(1, text)

    def _list(self) -> None:
        """Fill the list anew only where there are other images: the keyboard keeps its row."""
        if [self.ticks.item(row).data(_KEY) for row in range(self.ticks.count())] != [one.key for one in self._images]:
            self.ticks.clear()
            for image in self._images:
                item = QListWidgetItem(self.ticks)
                item.setData(_KEY, image.key)
        for row, image in enumerate(self._images):
            item, is_ticked = self.ticks.item(row), image.key not in self._left_out
            item.setText(image.text)
            item.setToolTip(f"{image.text}. {_TICKS_HELP}")
            item.setCheckState(Qt.CheckState.Checked if is_ticked else Qt.CheckState.Unchecked)
        row_height = self.ticks.sizeHintForRow(0) + 2 * self.ticks.spacing()
        n_rows = min(len(self._images), _MOST_ROWS)
        self.ticks.setFixedHeight(n_rows * row_height + 2 * (self.ticks.spacing() + self.ticks.frameWidth()))

    def _on_activated(self, index: int) -> None:
        self.choose_all(index == 1)

    def _on_ticked(self, item: QListWidgetItem) -> None:
        key = item.data(_KEY)
        (self._left_out.discard if item.checkState() == Qt.CheckState.Checked else self._left_out.add)(key)
        self._show()
        self.changed.emit()


def _make_choice() -> QComboBox:
    choice = QComboBox()
    choice.addItem("this image")
    choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    choice.setMinimumContentsLength(8)
    choice.setToolTip(_HELP)
    ignore_wheel(choice)
    return choice
