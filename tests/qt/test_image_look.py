"""Which images no shipped model knows: bright ones with dark objects, as those of an electron microscope."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spoco._qt.hints import next_step, warn
from napari_spoco._qt.jobs.worker import JobContext
from napari_spoco._qt.layers.image_look import find_median, is_bright, run_look
from napari_spoco._qt.model.model_fit import find_mismatch, find_unlike
from napari_spoco._qt.session import SessionFacts, SessionState
from napari_spoco.data.images import read_image
from napari_spoco.models.registry import shipped_path

NUCLEI = str(shipped_path("nuclei-small"))
CONTEXT = JobContext(lambda _: None, lambda: False)


def fluorescence(*shape: int) -> np.ndarray:
    image = np.random.default_rng(0).normal(10, 2, shape)
    image[..., 4:16, : shape[-1] // 4] += 200
    return image.astype(np.float32)


def micrograph(*shape: int) -> np.ndarray:
    """Grey with dark objects."""
    image = np.random.default_rng(0).normal(150, 25, shape)
    image[..., 4:16, : shape[-1] // 4] -= 80
    return image.astype(np.float32)


def look(pixels: np.ndarray, n_plane: int = 2) -> float:
    body = run_look(CONTEXT, pixels, n_plane)
    next(body)
    with pytest.raises(StopIteration) as end:
        next(body)
    return end.value.value


@pytest.mark.parametrize("shape", [(64, 64), (5, 64, 64), (2, 5, 64, 900)])
def test_the_median_tells_them_apart(shape) -> None:
    assert look(fluorescence(*shape)) < 0.2
    assert look(micrograph(*shape)) > 0.5


def test_colours_are_no_plane() -> None:
    pixels = np.zeros((600, 300, 3), np.uint8)
    pixels[..., 0] = 200
    pixels[:2] = 255
    assert look(pixels, 3) == 0.0  # two of three values are dark


@pytest.mark.parametrize("pixels", [np.zeros((4, 4)), np.full((4, 4), np.nan)])
def test_nothing_is_known_without_contrast(pixels) -> None:
    assert find_median(pixels) == 0.0


@pytest.mark.parametrize(("folder", "expected"), [("vnc_mito/val", True), ("dsb_fluo_dense/val", False)])
def test_real_images(shared, folder, expected) -> None:
    files = [path for path in sorted((shared / "data" / folder).rglob("*.tif")) if "label" not in str(path).lower()]
    assert files
    medians = [look(read_image(path).data) for path in files]
    assert {median > 0.35 for median in medians} == {expected}


def test_advice_follows_the_look(spoco, viewer, until) -> None:
    viewer.add_image(fluorescence(64, 64), name="nuclei")
    until(lambda: "nuclei-small" in spoco.train.about_start.text())
    image = viewer.add_image(micrograph(64, 64), name="z03").__wrapped__
    spoco.annotate.image.choose(image)
    until(lambda: is_bright(image))
    assert spoco.train.about_start.text() == ""
    spoco.tabs.reveal(spoco.segment.segment_button)
    assert "no shipped model knows: paint a few objects" in spoco.footer.hint.text()
    spoco.annotate.image.choose(viewer.layers["nuclei"])
    assert "nuclei-small" in spoco.train.about_start.text()
    assert spoco.footer.hint.text().startswith("Take a shipped model")


def test_a_shipped_model_is_no_praise_there(spoco, viewer, until) -> None:
    image = viewer.add_image(micrograph(64, 64), name="z03").__wrapped__
    until(lambda: is_bright(image))
    spoco.session.load_model(NUCLEI)
    until(lambda: not spoco.session.state.is_busy)
    spoco.tabs.reveal(spoco.segment.segment_button)
    assert spoco.footer.warning.text() == (
        "nuclei-small has learned from bright objects on dark ground, and “z03” is bright: it will hardly find what "
        "you look for. Train a new model."
    )
    assert "nuclei-small" not in find_mismatch(str(shipped_path("ovules-small")), image, None).partition("take")[2]
    assert find_unlike("/models/mine.safetensors", image) == ""


def test_what_is_found_then_is_not_praised() -> None:
    facts = SessionFacts(has_image=True, has_model=True, has_found=True, is_bright=True, unlike="It is unlike.")
    assert next_step(SessionState.IDLE, facts, 0, "Segment").startswith("If these are not your objects")
    assert next_step(SessionState.IDLE, facts, 0, "Annotate").startswith("Press New object")
    assert warn(facts, "Segment") == warn(facts, "Train") == "It is unlike."
    assert warn(facts, "Annotate") == ""
