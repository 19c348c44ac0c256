"""The choice of what is trained on: the image on show, or all that are annotated."""

from __future__ import annotations

from qtpy.QtWidgets import QComboBox

from napari_spoco._qt.editors import ignore_wheel

_HELP = (
    "Train on the image that is chosen under Annotate, or on all images of the viewer that have annotations, together. "
    "Images without a painted object are left out. All must have the same number of axes and channels."
)


class TrainOnChoice(QComboBox):
    """Choose between the chosen image and all annotated ones; the wish stays while there is only one."""

    def __init__(self) -> None:
        super().__init__()
        self._wants_all = False
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setToolTip(_HELP)
        ignore_wheel(self)
        self.offer(1)
        self.activated.connect(self._on_activated)

    @property
    def wants_all(self) -> bool:
        """Whether all annotated images are to be trained on."""
        return self._wants_all

    def offer(self, n_images: int, name: str = "") -> None:
        """Offer the image of a name, and all of them where there are several."""
        self.clear()
        self.addItem(f"this image: {name}" if name else "this image")
        if n_images > 1:
            self.addItem(f"all {n_images} annotated images")
            self.setCurrentIndex(int(self._wants_all))

    def choose_all(self, wants_all: bool) -> None:
        """Choose as a person would."""
        self._wants_all = wants_all
        self.setCurrentIndex(min(int(wants_all), self.count() - 1))

    def _on_activated(self, index: int) -> None:
        self._wants_all = index == 1
