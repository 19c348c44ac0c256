"""What is said of a model that does not suit the image."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_spoco._qt.layers.image_axes import set_axes
from napari_spoco._qt.model.model_fit import find_few_steps, find_mismatch
from napari_spoco.config import NetworkConfig
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, TrainingHistory, save_model
from napari_spoco.models.header import read_header
from napari_spoco.models.registry import shipped_path

NUCLEI = str(shipped_path("nuclei-small"))


def image(axes: str) -> Image:
    sizes = {"C": 3, "Z": 9, "Y": 16, "X": 16}
    layer = Image(np.zeros([sizes[axis] for axis in axes], np.uint8), name="mine")
    set_axes(layer, axes)
    return layer


@pytest.fixture
def save(tmp_path):
    def do(channels, **network) -> str:
        config = NetworkConfig(embedding_dim=4, feature_maps=(4, 8), **network)
        model = EmbeddingModel.create(ModelCard(network=config, channels=channels))
        return str(save_model(model, tmp_path / "tiny.safetensors"))

    return do


@pytest.mark.parametrize(
    ("axes", "channels", "expected"),
    [
        pytest.param("YX", None, "", id="suits"),
        pytest.param("CYX", (1,), "", id="one channel is chosen"),
        pytest.param(
            "ZYX",
            None,
            "nuclei-small is for 2D images, and “mine” is 3D: take ovules-small, or a new model.",
            id="a stack",
        ),
        pytest.param(
            "CZYX",
            None,
            "nuclei-small is for 2D images, and “mine” is 3D: take another model, or a new one.",
            id="a stack with channels",
        ),
        pytest.param(
            "CYX",
            None,
            "nuclei-small takes 1 channel, and “mine” has 3: choose 1 of its channels under Annotate, or take a new "
            "model.",
            id="channels",
        ),
        pytest.param(
            "CYX",
            (0, 2),
            "nuclei-small takes 1 channel, and 2 of “mine” are chosen: choose 1 of its channels under Annotate, or "
            "take a new model.",
            id="two channels are chosen",
        ),
    ],
)
def test_the_sentence_names_both_and_what_to_take(axes, channels, expected) -> None:
    assert find_mismatch(NUCLEI, image(axes), channels) == expected


def test_a_plane_under_a_model_of_stacks() -> None:
    path = str(shipped_path("ovules-small"))
    expected = "ovules-small is for 3D images, and “mine” is 2D: take nuclei-small, or a new model."
    assert find_mismatch(path, image("YX"), None) == expected


def test_a_model_takes_the_channels_that_it_was_trained_on(save) -> None:
    path = save((1,), ndim=2, in_channels=1)
    assert read_header(path).channels == (1,)
    assert find_mismatch(path, image("CYX"), None) == ""


def test_an_image_has_too_few_channels(save) -> None:
    path = save(None, ndim=2, in_channels=3)
    expected = "tiny takes 3 channels, and “mine” has 1: take nuclei-small, or a new model."
    assert find_mismatch(path, image("YX"), None) == expected


def test_nothing_is_said_where_nothing_is_known(tmp_path) -> None:
    (tmp_path / "broken.safetensors").write_bytes(b"model")
    assert find_mismatch(str(tmp_path / "broken.safetensors"), image("YX"), None) == ""
    assert find_mismatch(None, image("YX"), None) == find_mismatch(NUCLEI, None, None) == ""


# Models that have hardly been trained


@pytest.fixture
def trained_for(tmp_path):
    """Return a function that saves a model of so many steps in the folder of a run."""
    folder = tmp_path / "my run"
    folder.mkdir()

    def do(n_steps: int, name: str = "last") -> str:
        config = NetworkConfig(embedding_dim=4, feature_maps=(4, 8))
        card = ModelCard(network=config, history=TrainingHistory(steps=n_steps))
        return str(save_model(EmbeddingModel.create(card), folder / f"{name}.safetensors"))

    return do


@pytest.mark.parametrize(
    ("n_steps", "axes", "is_resumable", "expected"),
    [
        pytest.param(250, "YX", True, "", id="enough"),
        pytest.param(0, "YX", True, "", id="not known, as of an imported one"),
        pytest.param(
            96, "YX", True, "go on in the tab Train with Resume (Start from: the last run), or start from nuclei-small."
        ),
        pytest.param(96, "YX", False, "go on in the tab Train with Fine-tune, or start from nuclei-small."),
        pytest.param(96, "CYX", False, "go on in the tab Train with Fine-tune."),
    ],
)
def test_a_model_of_few_steps_says_so(trained_for, tmp_path, n_steps, axes, is_resumable, expected) -> None:
    path = trained_for(n_steps)
    folder = str(tmp_path / ("my run" if is_resumable else "another run"))
    text = find_few_steps(path, image(axes), folder)
    beginning = "my run has learned for 96 steps only, and may take the pieces of an object for objects: "
    assert text == (beginning + expected if expected else "")


def test_the_steps_after_the_best_model_of_a_run_count(trained_for) -> None:
    best = trained_for(100, "best")
    assert "100 steps only" in find_few_steps(best, image("YX"), None)
    trained_for(900, "last")
    assert find_few_steps(best, image("YX"), None) == ""


def test_nothing_is_said_of_steps_where_nothing_is_known(trained_for, tmp_path) -> None:
    assert find_few_steps(None, image("YX"), None) == ""
    assert find_few_steps(trained_for(96), None, None) == ""
    assert find_few_steps(str(tmp_path / "none.safetensors"), image("YX"), None) == ""
    assert find_few_steps(NUCLEI, image("YX"), None) == ""
