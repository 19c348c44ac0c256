"""A viewer, the dock in it, and a training process that says what the test tells it to."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from qtpy.compat import isalive
from superqt.utils import GeneratorWorker

from napari_spoco import whole_image  # noqa: F401 - imported during a test it would keep what the test has replaced
from napari_spoco._qt.project import projects
from napari_spoco._qt.session import SessionState
from napari_spoco._qt.widget import SpocoWidget
from napari_spoco.training import default_device
from napari_spoco.training.process import AnnotationUpdate, TrainingRequest, ViewUpdate
from napari_spoco.training.reports import (
    LossTerms,
    Preview,
    StepReport,
    TrainingFailed,
    TrainingFinished,
    TrainingMessage,
    TrainingStarted,
)

PATIENCE = 120_000
"""Milliseconds after which a condition that is waited for is given up; no test depends on how long it takes."""
RESUMED_AT = 3
"""First step of a fake process that resumes a run."""


class FakeProcess:
    """Stands for `TrainingProcess`: no child, no torch; the test puts the messages."""

    def __init__(self, request: TrainingRequest) -> None:
        self.request = request
        self.is_started = self.is_stopping = self.is_killed = self.is_left = False
        self.updates: list[AnnotationUpdate] = []
        self.views: list[ViewUpdate] = []
        self._queue: queue.Queue[TrainingMessage] = queue.Queue()

    def start(self) -> None:
        first_step = RESUMED_AT if self.request.resume else 1
        self.say(TrainingStarted("cpu", "float32", (32, 32), 2, 6, 1000, 1e-3, first_step))
        self.is_started = True

    def messages(self) -> Iterator[TrainingMessage]:
        while not self.is_left:
            try:
                message = self._queue.get(timeout=0.02)
            except queue.Empty:
                if self.is_killed:
                    yield TrainingFailed("The training process ended unexpectedly.", "exit code -9")
                    return
                continue
            yield message
            if isinstance(message, TrainingFinished | TrainingFailed):
                return

    def update_annotations(self, update: AnnotationUpdate) -> bool:
        self.updates.append(update)
        return True

    def update_view(self, update: ViewUpdate) -> bool:
        self.views.append(update)
        return True

    def request_stop(self) -> None:
        self.is_stopping = True

    def leave(self) -> None:
        self.is_stopping = self.is_left = True

    def kill(self, patience: float = 0.0) -> None:
        self.is_killed = True
        self.patience = patience

    def say(self, message: TrainingMessage) -> None:
        self._queue.put(message)

    def step(self, number: int, loss: float = 1.0) -> None:
        terms = LossTerms(loss, 0.0, 0.0, 0.0, 0.0, 0.0)
        self.say(StepReport(number, 100, terms, 1e-3, float(number), 100.0 - number))

    def show(self, number: int, shape: tuple[int, ...] = (16, 16), start: tuple[int, ...] = (0, 0)) -> None:
        self.say(Preview(number, 0, start, np.full((*shape, 3), number % 256, np.uint8)))

    def save(self) -> None:
        """Keep a state in the run's folder, as an autosave does."""
        folder = Path(self.request.folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(self.request.config.model_dump_json())
        (folder / "state.pt").write_bytes(b"state")

    def finish(self, *, stopped: bool = False, best_step: int | None = None, n_steps: int = 400) -> None:
        self.save()
        path = Path(self.request.folder) / "last.safetensors"
        path.write_bytes(b"model")
        self.say(TrainingFinished(str(path), n_steps, stopped, best_step))


class Factory:
    """Makes fake processes and remembers them."""

    def __init__(self) -> None:
        self.made: list[FakeProcess] = []

    def __call__(self, request: TrainingRequest) -> FakeProcess:
        self.made.append(FakeProcess(request))
        return self.made[-1]

    @property
    def last(self) -> FakeProcess:
        return self.made[-1]


@pytest.fixture
def processes() -> Factory:
    return Factory()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no save wait for long because the one before was slow."""
    monkeypatch.setattr(projects, "_PATIENCE", 0)


@pytest.fixture(autouse=True)
def no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no dock start a process that imports torch, to find out which device trains."""
    monkeypatch.setattr(default_device, "find_default_device", lambda: None)


@pytest.fixture
def viewer(make_napari_viewer_proxy: Callable, qtbot: object) -> object:
    """Return a viewer that complains of private access and of leaked widgets."""
    yield make_napari_viewer_proxy(strict_qt="raise")
    wait_for_threads(qtbot)


@pytest.fixture
def spoco(viewer: object, processes: Factory, tmp_path: Path, qtbot: object) -> Iterator[SpocoWidget]:
    """Return the docked widget, with a fake process and a models folder of the test's own."""
    folder = tmp_path / "models"
    widget = SpocoWidget(
        viewer,
        make_process=processes,
        models_folder=folder,
        warm_up=lambda on_end: on_end("ready"),
        find_page=lambda: None,
    )
    viewer.window.add_dock_widget(widget, name="SPOCO")
    yield widget
    if isalive(widget):
        widget.release()
    wait_for_threads(qtbot)


@pytest.fixture
def ready(spoco: SpocoWidget, viewer: object) -> SpocoWidget:
    """Return the widget with an image and three painted objects."""
    viewer.add_image(make_image(), name="cells")
    spoco.annotate.new_button.click()
    paint(viewer.layers["cells annotations"], 3)
    spoco.annotate.count()
    return spoco


@pytest.fixture
def training(ready: SpocoWidget, processes: Factory, until: Callable) -> SpocoWidget:
    """Return the widget while its process trains."""
    ready.train.train_button.click()
    until(lambda: processes.made and processes.last.is_started)
    until(lambda: "Training on 6 objects" in ready.footer.text)
    return ready


@pytest.fixture
def trained(training: SpocoWidget, processes: Factory, until: Callable) -> SpocoWidget:
    """Return the widget at rest, with a model."""
    processes.last.finish()
    until(lambda: training.session.state is SessionState.IDLE)
    return training


@pytest.fixture
def start(viewer: object, processes: Factory, tmp_path: Path, qtbot: object) -> Iterator[Callable[[], SpocoWidget]]:
    """Return a function that opens the dock anew, as at the next start: no layers, nothing of before."""
    opened = []

    def open_dock() -> SpocoWidget:
        viewer.layers.clear()
        widget = SpocoWidget(
            viewer,
            make_process=processes,
            models_folder=tmp_path / "models",
            warm_up=lambda on_end: on_end("ready"),
            find_page=lambda: None,
        )
        viewer.window.add_dock_widget(widget, name="SPOCO again")
        opened.append(widget)
        return widget

    yield open_dock
    for widget in opened:
        widget.release()
    wait_for_threads(qtbot)


@pytest.fixture
def named(ready: SpocoWidget, tmp_path: Path, until: Callable) -> SpocoWidget:
    """Return the widget with the image and its three objects in a project."""
    ready.projects.bar.new_requested.emit(str(tmp_path / "my project"))
    until(lambda: ready.projects.bar.button.text() == "my project ▾")
    return ready


@pytest.fixture
def choose_start(spoco: SpocoWidget) -> Callable[[str], None]:
    """Return a function that chooses what to start from, as a person does."""

    def choose(text: str) -> None:
        combo = spoco.train.start
        index = combo.findText(text)
        assert index >= 0, f"“{text}” is not offered"
        combo.setCurrentIndex(index)
        combo.activated.emit(index)

    return choose


@pytest.fixture
def until(qtbot: object) -> Callable[[Callable[[], bool]], None]:
    """Return a function that lets the event loop run until something holds."""
    return lambda condition: qtbot.waitUntil(lambda: bool(condition()), timeout=PATIENCE)


def wait_for_threads(qtbot: object) -> None:
    qtbot.waitUntil(lambda: not GeneratorWorker._worker_set, timeout=PATIENCE)


def make_image(shape: tuple[int, ...] = (64, 64)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)


def paint(layer: object, n_objects: int) -> None:
    """Paint squares of 5 by 5 pixels with ids from 1."""
    for index in range(n_objects):
        corner = 10 * index + 2
        rows, columns = np.mgrid[corner : corner + 5, corner : corner + 5]
        ahead = (np.full(rows.size, 0),) * (layer.data.ndim - 2)
        layer.data_setitem((*ahead, rows.ravel(), columns.ravel()), index + 1)
