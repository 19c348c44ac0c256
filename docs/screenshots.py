"""Make docs/images/window-training.png, window.png, tab-*.png and window-stack.png.

They show the window in training, after it, every tab, and a stack segmented by `ovules-small`.

Into docs/images go the dark ones; `--out FOLDER --themes dark light` makes each in both, to be looked at.
Run on a machine with a display, or under `xvfb-run -a -s "-screen 0 1600x1200x24"`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
import tifffile
from qtpy.QtWidgets import QApplication

from napari_spoco._qt import paths
from napari_spoco.config import BatchConfig
from napari_spoco.data.samples import load_nuclei
from napari_spoco.models.registry import shipped_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

IMAGES = Path(__file__).parent / "images"
N_PAINTED, N_PAINTED_LATER = 16, 4


def wait(condition: Callable[[], bool]) -> None:
    """Let the event loop run until the condition holds."""
    while not condition():
        QApplication.processEvents()
        time.sleep(0.01)


def wait_seconds(seconds: float) -> None:
    """Let the event loop run for a while."""
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() > end)


def paint_typical_objects(annotations: napari.layers.Labels, truth: np.ndarray, labels: range) -> None:
    """Paint the objects of about median size, as a person would, but faster."""
    sizes = np.bincount(truth.ravel())[1:]
    ids = np.argsort(abs(sizes - np.median(sizes[sizes > 0]))) + 1
    for label in labels:
        annotations.data_setitem(np.nonzero(truth == ids[label - 1]), label)


class Camera:
    """Takes each picture in every theme: NAME.png in the first one, NAME-THEME.png in the others."""

    def __init__(self, viewer: napari.Viewer, folder: Path, themes: Sequence[str]) -> None:
        self._viewer, self._folder, self._themes = viewer, folder, themes

    def take(self, name: str, pause: float) -> None:
        """Take a picture of the whole window, once it has had some seconds to settle."""
        for theme in self._themes:
            self._viewer.theme = theme
            wait_seconds(pause)
            suffix = "" if theme == self._themes[0] else f"-{theme}"
            self._viewer.screenshot(self._folder / f"{name}{suffix}.png", canvas_only=False)
        self._viewer.theme = self._themes[0]


def make_window_pictures(folder: Path, minutes: float, themes: Sequence[str]) -> None:
    """Paint, train, paint on, segment, and take pictures of the whole window."""
    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.theme = themes[0]
    camera = Camera(viewer, folder, themes)
    viewer.window.resize(1500, 1120)
    _, dock = viewer.window.add_plugin_dock_widget("napari-spoco", "SPOCO")
    viewer.open_sample("napari-spoco", "nuclei")
    truth = viewer.layers["nuclei truth"].data
    viewer.layers.remove("nuclei truth")
    dock.annotate.new_button.click()
    annotations = viewer.layers["nuclei annotations"]
    paint_typical_objects(annotations, truth, range(1, N_PAINTED + 1))
    wait(lambda: dock.annotate.summary.n_objects == N_PAINTED)

    settings = dock.train.settings
    settings.show_config(settings.config().model_copy(update={"max_minutes": minutes}))
    dock.tabs.reveal(dock.train)
    dock.train.train_button.click()
    wait(lambda: dock.footer.bar.value() > dock.footer.bar.maximum() / 2 > 0)
    paint_typical_objects(annotations, truth, range(N_PAINTED + 1, N_PAINTED + N_PAINTED_LATER + 1))
    wait(lambda: dock.footer.text.startswith("Training goes on with"))
    viewer.reset_view()
    camera.take("window-training", pause=1.0)

    wait(lambda: not dock.session.state.is_busy)
    dock.tabs.reveal(dock.segment)
    dock.segment.segment_button.click()
    wait(lambda: not dock.session.state.is_busy)
    if "nuclei objects" not in viewer.layers:
        raise SystemExit(f"{dock.footer.text}\n{dock.footer.details}")

    viewer.layers["nuclei objects"].contour = 2
    viewer.layers["nuclei objects"].opacity = 1.0
    viewer.reset_view()
    camera.take("window", pause=1.0)
    make_tab_pictures(dock, camera)
    viewer.close()


def make_tab_pictures(dock: Any, camera: Camera) -> None:
    """Take a picture of every tab, each with something to show."""
    dock.embeddings.embed_button.click()
    wait(lambda: dock.embeddings.scatter.n_dots > 0 and not dock.session.state.is_busy)
    for name in ("annotate", "train", "embeddings", "segment", "export", "batch", "review"):
        if name == "review":  # It goes to an object.
            dock.review.start_button.click()
            wait(lambda: dock.reviewing.queue is not None)
        if name == "batch":
            run_batch(dock)
        dock.tabs.reveal(getattr(dock, name))
        camera.take(f"tab-{name}", pause=0.5)


def run_batch(dock: Any) -> None:
    """Segment a folder of images with the model in use."""
    folder = paths.data_folder() / "plate 7"
    folder.mkdir()
    for number, sample in enumerate(load_nuclei("val"), start=1):
        tifffile.imwrite(folder / f"well B{number:02}.tif", sample.image)
    out = folder.with_name("plate 7 objects")
    dock.batch.show_config(BatchConfig(model=str(dock.session.model_path), inputs=(str(folder),), out=str(out)))
    dock.tabs.reveal(dock.batch)
    dock.batch.run_button.click()
    wait(lambda: dock.batching.is_running)
    wait(lambda: not dock.batching.is_running)


def make_stack_picture(folder: Path, themes: Sequence[str]) -> None:
    """Segment the stack that comes with the plugin by the model for such stacks, untouched, and review it."""
    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.theme = themes[0]
    viewer.window.resize(1500, 1120)
    _, dock = viewer.window.add_plugin_dock_widget("napari-spoco", "SPOCO")
    viewer.open_sample("napari-spoco", "ovule")
    viewer.layers.remove("ovule truth")
    dock.session.load_model(str(shipped_path("ovules-small")))
    wait(lambda: not dock.session.state.is_busy)
    dock.tabs.reveal(dock.segment)
    dock.segment.segment_button.click()
    wait(lambda: not dock.session.state.is_busy)
    dock.tabs.reveal(dock.review)
    dock.review.start_button.click()
    wait(lambda: dock.reviewing.queue is not None)
    wait(lambda: not dock.review.order.isVisible() or not dock.review.stop_button.isVisible())
    viewer.reset_view()
    Camera(viewer, folder, themes).take("window-stack", pause=1.0)
    viewer.close()


def main() -> None:
    """Read the arguments and make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="of training; 0 makes the stack alone")
    parser.add_argument("--themes", nargs="+", default=["dark"], choices=("dark", "light"), help="of every picture")
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder for the pictures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:  # of one's own there may be a session to be restored
        paths.data_folder = lambda: Path(folder)
        if arguments.minutes:
            make_window_pictures(arguments.out, arguments.minutes, arguments.themes)
        make_stack_picture(arguments.out, arguments.themes)
    print(f"made {arguments.out}")


if __name__ == "__main__":  # the training process imports this file again
    main()
