from __future__ import annotations

import numpy as np
import pytest

from napari_spoco.data.annotations import BACKGROUND
from napari_spoco.segmentation.background import background_embedding, distance_to_background, find_background


@pytest.fixture
def scene(rng):
    """Embeddings (4, 60, 90) with two backgrounds, around 0 (left) and 6 (right), and an object around -5."""
    labels = np.zeros((60, 90), dtype=np.int32)
    labels[:, 50:], labels[10:30, 10:30] = 1, 2
    values = np.array([0.0, 6.0, -5.0])[labels]
    return (values + rng.normal(0, 0.1, (4, 60, 90))).astype(np.float32), labels


def test_nothing_shown_is_the_dominant_mode(scene):
    np.testing.assert_array_equal(find_background(scene[0])[0], background_embedding(scene[0]))


@pytest.mark.parametrize("kind", ["mask", "annotations"])
def test_strokes_give_a_mode_for_each_background(scene, kind):
    embeddings, _ = scene
    strokes = np.zeros((60, 90), dtype=bool)
    strokes[50:52, 5:45], strokes[50:52, 55:75] = True, True
    shown = strokes if kind == "mask" else np.where(strokes, BACKGROUND, 0) + 7 * (scene[1] == 2)
    np.testing.assert_allclose(find_background(embeddings, shown), [[0.0] * 4, [6.0] * 4], atol=0.1)


def test_a_slip_of_the_stroke_is_no_mode(scene):
    embeddings, _ = scene
    strokes = np.zeros((60, 90), dtype=bool)
    strokes[40:45, :40], strokes[20, 10:25] = True, True  # 200 pixels of background, 15 of the object
    np.testing.assert_allclose(find_background(embeddings, strokes), [[0.0] * 4], atol=0.1)


@pytest.mark.parametrize("anchor", [(5, 70), np.array([5, 70])], ids=["tuple", "array"])
def test_a_click_gives_the_mode_nearby(scene, anchor):
    embeddings, _ = scene
    embeddings[:, 5, 70] += 0.3  # the clicked pixel itself is off
    np.testing.assert_allclose(find_background(embeddings, anchor), [[6.0] * 4], atol=0.05)


def test_a_click_on_an_outlier_is_that_pixel(scene):
    embeddings, _ = scene
    embeddings[:, 5, 70] = 100.0
    np.testing.assert_array_equal(find_background(embeddings, (5, 70)), [[100.0] * 4])


def test_a_click_in_a_volume(rng):
    embeddings = rng.normal(0, 0.1, (3, 4, 5, 6))
    embeddings[:, 2:] += 5.0
    np.testing.assert_allclose(find_background(embeddings, (3, 0, 0)), [[5.0] * 3], atol=0.1)


@pytest.mark.parametrize("given", [np.ones(4), np.ones((3, 4), dtype=np.float16)], ids=["one", "several"])
def test_given_embeddings_are_taken_as_they_are(scene, given):
    found = find_background(scene[0], given)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.atleast_2d(given))


def test_distance_is_to_the_nearest(scene):
    embeddings, labels = scene
    distance = distance_to_background(embeddings, np.array([[0.0] * 4, [6.0] * 4], dtype=np.float32))
    assert distance.shape == labels.shape
    assert distance[labels < 2].max() < 1.0
    np.testing.assert_allclose(np.median(distance[labels == 2]), 10.0, atol=0.1)
    np.testing.assert_allclose(distance[3, 3], np.linalg.norm(embeddings[:, 3, 3]), rtol=1e-5)


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        pytest.param(np.zeros((60, 90), bool), "background: .*in the mask, got none", id="empty mask"),
        pytest.param(np.ones((60, 90), int), r"background: .*annotated as background \(-1\)", id="no stroke"),
        pytest.param(np.ones((60, 91), bool), "background: expected shape", id="mask of another shape"),
        pytest.param((1, 2, 3), "background: expected 2 integers", id="click in 3D"),
        pytest.param((60, 0), r"background: expected a pixel inside of \(60, 90\)", id="click outside"),
        pytest.param((0, -1), "background: expected a pixel inside", id="negative click"),
        pytest.param(np.ones((2, 5)), r"background: expected shape \(4,\) or \(n, 4\)", id="channels"),
        pytest.param(np.ones((0, 4)), "background: expected shape", id="no embedding"),
        pytest.param(np.array([1, 2, 3, np.inf]), "background: .*infinity", id="infinite"),
    ],
)
def test_errors_name_the_argument(scene, shown, message):
    with pytest.raises(ValueError, match=message):
        find_background(scene[0], shown)
