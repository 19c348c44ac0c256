"""What a save writes when the user goes on meanwhile: labels, decisions and steps that belong together. No window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image

from napari_spoco._qt.project.project_layers import KeptLayers
from napari_spoco._qt.project.project_session import KeptImage, KeptSession
from napari_spoco._qt.project.project_writer import ProjectWriter
from napari_spoco._qt.review.review_notes import ReviewNote
from napari_spoco.project.file import Placement, ProjectImage, ReviewDecisions
from napari_spoco.review.editing import delete
from napari_spoco.review.history import EditHistory

PLACEMENT = Placement(
    scale=(1.0, 1.0),
    translate=(0.0, 0.0),
    rotate=((1.0, 0.0), (0.0, 1.0)),
    shear=(0.0,),
    affine=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    units=("pixel", "pixel"),
    axis_labels=("y", "x"),
)
PIXELS = np.arange(64, dtype=np.uint8).reshape(8, 8)


class Edited:
    """The array of a layer that is edited just before it is copied."""

    def __init__(self, labels: np.ndarray, edit: Callable[[], None]) -> None:
        self.labels, self.edit = labels, edit

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        self.edit()
        return self.labels.copy()


@pytest.fixture
def writer(tmp_path: Path) -> ProjectWriter:
    writer = ProjectWriter.create(tmp_path / "project")
    yield writer
    writer.close()


def save(writer: ProjectWriter, result: object, note: ReviewNote | None) -> None:
    review = None if note is None else note.decisions
    parts = {"kind": "objects", "result": result, "review": review, "note": note}
    kept = KeptImage("a", "b", "cells", None, PIXELS, PIXELS, False, PLACEMENT, **parts)
    assert writer.write(KeptSession((kept,), None, None, None, None, None, None)).problems == ()


def make_labels() -> np.ndarray:
    return np.repeat(np.arange(1, 9, dtype=np.uint32), 8).reshape(8, 8)


def test_what_is_corrected_while_it_is_saved_can_be_undone(writer: ProjectWriter) -> None:
    labels, history = make_labels(), EditHistory()
    note = ReviewNote(ReviewDecisions(accepted=(1, 2)), history)

    def unlock_and_delete() -> None:
        note.decisions = ReviewDecisions(accepted=(1,))
        history.make(labels, delete(labels, [2]))

    save(writer, Edited(labels, unlock_and_delete), note)
    assert writer.project.image("cells").review.accepted == (1,)
    saved = writer.project.result("cells")
    np.testing.assert_array_equal(saved, labels)
    EditHistory(writer.project.steps("cells").fitting(saved)).undo(saved)
    np.testing.assert_array_equal(saved, make_labels())


def test_steps_are_kept_when_labels_are_as_they_were(writer: ProjectWriter) -> None:
    labels, history = make_labels(), EditHistory()
    note = ReviewNote(ReviewDecisions(), history)
    save(writer, labels, note)
    file = writer.project.results / "cells.tif"
    before = file.stat().st_mtime_ns
    history.make(labels, delete(labels, [2]))
    history.undo(labels)
    save(writer, labels, note)
    assert file.stat().st_mtime_ns == before
    assert len(writer.project.steps("cells").undone) == 1


def kept_image(key: str, opened: tuple = (), **parts: object) -> KeptImage:
    return KeptImage(key, "image", "cells", None, PIXELS, PIXELS, False, PLACEMENT, opened=opened, **parts)


def write(writer: ProjectWriter, *images: KeptImage) -> None:
    assert writer.write(KeptSession(images, None, None, None, None, None, None)).problems == ()


def test_one_image_is_one_entry_whatever_is_removed(writer: ProjectWriter) -> None:
    painted = make_labels().astype(np.int32)
    found = {"kind": "objects", "result": make_labels()}
    write(
        writer,
        kept_image("annotations", ("annotations",), annotations=painted),
        kept_image("objects", ("objects",), **found),
    )
    entry = writer.project.image("cells")
    assert (entry.n_painted, entry.n_found, entry.closed) == (8, 8, ())
    write(writer, kept_image("annotations"), kept_image("objects", ("objects",), **found))
    (entry,) = writer.project.images
    assert (entry.closed, entry.now_open) == (("annotations",), ("objects",))
    write(writer, kept_image("objects", **found))  # The window closes: its layers leave it.
    assert writer.project.image("cells").is_open
    write(writer, kept_image("others", ("annotations",), annotations=painted))
    assert [(one.is_open, one.source) for one in writer.project.images] == [(False, entry.source), (True, entry.source)]
    np.testing.assert_array_equal(writer.project.annotations("cells"), painted)


def test_entries_of_one_image_that_was_not_there_have_it_again_together(writer: ProjectWriter) -> None:
    painted = make_labels().astype(np.int32)
    for name in ("cells", "cells 2"):
        writer.project.add_entry(ProjectImage(name=name, file="gone.tif", shape=(8, 8)))
        writer.adopt_alone(name, [f"annotations of {name}"])
    for name in ("cells", "cells 2"):
        write(writer, kept_image(f"annotations of {name}", ("annotations",), annotations=painted))
    known = [(one.name, one.file, one.n_painted) for one in writer.project.images]
    assert known == [("cells", "images/cells.tif", 8), ("cells 2", "images/cells.tif", 8)]


def test_steps_go_with_their_labels(writer: ProjectWriter) -> None:
    labels, history = make_labels(), EditHistory()
    history.make(labels, delete(labels, [2]))
    save(writer, labels, ReviewNote(ReviewDecisions(rejected=(2,)), history))
    assert writer.project.steps("cells").n_done == 1
    save(writer, make_labels()[::-1], None)
    assert writer.project.steps("cells").every == ()


class LazyColours:
    """Colours of a layer that are read when they are indexed, as those of a zarr array."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels, self.shape, self.dtype, self.n_reads = pixels, pixels.shape, pixels.dtype, 0

    def __getitem__(self, index: object) -> np.ndarray:
        self.n_reads += 1
        return self.pixels[index]

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        self.n_reads += 1
        return self.pixels


@pytest.mark.parametrize("n_colours", [3, 4])
def test_colours_are_read_when_they_are_written(writer: ProjectWriter, n_colours: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (8, 9, n_colours)).astype(np.uint8)
    layer = Image(pixels, rgb=True, name="cells")
    layer._data = lazy = LazyColours(pixels)
    kept = KeptLayers(layer).read(set())
    assert kept.pixels is lazy
    assert lazy.n_reads == 0
    write(writer, kept)
    assert lazy.n_reads
    assert writer.project.image("cells").shape == (8, 9)
    np.testing.assert_array_equal(writer.project.read_image("cells").data, np.moveaxis(pixels[..., :3], -1, 0))
