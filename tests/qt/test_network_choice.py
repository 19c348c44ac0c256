"""Teacher or student: whose embeddings are shown, and that all that follows is of the same network."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spoco._qt import paths
from napari_spoco.config import NetworkConfig
from napari_spoco.segmentation import prediction


@pytest.fixture
def load(spoco, viewer, tmp_path, monkeypatch, until):
    """Return a function that loads a model with or without a teacher, and the networks that have embedded since."""
    from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, save_model
    from napari_spoco.models.network import make_teacher

    asked: list[str] = []

    def embed(_model, image, *, out, teacher=False, **_options) -> None:
        asked.append("teacher" if teacher else "student")
        out[:] = np.arange(len(out))[:, None, None] * image[0]

    def load(*, has_teacher: bool) -> list[str]:
        card = ModelCard(network=NetworkConfig(embedding_dim=2, feature_maps=(2, 2), norm="group", groups=1))
        model = EmbeddingModel.create(card)
        teacher = make_teacher(model.network) if has_teacher else None
        path = save_model(EmbeddingModel(model.network, card, teacher), tmp_path / f"{has_teacher}.safetensors")
        monkeypatch.setattr(paths, "ask_model_to_load", lambda *_: str(path))
        spoco.segment.load_button.click()
        until(lambda: spoco.session.model_path == str(path) and not spoco.session.state.is_busy)
        return asked

    monkeypatch.setattr(prediction, "predict_outputs", embed)
    viewer.add_image(np.random.default_rng(0).random((32, 32)).astype(np.float32), name="cells")
    return load


def choose(spoco, network: str) -> None:
    """Choose a network, as a person does."""
    editor = spoco.embeddings.network
    editor.setCurrentIndex(editor.findData(network))
    editor.activated.emit(editor.currentIndex())


def test_what_is_chosen_is_shown_at_once(spoco, load, until) -> None:
    asked = load(has_teacher=True)
    assert spoco.embeddings.network.isEnabled()
    spoco.embeddings.embed_button.click()
    until(lambda: spoco.session.embedded_image is not None and not spoco.session.state.is_busy)
    assert asked == ["teacher"]
    choose(spoco, "student")
    until(lambda: len(asked) == 2 and not spoco.session.state.is_busy)
    assert asked == ["teacher", "student"]
    assert spoco.session.embedded_image.key.endswith("-student")
    choose(spoco, "teacher")  # known already: it is not computed again
    until(lambda: spoco.session.embedded_image.key.endswith("-teacher") and not spoco.session.state.is_busy)
    assert len(asked) == 2


def test_nothing_is_computed_before_it_is_asked_for(spoco, load, until) -> None:
    asked = load(has_teacher=True)
    choose(spoco, "student")
    assert not spoco.session.state.is_busy
    spoco.segment.segment_button.click()
    until(lambda: spoco.session.embedded_image is not None and not spoco.session.state.is_busy)
    assert asked == ["student"]


def test_a_model_of_one_network_offers_no_choice(spoco, load, until) -> None:
    assert not spoco.embeddings.network.isEnabled()
    asked = load(has_teacher=False)
    assert not spoco.embeddings.network.isEnabled()
    assert spoco.embeddings.network.toolTip() == "The model in use has one network only."
    spoco.embeddings.embed_button.click()
    until(lambda: spoco.session.embedded_image is not None and not spoco.session.state.is_busy)
    assert asked == ["student"]
