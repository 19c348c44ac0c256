"""Student and teacher compared beside a review, from the model that is loaded to the order of the objects.

The teacher sees the intensity of the image, ten times as far apart; the student does not see where one square is cut.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_spoco._qt import paths
from napari_spoco._qt.embeddings import other_network
from napari_spoco._qt.embeddings.prediction_job import PredictionProgress
from napari_spoco._qt.review.review_job import MeasuringProgress
from napari_spoco._qt.review.review_status import comparing
from napari_spoco.config import NetworkConfig
from napari_spoco.segmentation import prediction

SQUARES = {2: (6, 6), 3: (6, 30), 4: (30, 6), 5: (30, 30)}
DOUBTFUL = 4


def make_image(shape: tuple[int, ...] = (48, 48)) -> np.ndarray:
    image = np.zeros(shape, np.float32)
    for value, (y, x) in SQUARES.items():
        image[..., y : y + 12, x : x + 12] = value
    return image


class Stage:
    """A dock with embeddings and objects of an image, and what its networks have been asked for."""

    def __init__(self, widget: object, viewer: object, until: Callable) -> None:
        self.widget, self.viewer, self.until = widget, viewer, until
        self.asked: list[str] = []
        self.is_asked, self.may_go_on = threading.Event(), threading.Event()
        self.may_go_on.set()

    def embed_by(self, _model, image, *, out, teacher=False, stop=None, on_progress=None, **_options) -> None:
        self.asked.append("teacher" if teacher else "student")
        self.is_asked.set()
        while not self.may_go_on.wait(0.01):
            if stop():
                raise prediction.PredictionStopped("stopped")
        out[:] = 0
        out[0] = 10 * image[0]
        if not teacher:
            out[0, ..., 36:42, 6:18] = 0
        on_progress(1, 2)

    def load(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, has_teacher: bool = True) -> Path:
        from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, save_model
        from napari_spoco.models.network import make_teacher

        card = ModelCard(network=NetworkConfig(embedding_dim=2, feature_maps=(2, 2), norm="group", groups=1))
        network = EmbeddingModel.create(card).network
        model = EmbeddingModel(network, card, make_teacher(network) if has_teacher else None)
        path = save_model(model, folder / f"{has_teacher}.safetensors")
        monkeypatch.setattr(paths, "ask_model_to_load", lambda *_: str(path))
        self.widget.segment.load_button.click()
        self.until(lambda: self.widget.session.model_path == str(path) and not self.widget.session.state.is_busy)
        return path

    def embed(self) -> None:
        """Press Show embeddings, and have objects as they would be found."""
        self.widget.embeddings.embed_button.click()
        self.until(lambda: self.widget.session.embedded_image is not None and not self.widget.session.state.is_busy)
        self.asked.clear()
        self.is_asked.clear()
        if "found" not in self.viewer.layers:
            self.viewer.add_labels(make_image().astype(np.uint32), name="found")

    def start(self) -> None:
        tab = self.widget.review
        tab.labels.choose(self.viewer.layers["found"].__wrapped__)
        tab.start_button.click()
        self.until(lambda: self.queue is not None)

    @property
    def queue(self) -> object:
        return self.widget.reviewing.queue

    @property
    def order(self) -> list[int]:
        return [one.instance_id for one in self.queue.scores]

    @property
    def said(self) -> str:
        return self.widget.review.order.text()

    def is_compared(self) -> bool:
        return all(one.agreement is not None for one in self.queue.measures.values())


@pytest.fixture
def stage(spoco, viewer, until, monkeypatch, tmp_path) -> Iterator[Stage]:
    stage = Stage(spoco, viewer, until)
    monkeypatch.setattr(prediction, "predict_outputs", stage.embed_by)
    viewer.add_image(make_image(), name="cells")
    yield stage
    stage.may_go_on.set()


def test_the_order_follows_when_both_are_compared(stage, tmp_path, monkeypatch) -> None:
    stage.load(tmp_path, monkeypatch)
    stage.embed()
    stage.may_go_on.clear()
    stage.start()
    assert stage.order == [2, 3, 4, 5]
    stage.until(lambda: stage.asked == ["student"])
    assert "are being compared" in stage.said
    # The review goes on meanwhile: one is accepted, one changes.
    stage.widget.review.action_buttons["accept"].click()
    stage.widget.reviewing._on_object_requested(5)
    stage.widget.review.action_buttons["grow"].click()
    stage.until(lambda: not stage.widget.reviewing.is_busy)
    assert stage.queue.accepted == {2}
    stage.may_go_on.set()
    stage.until(stage.is_compared)
    assert stage.order[0] == DOUBTFUL
    assert stage.queue.measures[DOUBTFUL].agreement == pytest.approx(0.5)
    assert "agree on 50%" in stage.queue.scores[0].reasons[0]
    assert stage.queue.accepted == {2}
    assert stage.widget.reviewing.chosen == (5,)
    assert stage.queue.measures[5].n_pixels > 144
    stage.until(lambda: not stage.said)
    assert stage.asked == ["student"]
    # What changes from now on is measured by both at once.
    stage.widget.review.action_buttons["grow"].click()
    stage.until(lambda: not stage.widget.reviewing.is_busy)
    assert stage.is_compared()


def test_it_is_predicted_once_and_found_again(stage, tmp_path, monkeypatch, viewer) -> None:
    stage.load(tmp_path, monkeypatch)
    stage.embed()
    stage.start()
    stage.until(stage.is_compared)
    order = stage.order
    for _ in range(2):
        stage.widget.review.start_button.click()
        stage.start()
        assert stage.order == order
        assert stage.is_compared()  # from the beginning
        assert not stage.said
        # The second time, its embeddings are those that the review was by, as after a new start of napari.
        monkeypatch.setattr(stage.widget.reviewing, "_embedded", "another image")
    assert stage.asked == ["student"]


def test_it_can_be_stopped(stage, tmp_path, monkeypatch) -> None:
    stage.load(tmp_path, monkeypatch)
    stage.embed()
    stage.may_go_on.clear()
    stage.start()
    stage.until(stage.is_asked.is_set)
    assert stage.widget.review.stop_button.isVisibleTo(stage.widget.review)
    stage.widget.review.stop_button.click()
    assert "without the agreement of student and teacher: it was stopped" in stage.said
    assert not stage.widget.review.stop_button.isVisibleTo(stage.widget.review)
    assert not stage.is_compared()
    stage.widget.review.action_buttons["accept"].click()
    assert stage.queue.accepted == {2}


def test_a_model_of_one_network_is_said_to_be_one(stage, tmp_path, monkeypatch) -> None:
    stage.load(tmp_path, monkeypatch, has_teacher=False)
    stage.embed()
    stage.start()
    assert "the model has one network only" in stage.said
    assert not stage.asked


def test_a_large_image_is_left_to_one_network(stage, tmp_path, monkeypatch) -> None:
    stage.load(tmp_path, monkeypatch)
    stage.embed()
    monkeypatch.setattr(other_network, "MAX_BYTES", 48 * 48 * 2 * 2 + 1)
    stage.start()
    stage.until(lambda: "too large to keep the embeddings of both" in stage.said)
    assert not stage.asked
    assert not stage.is_compared()


def test_another_model_in_the_same_file_is_not_compared(stage, tmp_path, monkeypatch) -> None:
    path = stage.load(tmp_path, monkeypatch)
    stage.embed()
    os.utime(path, (1, 1))
    stage.start()
    stage.until(lambda: "the file of the model has changed" in stage.said)
    assert not stage.asked


def test_how_far_it_is_is_said() -> None:
    assert "3 of 40 parts" in comparing(PredictionProgress(3, 40))
    assert "7 of 90 objects" in comparing(MeasuringProgress(7, 90))
    assert comparing() == "Student and teacher are being compared; the order of the objects follows."
