"""Embeddings are predicted once, kept on disk, and make room for each other."""

from __future__ import annotations

import os

import numpy as np
import pytest

from napari_spoco._qt.embeddings import embedding_store
from napari_spoco._qt.embeddings.embedding_store import EmbeddingStore, digest

SHAPE = (2, 3, 4)


def fill(value):
    def predict(out) -> None:
        out[...] = value

    return predict


def fail(_out) -> None:
    raise RuntimeError("out of memory")


def test_what_is_kept_is_not_predicted_again(tmp_path) -> None:
    first = EmbeddingStore(tmp_path / "new").get("a", SHAPE, fill(1.5))
    again = EmbeddingStore(tmp_path / "new").get("a", SHAPE, fail)
    np.testing.assert_array_equal(EmbeddingStore(tmp_path / "new").find("a"), first)
    assert EmbeddingStore(tmp_path / "new").find("b") is None
    assert again.dtype == np.float16
    np.testing.assert_array_equal(first, np.full(SHAPE, 1.5))
    np.testing.assert_array_equal(again, first)


def test_a_prediction_that_fails_leaves_nothing(tmp_path) -> None:
    store = EmbeddingStore(tmp_path)
    with pytest.raises(RuntimeError, match="out of memory"):
        store.get("a", SHAPE, fail)
    assert not list(tmp_path.iterdir())
    np.testing.assert_array_equal(store.get("a", SHAPE, fill(2)), np.full(SHAPE, 2))


@pytest.mark.parametrize("content", [b"", b"no array"], ids=["empty", "odd"])
def test_a_spoiled_file_is_predicted_again(tmp_path, content) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    assert (EmbeddingStore(tmp_path).get("a", SHAPE, fill(3)) == 3).all()


def test_another_shape_is_predicted_again(tmp_path) -> None:
    store = EmbeddingStore(tmp_path)
    store.get("a", (2, 5), fill(1))
    assert store.get("a", SHAPE, fill(2)).shape == SHAPE


def test_a_folder_that_cannot_be_made_costs_only_memory(tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert (EmbeddingStore(tmp_path / "file").get("a", SHAPE, fill(4)) == 4).all()


def test_what_was_not_used_for_longest_goes_first(tmp_path, monkeypatch) -> None:
    store = EmbeddingStore(tmp_path)
    for age, key in enumerate("cab"):
        store.get(key, SHAPE, fill(age))
        os.utime(tmp_path / f"{key}.npy", (1000 - age, 1000 - age))
    store.get("b", SHAPE, fail)  # used again
    monkeypatch.setattr(embedding_store, "MAX_BYTES", 2 * 24 * 2 + 300)
    store.get("d", SHAPE, fill(9))
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["b", "d"]


def test_a_digest_tells_arrays_and_values_apart() -> None:
    ones = np.ones((2, 3))
    names = [
        digest(ones),
        digest(ones.T),
        digest(ones.astype(int)),
        digest(2 * ones),
        digest(ones, 1),
        digest(ones, "1"),
    ]
    assert len(set(names)) == len(names)
    assert digest(ones.T.copy()) == digest(ones.T)
