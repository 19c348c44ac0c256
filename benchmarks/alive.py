"""How long the plugin's own code holds napari's event loop, job by job, on a large plane and a large stack.

A thread looks at the stack of the main thread every two milliseconds. As long as a function of the package is on it,
the processor time of the main thread counts as one hold: what the package does by itself and what it has napari, Qt and
NumPy do before it returns. What they do later on their own account (drawing, uploading textures) does not count, nor
does time in which other programs had the processor. Of every job the longest hold is printed, how much of it napari had
called for (code of napari is nearer to the top of the stack than code of the package) and how much went into collecting
garbage (napari has all of Python's collected whenever a layer is removed); then the most that was spent in one hold on
neither, which is our own. The first rows are what napari takes to add, and to remove, layers of the same size without
the package.

    xvfb-run -a -s "-screen 0 1600x1200x24" python benchmarks/alive.py [--images plane stack]

The network is a small one, trained for some steps: what it finds does not matter here. Linux and macOS only.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import napari
import numpy as np
from napari.qt import get_qapp

import napari_spoco
from napari_spoco._qt import paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.layers import Labels

SHAPES = {"plane": (2048, 2048), "stack": (64, 512, 512)}
DIAMETER, SPACING = 20, 32
ASKED_MILLISECONDS = 50
INTERVAL = 0.002
PACKAGE = str(Path(napari_spoco.__file__).parent)
NAPARI = str(Path(napari.__file__).parent)
TRAINING = {
    "max_steps": 12,
    "max_minutes": None,
    "feature_maps": (4, 8),
    "batch_size": 1,
    "preview_seconds": 0.0,
    "autosave_seconds": 1.0,
    "validation": {"every": 5},
    "threads": 1,
}


@dataclass
class Hold:
    """A hold of a job: milliseconds of processor time, by the innermost function of the package, and what for."""

    napari: Counter[str] = field(default_factory=Counter)
    ours: Counter[str] = field(default_factory=Counter)
    garbage: float = 0.0

    @property
    def milliseconds(self) -> float:
        """How long it is."""
        return self.napari.total() + self.ours.total() + self.garbage

    def copy(self) -> Hold:
        """Return it as it is now."""
        return Hold(self.napari.copy(), self.ours.copy(), self.garbage)


def where(spent: Counter[str]) -> str:
    """Return the function that the most was spent in."""
    return next((name for name, _ in spent.most_common(1)), "-")


class Watch(threading.Thread):
    """Samples the main thread from `begin` on."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._main = threading.main_thread().ident or 0
        self._clock = time.pthread_getcpuclockid(self._main)
        self._is_ended = False
        self._garbage = self._garbage_began = 0.0
        gc.callbacks.append(self._on_collecting)
        self.begin()

    def begin(self) -> None:
        """Forget what was before."""
        self.longest, self.most_of_ours = Hold(), Hold()
        self.turn()

    def turn(self) -> None:
        """Take note, in the main thread, that the event loop turns: what was before belongs to no later hold."""
        self._turned = time.thread_time()

    def end(self) -> None:
        """Sample no longer."""
        self._is_ended = True
        self.join()
        gc.callbacks.remove(self._on_collecting)

    def run(self) -> None:
        """Sample."""
        hold, outermost = None, "-"
        before, garbage = time.clock_gettime(self._clock), self._garbage
        while not self._is_ended:
            time.sleep(INTERVAL)
            stack = self._stack()
            now, collected = time.clock_gettime(self._clock), self._garbage
            functions = [name for name in stack if name != NAPARI]
            if not functions:
                hold = None
            else:
                # The hold may have begun right behind the last sample, which may be long ago on a busy machine.
                if hold is None or functions[-1] != outermost:
                    hold, outermost = Hold(), functions[-1]
                    before = max(before, min(self._turned, now))
                    garbage = max(garbage, collected - (now - before))
                # It comes a sample late where the collector's last act is to let this thread run.
                in_garbage = 1e3 * (collected - garbage)
                hold.garbage += in_garbage
                spent = hold.napari if stack[0] == NAPARI else hold.ours
                spent[functions[0]] += 1e3 * (now - before) - in_garbage
                self._compare(hold)
            before, garbage = now, collected

    def _compare(self, hold: Hold) -> None:
        if hold.milliseconds > self.longest.milliseconds:
            self.longest = hold.copy()
        if hold.ours.total() > self.most_of_ours.ours.total():
            self.most_of_ours = hold.copy()

    def _stack(self) -> list[str]:
        """Return what is on the stack of the main thread, innermost first: functions of the package, and `NAPARI`."""
        frame, found = sys._current_frames().get(self._main), []
        while frame is not None:
            path = frame.f_code.co_filename
            if path.startswith(PACKAGE):
                found.append(f"{Path(path).stem}.{frame.f_code.co_name}")
            elif path.startswith(NAPARI):
                found.append(NAPARI)
            frame = frame.f_back
        return found

    def _on_collecting(self, phase: str, _info: dict[str, int]) -> None:
        if threading.get_ident() != self._main:
            return
        if phase == "start":
            self._garbage_began = time.thread_time()
        else:
            self._garbage += time.thread_time() - self._garbage_began


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
        hold, ours, seconds = self._watch.longest, self._watch.most_of_ours, time.perf_counter() - began
        own = ours.ours.total()
        note = "" if own <= ASKED_MILLISECONDS else " **"
        print(
            f"| {self._kind} | {name} | {hold.milliseconds:.0f} | {hold.napari.total():.0f} | {hold.garbage:.0f} "
            f"| {where(hold.napari + hold.ours)} | {own:.0f}{note} | {where(ours.ours)} | {seconds:.1f} |",
            flush=True,
        )

    def settle(self, seconds: float = 0.5) -> None:
        """Let the event loop run."""
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            self._watch.turn()
            self._application.processEvents()
            time.sleep(0.001)

    def wait(self, is_done: Callable[[], bool]) -> None:
        """Let the event loop run until something is so."""
        while not is_done():
            self._watch.turn()
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
        """Print what napari itself takes, the first and the second time: first it loads and compiles."""
        added = {
            "labels": lambda: self.viewer.add_labels(
                np.zeros(self.image.shape, np.int32), scale=(0.5,) * self.image.ndim
            ),
            "picture": lambda: self.viewer.add_image(np.zeros((*self.image.shape, 3), np.uint8), rgb=True),
        }
        for name, add in added.items():
            for time_of in ("first", "second"):
                before = time.thread_time()
                layer = add()
                middle = time.thread_time()
                self.settle()
                between = time.thread_time()
                self.viewer.layers.remove(layer)
                after = time.thread_time()
                self.settle()
                for what, seconds in (("add", middle - before), ("remove", after - between)):
                    title = f"napari alone: {what} {name}, {time_of} time"
                    print(f"| {self._kind} | {title} | {1e3 * seconds:.0f} |{' - |' * 6}", flush=True)

    def open_dock(self) -> None:
        """Open the dock by its name, and print what that takes in one go, napari's part of it included."""
        before = time.thread_time()
        _, self.widget = self.viewer.window.add_plugin_dock_widget("napari-spoco", "SPOCO")
        milliseconds = 1e3 * (time.thread_time() - before)
        print(f"| {self._kind} | open the dock, all of it | {milliseconds:.0f} |{' - |' * 6}", flush=True)

    def paint(self) -> Labels:
        """Make the annotations, and paint some objects in one go each."""
        self.widget.annotate.new_button.click()
        layer = self.viewer.layers["cells annotations"]
        for label in range(1, 9):
            layer.data_setitem(np.nonzero(self.objects == label), label)
        self.wait(lambda: self.widget.annotate.summary.n_objects == 8)
        return layer

    def crop_and_write_back(self) -> None:
        """Make layers of what is on show, paint an object in them, and put it back."""
        buttons, images = self.widget.annotate.action_buttons, self.widget.annotate.image
        buttons["crop_here"].click()
        self.wait(lambda: images.layer().name == "cells box")
        self.settle()
        layer = self.viewer.layers["cells annotations box"]
        layer.data_setitem(np.nonzero(np.asarray(layer.data) == 8), 9)
        buttons["write_back"].click()
        self.wait(lambda: images.layer().name == "cells")

    def add_truth(self) -> None:
        """Let napari show all objects."""
        self.viewer.add_labels(self.objects, name="truth", scale=(0.5,) * self.image.ndim, visible=False)
        self.settle()

    def import_objects(self) -> None:
        """Take over all objects that are not painted yet."""
        form, counts = self.widget.annotate.importing, self.widget.annotate
        n_before = counts.summary.n_objects
        form.labels.choose(self.viewer.layers["truth"])
        form.layer_button.click()
        self.wait(lambda: counts.summary.n_objects > n_before)
        self.viewer.layers["cells annotations"].undo()
        self.wait(lambda: counts.summary.n_objects == n_before)

    def compare(self) -> None:
        """Compare what was found with all objects."""
        form = self.widget.segment.comparison
        self.widget.tabs.reveal(form)
        form.truth.choose(self.viewer.layers["truth"])
        form.button.click()
        self.wait(lambda: self.widget.comparing.comparison is not None)

    def train(self) -> None:
        """Train to the end, with pictures as often as there can be."""
        from napari_spoco.config import TrainingConfig  # Opening the dock is the first to load it.

        self.widget.train.settings.show_config(TrainingConfig(**TRAINING))
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
        self.wait(lambda: self.widget.reviewing.queue is not None)
        for _ in range(3):
            self.settle()
            tab.action_buttons["accept"].click()


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
    with session.job("crop and write back"):
        session.crop_and_write_back()
    session.add_truth()
    with session.job("import labels, undo"):
        session.import_objects()
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
    with session.job("compare"):
        session.compare()
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
    columns = ("image", "job", "longest hold (ms)", "in napari", "garbage", "where", "most of ours (ms)", "where", "s")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    with tempfile.TemporaryDirectory() as folder:
        paths.data_folder = lambda: Path(folder)
        for kind in options.images:
            run(kind, Path(folder), watch)
    watch.end()


if __name__ == "__main__":
    main()
