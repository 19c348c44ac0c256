"""The header of a model file is read once for all that ask, and again when the file is another one."""

from __future__ import annotations

import os

import pytest

from napari_spoco._qt.model import model_headers
from napari_spoco._qt.model.model_headers import header_of
from napari_spoco._qt.session import SessionState
from napari_spoco.config import NetworkConfig
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, save_model


@pytest.fixture
def n_read(monkeypatch) -> list[int]:
    """Count how often a header is read from a file."""
    count, read = [0], model_headers.read_header

    def counted(path: object) -> object:
        count[0] += 1
        return read(path)

    model_headers._read.cache_clear()
    monkeypatch.setattr(model_headers, "read_header", counted)
    return count


def save(path: object, width: int) -> None:
    save_model(EmbeddingModel.create(ModelCard(network=NetworkConfig(feature_maps=(width, 2 * width)))), path)


def test_a_file_is_read_once_until_it_changes(tmp_path, n_read) -> None:
    path = tmp_path / "last.safetensors"
    save(path, 2)
    for place in (path, str(path), tmp_path):  # a file, and the folder of a training
        assert header_of(place).network.feature_maps == (2, 4)
    assert n_read == [1]
    save(path, 4)
    os.utime(path, ns=(1, 1))
    assert header_of(path).network.feature_maps == (4, 8)
    assert n_read == [2]


def test_what_is_no_model_is_refused_each_time(tmp_path, n_read) -> None:
    path = tmp_path / "last.safetensors"
    for _ in range(2):
        with pytest.raises(ValueError, match=r"path: .*last.safetensors is not a model file"):
            header_of(path)
    save(path, 2)
    assert header_of(path).network.feature_maps == (2, 4)


def test_changes_of_settings_and_state_read_no_file(ready, choose_start, until, n_read) -> None:
    choose_start("nuclei-small")
    until(lambda: ready.session.model_path is not None and ready.session.state is SessionState.IDLE)
    assert n_read == [1]
    for minutes in (3, 4, 5):
        settings = ready.train.settings
        settings.show_config(settings.config().model_copy(update={"max_minutes": float(minutes)}))
        ready.session.state_changed.emit()
    assert n_read == [1]
