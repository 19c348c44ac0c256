"""How the chosen image is read, and which of its channels are: what the form shows, and what is done about it.

The axes belong to the layer (`image_axes`); the channels to the settings of the training, which are those of all images
that are trained on, are saved with the project, and go into the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.annotate.image_form import MOST_BOXES, ShownImage
from napari_spoco._qt.layers import image_axes
from napari_spoco._qt.layers.layers import describe_image
from napari_spoco._qt.notices import Notice, failure
from napari_spoco.data.channels import count_channels

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
    from napari_spoco._qt.train.training_settings import TrainingSettings


class ImageReading(QObject):
    """Between the image's form in the Annotate tab, its layer, and the settings."""

    noticed = Signal(object)  # Notice

    def __init__(self, tab: AnnotateTab, settings: TrainingSettings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tab, self._settings, self._form = tab, settings, tab.image_form
        tab.image.chosen.connect(self.show_image)
        settings.changed.connect(self.show_image)
        self._form.axes_chosen.connect(self._on_axes_chosen)
        self._form.first_requested.connect(self._on_first_requested)
        self._form.channels_chosen.connect(settings.choose_channels)
        self.show_image()

    def show_image(self) -> None:
        """Show how the image is read now."""
        layer = self._tab.image.layer()
        self._form.show_image(None if layer is None else self._shown(layer))

    def _shown(self, layer: Layer) -> ShownImage:
        n, chosen, axes = image_axes.n_channels(layer), self._settings.channels, image_axes.axes_of(layer)
        turn = "Press Put channels first to use it" if axes.find("C") > 0 else ""
        text = ". ".join(filter(None, (describe_image(layer), turn, _about_channels(n, chosen))))
        possible = (*image_axes.possible_axes(layer), *image_axes.possible_series(layer))
        names = image_axes.channel_names(layer)
        return ShownImage(text, axes or image_axes.series_axes(layer), possible, names, chosen)

    def _on_axes_chosen(self, axes: str) -> None:
        if (layer := self._tab.image.layer()) is not None:
            image_axes.set_axes(layer, axes)
            self._tell()

    def _on_first_requested(self) -> None:
        if (layer := self._tab.image.layer()) is None:
            return
        try:
            image_axes.put_channels_first(layer)
        except ValueError as error:
            self.noticed.emit(failure(error))
            return
        self._tell()
        self.noticed.emit(Notice(f"The channels of “{layer.name}” come first now; one of the sliders shows them."))

    def _tell(self) -> None:
        """Let everybody look at the image again, as if it had been chosen anew."""
        self._tab.image.chosen.emit()


def _about_channels(n: int, chosen: tuple[int, ...] | None) -> str:
    """Say what the form's boxes cannot show."""
    if chosen is not None and max(chosen, default=0) >= n and len(chosen) != n:
        numbers = ", ".join(map(str, chosen))
        said = f"Channels {numbers} are chosen" if len(chosen) > 1 else f"Channel {numbers} is chosen"
        return f"{said}, but this image has {count_channels(n)}"
    return "Choose channels in Train > Advanced settings > Channels" if n > MOST_BOXES else ""
