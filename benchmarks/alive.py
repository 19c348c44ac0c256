"""How long the plugin's own code holds napari's event loop, job by job, on a large plane and a large stack.

A thread looks at the stack of the main thread every two milliseconds. As long as a function of the package is on it,
the processor time of the main thread counts as one hold: what the package does by itself and what it has napari, Qt and
NumPy do before it returns. What they do later on their own account (drawing, uploading textures) does not count, nor
does time in which other programs had the processor. Of every job the longest hold is printed, and where it was. The
first rows are what napari takes to add, and to remove, layers of the same size without the package.

    xvfb-run -a -s "-screen 0 1600x1200x24" python benchmarks/alive.py [--images plane stack]

The network is a small one, trained for some steps: what it finds does not matter here. Linux and macOS only.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import napari
import numpy as np
from napari.qt import get_qapp

import napari_spoco
from napari_spoco._qt import paths
from napari_spoco.config import TrainingConfig, ValidationConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.layers import Labels

SHAPES = {"plane": (2048, 2048), "stack": (64, 512, 512)}
DIAMETER, SPACING = 20, 32
ASKED_MILLISECONDS = 50
INTERVAL = 0.002
PACKAGE = str(Path(napari_spoco.__file__).parent)
TRAINING = TrainingConfig(
    max_steps=12,
    max_minutes=None,
    feature_maps=(4, 8),
    batch_size=1,
    preview_seconds=0.0,
    autosave_seconds=1.0,
    validation=ValidationConfig(every=5),
    threads=1,
)


@dataclass
class Hold:
    """The longest hold of a job: milliseconds of processor time, and the functions of the package it was spent in.

    They are the outermost one and the one that was the innermost most often.
    """

    milliseconds: float = 0.0
    where: str = "-"


class Watch(threading.Thread):
    """Samples the main thread; `longest` is the longest hold since the last `begin`."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._main = threading.main_thread().ident or 0
        self._clock = time.pthread_getcpuclockid(self._main)
        self._is_ended = False
        self.longest = Hold()

    def begin(self) -> None:
        """Forget what was before."""
        self.longest = Hold()

    def end(self) -> None:
        """Sample no longer."""
        self._is_ended = True
        self.join()

    def run(self) -> None:
        """Sample."""
        began, outermost = None, "-"
        spent: Counter[str] = Counter()
        before = time.clock_gettime(self._clock)
        while not self._is_ended:
            time.sleep(INTERVAL)
            now = time.clock_gettime(self._clock)
            innermost, outer = self._functions()
            if innermost is None:
                began = None
            elif began is None or outer != outermost:
                # The hold may have begun right behind the last sample.
                began, outermost, spent = before, outer, Counter()
            if began is not None and innermost is not None:
                spent[innermost] += 1
                if 1e3 * (now - began) > self.longest.milliseconds:
                    self.longest = Hold(1e3 * (now - began), f"{outermost} > {spent.most_common(1)[0][0]}")
            before = now

    def _functions(self) -> tuple[str | None, str]:
        """Return the innermost and the outermost function of the package on the stack of the main thread."""
        frame, found = sys._current_frames().get(self._main), []
        while frame is not None:
            if frame.f_code.co_filename.startswith(PACKAGE):
                found.append(f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}")
            frame = frame.f_back
        return (found[0], found[-1]) if found else (None, "-")


