"""Make docs/images/window.png: the whole window on the nuclei sample, after a real training in the dock.

Run on a machine with a display, or under `xvfb-run -a -s "-screen 0 1600x1200x24"`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGES = Path(__file__).parent / "images"
N_PAINTED = 8


def wait(condition: Callable[[], bool]) -> None:
    """Let the event loop run until the condition holds."""
    while not condition():
        QApplication.processEvents()
        time.sleep(0.01)


def wait_seconds(seconds: float) -> None:
    """Let the event loop run for a while."""
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() > end)


def paint_typical_objects(annotations: napari.layers.Labels, truth: np.ndarray, n_objects: int) -> None:
    """Paint the objects of about median size, as a person would, but faster."""
    sizes = np.bincount(truth.ravel())[1:]
    ids = np.argsort(abs(sizes - np.median(sizes[sizes > 0])))[:n_objects] + 1
    for label, instance_id in enumerate(ids, start=1):
        annotations.data_setitem(np.nonzero(truth == instance_id), label)


def make_window_picture(path: Path, minutes: float, theme: str) -> None:
    """Paint, train, segment, and take a picture of the whole window."""
    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.theme = theme
    viewer.window.resize(1500, 1120)
    _, dock = viewer.window.add_plugin_dock_widget("napari-spoco", "SPOCO")
    viewer.open_sample("napari-spoco", "nuclei")
    truth = viewer.layers["nuclei truth"].data
    viewer.layers.remove("nuclei truth")
    dock.data.new_button.click()
    paint_typical_objects(viewer.layers["nuclei annotations"], truth, N_PAINTED)
    wait(lambda: dock.data.summary.n_objects == N_PAINTED)

    dock.train.quick.editor("max_minutes").set_value(minutes)
    dock.train.train_button.click()
    wait(lambda: not dock.session.state.is_busy)
    dock.segment.foreground.choose("intensity")
    dock.segment.segment_button.click()
    wait(lambda: not dock.session.state.is_busy)
    if "nuclei objects" not in viewer.layers:
        raise SystemExit(f"{dock.footer.text}\n{dock.footer.details}")

    viewer.layers["nuclei objects"].contour = 2
    viewer.layers["nuclei objects"].opacity = 1.0
    viewer.reset_view()
    wait_seconds(1.0)
    path.parent.mkdir(parents=True, exist_ok=True)
    viewer.screenshot(path, canvas_only=False)
    viewer.close()


def main() -> None:
    """Read the arguments and make the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="of training")
    parser.add_argument("--theme", default="dark")
    parser.add_argument("--out", type=Path, default=IMAGES / "window.png")
    arguments = parser.parse_args()
    make_window_picture(arguments.out, arguments.minutes, arguments.theme)
    print(f"made {arguments.out}")


if __name__ == "__main__":  # the training process imports this file again
    main()
