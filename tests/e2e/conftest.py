"""A person at the window: opens a sample, paints, presses, waits, looks at what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest
from qtpy.compat import isalive
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtWidgets import QApplication
from superqt.utils import GeneratorWorker

from napari_spoco._qt import paths

PATIENCE = 240_000
"""Milliseconds after which a condition that is waited for is given up; no test depends on how long it takes."""


class Heart:
    """Beats in napari's event loop and counts its beats: what blocks the loop stops the heart."""

    def __init__(self) -> None:
        self._n_beats = 0
        self._timer = QTimer()
        self._timer.setInterval(20)
        self._timer.timeout.connect(self._on_timeout)

    def start(self) -> None:
        self._n_beats = 0
        self._timer.start()

    def stop(self) -> int:
        self._timer.stop()
        return self._n_beats

    def _on_timeout(self) -> None:
        self._n_beats += 1


class Person:
    """What a person does with the window; every method returns when it has happened."""

    def __init__(self, viewer: object, widget: object, qtbot: object, folder: Path, monkeypatch: object) -> None:
        self.viewer, self.widget, self.folder = viewer, widget, folder
        self._qtbot, self._monkeypatch = qtbot, monkeypatch
        self.pictures: list[np.ndarray] = []

    def wait(self, condition: Callable[[], bool]) -> None:
        self._qtbot.waitUntil(lambda: bool(condition()), timeout=PATIENCE)

    def rest(self) -> None:
        self.wait(lambda: not self.widget.session.state.is_busy and not self.widget.session.is_saving)
        assert self.widget.footer.details == "", self.widget.footer.details

    def set_training(self, **values: object) -> None:
        """Set fields of `TrainingConfig` in the dock's forms; a mapping sets fields of a group."""
        settings = self.widget.train.settings
        config = settings.config()
        for name, value in values.items():
            group = getattr(config, name)
            values[name] = group.model_copy(update=value) if isinstance(value, dict) else value
        settings.show_config(config.model_copy(update=values))

    def paint_with_mouse(self, *pixels: tuple[float, float]) -> None:
        """Draw a stroke through pixels of the displayed plane."""
        canvas, camera = self.viewer.window._qt_viewer.canvas.native, self.viewer.scene.camera
        middle = np.array([canvas.height(), canvas.width()]) / 2
        places = [middle + (np.array(pixel) - camera.center[-2:]) * camera.zoom for pixel in pixels]
        points = [QPoint(round(x), round(y)) for y, x in places]
        self._qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=points[0])
        for point in points[1:]:
            self._qtbot.mouseMove(canvas, point)
            QApplication.processEvents()  # Otherwise Qt may drop what comes before the button is let go.
        self._qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=points[-1])

    def press(self, button: object) -> None:
        """Click a button with the mouse, in the tab where it is."""
        self.widget.tabs.reveal(button)
        self._qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def train_until(self, n_pictures: int, n_steps: int) -> None:
        """Train until so many pictures were seen and the loss is half of what it was, then stop."""
        self.widget.train.train_button.click()
        self.wait(lambda: self._look() >= n_pictures and len(self.losses) >= n_steps and self.has_learned())
        assert self.widget.session.state.is_busy, self.widget.footer.details
        self.widget.train.stop_button.click()
        self.rest()
        assert self.widget.footer.text.startswith("Stopped after"), self.widget.footer.text

    def segment(self) -> object:
        self.widget.segment.segment_button.click()
        self.rest()
        layer = self.widget.export.labels.layer()
        assert layer is not None, self.widget.footer.text
        return layer

    def save(self, name: str) -> Path:
        path = self.folder / name
        self._monkeypatch.setattr(paths, "ask_labels_to_save", lambda *_: str(path))
        self.widget.export.save_button.click()
        self.rest()
        assert path.exists(), self.widget.footer.text
        return path

    @property
    def losses(self) -> list[float]:
        return self.widget.train.plot.totals

    def has_learned(self) -> bool:
        tenth = max(len(self.losses) // 10, 5)
        return np.mean(self.losses[-tenth:]) < 0.5 * np.mean(self.losses[:tenth])

    def _look(self) -> int:
        """Count the different pictures of the embeddings that have been on show."""
        for layer in self.viewer.layers:
            is_new = not self.pictures or not np.array_equal(layer.data, self.pictures[-1])
            if layer.name.endswith(" embeddings") and is_new:
                self.pictures.append(np.array(layer.data))
        return len(self.pictures)


@pytest.fixture
def own_preferences(plugin_settings: object, npe2pm: object) -> None:
    """Let napari know this plugin only, and keep its Preferences in the test's own folder, as they are at first."""
    npe2pm.register(PluginManifest.from_distribution("napari-spoco"))


@pytest.fixture
def person(
    own_preferences: None, make_napari_viewer: Callable, qtbot: object, tmp_path: Path, monkeypatch: object
) -> Iterator[Person]:
    """Return a person in front of the plugin's dock, opened by its name; models go into the test's own folder."""
    monkeypatch.setattr(paths, "data_folder", lambda: tmp_path)
    viewer = make_napari_viewer(show=True, strict_qt="raise")
    _, widget = viewer.window.add_plugin_dock_widget("napari-spoco", "SPOCO")
    yield Person(viewer, widget, qtbot, tmp_path, monkeypatch)
    if isalive(widget):
        widget.release()
    qtbot.waitUntil(lambda: not GeneratorWorker._worker_set, timeout=PATIENCE)


@pytest.fixture
def heart(qapp: object) -> Iterator[Heart]:
    """Return a heart of napari's event loop."""
    made = Heart()
    yield made
    made.stop()


@pytest.fixture
def typical() -> Callable[..., list[int]]:
    """Return a function that names the n objects closest to the median size, as sizes are derived from the painted."""

    def name(truth: np.ndarray, n: int, min_size: int = 1) -> list[int]:
        sizes = np.bincount(truth.ravel())
        ids = np.flatnonzero(sizes >= min_size)
        ids = ids[ids > 0]
        return ids[np.argsort(abs(sizes[ids] - np.median(sizes[ids])))][:n].tolist()

    return name


@pytest.fixture
def count_found() -> Callable[..., tuple[int, int]]:
    """Return a function that counts the true objects that one label covers with an IoU above 1/2."""

    def count(labels: np.ndarray, truth: np.ndarray, min_size: int = 1) -> tuple[int, int]:
        sizes, areas = np.bincount(truth.ravel()), np.bincount(labels.ravel())
        ids = [i for i in range(1, len(sizes)) if sizes[i] >= min_size]
        found = 0
        for i in ids:
            shared = np.bincount(labels[truth == i], minlength=len(areas))
            shared[0] = 0
            best = shared.argmax()
            found += shared[best] > 0.5 * (sizes[i] + areas[best] - shared[best])
        return found, len(ids)

    return count