class Session:
    """A viewer with the dock and one image, and what a person does there."""

    def __init__(self, kind: str, folder: Path, watch: Watch) -> None:
        self._watch, self._kind, self._folder = watch, kind, folder
        self._application = get_qapp()
        self.viewer = napari.Viewer(show=True)
        self.image, self.objects = make_image(SHAPES[kind])
        self.viewer.add_image(self.image, name="cells", scale=(0.5,) * self.image.ndim)

    @contextmanager
    def job(self, name: str) -> Iterator[None]:
        """Report the longest hold of what is done inside."""
        self._watch.begin()
        began = time.perf_counter()
        yield
        self.settle()
        hold, seconds = self._watch.longest, time.perf_counter() - began
        note = "" if hold.milliseconds <= ASKED_MILLISECONDS else " **"
        print(f"| {self._kind} | {name} | {hold.milliseconds:.0f}{note} | {hold.where} | {seconds:.1f} |", flush=True)

    def settle(self, seconds: float = 0.5) -> None:
        """Let the event loop run."""
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            self._application.processEvents()
            time.sleep(0.001)

    def wait(self, is_done: Callable[[], bool]) -> None:
        """Let the event loop run until something is so."""
        while not is_done():
            self._application.processEvents()
            time.sleep(0.001)

    def rest(self) -> None:
        """Wait for the jobs."""
        session = self.widget.session
        self.settle(0.1)
        self.wait(lambda: not session.state.is_busy and not session.is_saving)
        if self.widget.footer.details:
            raise RuntimeError(self.widget.footer.details)

    def without_us(self) -> None:
        """Print what napari itself takes, the second time."""
        added = {
            "labels": lambda: self.viewer.add_labels(
                np.zeros(self.image.shape, np.int32), scale=(0.5,) * self.image.ndim
            ),
            "picture": lambda: self.viewer.add_image(np.zeros((*self.image.shape, 3), np.uint8), rgb=True),
        }
        for name, add in added.items():
            for is_counted in (False, True):
                before = time.thread_time()
                layer = add()
                middle = time.thread_time()
                self.settle()
                between = time.thread_time()
                self.viewer.layers.remove(layer)
                after = time.thread_time()
                self.settle()
                if is_counted:
                    print(f"| {self._kind} | napari alone: add {name} | {1e3 * (middle - before):.0f} | - | - |")
                    print(f"| {self._kind} | napari alone: remove {name} | {1e3 * (after - between):.0f} | - | - |")

    def open_dock(self) -> None:
        """Open the dock by its name."""
        _, self.widget = self.viewer.window.add_plugin_dock_widget("napari-spoco", "SPOCO")

    def paint(self) -> Labels:
        """Make the annotations, and paint some objects in one go each."""
        self.widget.annotate.new_button.click()
        layer = self.viewer.layers["cells annotations"]
        for label in range(1, 9):
            layer.data_setitem(np.nonzero(self.objects == label), label)
        self.wait(lambda: self.widget.annotate.summary.n_objects == 8)
        return layer

    def train(self) -> None:
        """Train to the end, with pictures as often as there can be."""
        self.widget.train.settings.show_config(TRAINING)
        self.widget.train.train_button.click()
        self.rest()

    def save(self, kind: str, name: str) -> None:
        """Save what was found."""
        path = self._folder / f"{self._kind}-{name}"
        paths.ask_labels_to_save = lambda *_: str(path)
        self.widget.export.format.set_value(kind)
        self.widget.export.save_button.click()
        self.rest()

    def review(self) -> None:
        """Let the queue be made, and accept three objects."""
        tab = self.widget.review
        self.widget.tabs.reveal(tab)
        tab.start_button.click()
        self.rest()
        self.settle(3.0)


def make_image(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return an image of bright balls on a grid, and their ids."""
    axes = np.meshgrid(*((np.arange(n) % SPACING) - SPACING / 2 for n in shape), indexing="ij", sparse=True)
    is_inside = sum(axis**2 for axis in axes) < (DIAMETER / 2) ** 2
    cells = np.zeros(shape, np.int32)
    for axis, n in enumerate(shape):
        index = (np.arange(n) // SPACING).reshape([-1 if i == axis else 1 for i in range(len(shape))])
        cells = cells * -(-n // SPACING) + index
    objects = np.where(is_inside, cells + 1, 0).astype(np.int32)
    noise = np.random.default_rng(0).normal(30, 8, shape)
    return np.clip(noise + 120 * is_inside, 0, 255).astype(np.uint8), objects


def run(kind: str, folder: Path, watch: Watch) -> None:
    """Do every job with one kind of image."""
    session = Session(kind, folder, watch)
    session.settle(1.0)
    session.without_us()
    with session.job("open the dock"):
        session.open_dock()
    with session.job("annotate"):
        session.paint()
    with session.job("train, with previews"):
        session.train()
    widget = session.widget
    with session.job("show embeddings"):
        widget.embeddings.embed_button.click()
        session.rest()
    with session.job("preview what is on show"):
        widget.tabs.reveal(widget.segment)
        widget.segment.preview.click()
        session.settle(3.0)
        widget.segment.preview.click()
    with session.job("segment"):
        widget.segment.segment_button.click()
        session.rest()
    for kind_of_file, name in (("tiff", "a.tif"), ("ome_zarr", "a.zarr"), ("objects", "a.csv")):
        with session.job(f"save {name}"):
            session.save(kind_of_file, name)
    with session.job("review"):
        session.review()
    with session.job("close"):
        session.viewer.close()


def main() -> None:
    """Print a row per job."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", nargs="*", default=list(SHAPES), choices=list(SHAPES))
    options = parser.parse_args()
    watch = Watch()
    watch.start()
    print("| image | job | longest hold (ms) | where | whole job (s) |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        paths.data_folder = lambda: Path(folder)
        for kind in options.images:
            run(kind, Path(folder), watch)
    watch.end()


if __name__ == "__main__":
    main()
