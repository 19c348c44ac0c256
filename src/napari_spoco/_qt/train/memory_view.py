"""Says what device trains, how much memory that will take, and whether there is as much; torch is not asked.

What "auto" means is found out behind the open window, unless a model was loaded, or a training has said on which device
it runs, before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_spoco._qt import notices
from napari_spoco._qt.layers import layers
from napari_spoco._qt.layers.image_axes import is_readable, n_channels
from napari_spoco._qt.model.model_headers import header_of
from napari_spoco._qt.session import Start
from napari_spoco.training.defaults import choose_network
from napari_spoco.training.footprint import estimate_memory
from napari_spoco.training.reports import TrainingStarted

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_spoco._qt.controller import SessionController
    from napari_spoco._qt.train.train_tab import TrainTab
    from napari_spoco._qt.train.training_images import TrainingImages
    from napari_spoco.config import NetworkConfig, TrainingConfig
    from napari_spoco.training.default_device import DefaultDevice


class MemoryView(QObject):
    """Keeps the line about the memory up to date."""

    def __init__(
        self, images: TrainingImages, train: TrainTab, session: SessionController, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._images, self._train, self._session = images, train, session
        self._known: tuple[str, str] | None = None  # the device that "auto" means, and its precision
        self._found: DefaultDevice | None = None
        train.settings.changed.connect(self.refresh)
        session.training_reported.connect(self._on_training_reported)

    def know_device(self, device: DefaultDevice) -> None:
        """Say from now on that "auto" is this one."""
        self._found = device
        self.refresh()

    def refresh(self) -> None:
        """Estimate anew for the images, settings and model that are chosen; nothing while a job takes memory."""
        if self._session.state.is_busy:
            return
        image = self._images.largest()
        line = None
        if image is not None and is_readable(image):
            try:
                line = self._line(image, self._train.settings.config())
            except ValueError:  # A wrong setting, or a model that is gone: whoever presses Train is told.
                line = None
        self._train.show_memory(line)

    def _line(self, image: Layer, config: TrainingConfig) -> notices.Notice:
        network = self._network(image, config)
        device, precision = config.device, "auto"
        if device == "auto" and self._known is not None:
            device, precision = self._known
        elif device == "auto":
            device = self._session.auto_device or (self._found.kind if self._found else device)
        name = self._found.name if self._found and self._found.kind == device else ""
        shape = layers.spatial_shape(image)
        n_bytes = estimate_memory(network, config, shape, precision=precision)
        return notices.memory_line(device, n_bytes, _free_memory(), name=name)

    def _network(self, image: Layer, config: TrainingConfig) -> NetworkConfig:
        """Return what would be trained; a model that is started from brings its own network."""
        start, path = self._train.start.start, None
        if start is Start.FINE_TUNE:
            path = self._session.model_path
        elif start is Start.RESUME and self._session.resumable is not None:
            path = self._session.resumable.folder
        if path is not None:
            return header_of(path).network
        chosen = n_channels(image) if config.channels is None else len(config.channels)
        return choose_network(config, len(layers.spatial_shape(image)), chosen)

    def _on_training_reported(self, message: object) -> None:
        if isinstance(message, TrainingStarted) and self._train.settings.device == "auto":
            self._known = (message.device, message.precision)


def _free_memory() -> int:
    import psutil

    return int(psutil.virtual_memory().available)
