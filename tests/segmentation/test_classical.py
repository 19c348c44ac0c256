from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_spoco.data.samples import load_nuclei
from napari_spoco.segmentation.classical import bright_foreground, segment_otsu_watershed
from napari_spoco.segmentation.foreground import split_foreground
from napari_spoco.segmentation.metrics import evaluate_segmentation


@pytest.fixture
def discs(rng):
    """A blurred, noisy picture of discs of 20 pixels, two of them touching and one dim, and their labels."""
    y, x = np.mgrid[:120, :120]
    labels = np.zeros((120, 120), dtype=int)
    for i, (cy, cx) in enumerate([(25, 25), (25, 46), (90, 30), (80, 90)], start=1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 < 100] = i
    image = ndimage.gaussian_filter(np.array([10.0, 200, 180, 220, 90])[labels], 1.0)
    return image + rng.normal(0, 3, image.shape), labels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_discs_are_found(discs, dtype):
    image, labels = discs
    found = segment_otsu_watershed(image.clip(0, 255).astype(dtype))
    assert found.dtype == np.uint32
    np.testing.assert_array_equal(np.unique(found), np.arange(5))
    assert evaluate_segmentation(found, labels)["sbd"] > 0.9


def test_local_threshold_finds_what_the_global_one_misses(discs):
    image, labels = discs
    image = np.where(labels == 4, 0.75 * image, image)
    assert not bright_foreground(image, threshold="otsu")[80, 90]
    assert bright_foreground(image, threshold="local")[80, 90]


def test_holes_are_filled(discs):
    image, _ = discs
    image[20:24, 20:24] = 0
    assert bright_foreground(image, smoothing=0.5)[22, 22]


def test_a_constant_image_has_no_objects():
    assert segment_otsu_watershed(np.full((20, 20), 7, dtype=np.uint8)).max() == 0


def test_balls_in_3d():
    z, y, x = np.mgrid[:24, :30, :50]
    image = np.zeros(z.shape, dtype=np.float32)
    for centre in (14, 34):
        image[(z - 12) ** 2 + (y - 15) ** 2 + (x - centre) ** 2 < 81] = 1.0
    assert segment_otsu_watershed(image).max() == 2


def test_balls_of_few_planes_in_3d():
    z, y, x = np.meshgrid(4 * np.arange(7), np.arange(30), np.arange(50), indexing="ij")
    image = np.zeros(z.shape, dtype=np.float32)
    for centre in (14, 32):
        image[(z - 12) ** 2 + (y - 15) ** 2 + (x - centre) ** 2 < 110] = 1.0
    found = segment_otsu_watershed(image, threshold="otsu", smoothing=0, scale=(4, 1, 1))
    assert found.max() == 2
    np.testing.assert_array_equal(found, split_foreground(image > 0, scale=(4, 1, 1)))


def test_strong_on_the_sample_nuclei():
    scores = [evaluate_segmentation(segment_otsu_watershed(s.image), s.labels) for s in load_nuclei("train")[:8]]
    assert np.mean([score["sbd"] for score in scores]) > 0.7


@pytest.mark.parametrize(
    ("image", "options", "error", "message"),
    [
        pytest.param(np.zeros(4), {}, ValueError, "image: .*axes", id="axes"),
        pytest.param(np.zeros((4, 4), bool), {}, TypeError, "image: .*bool", id="bool"),
        pytest.param(np.full((4, 4), np.inf), {}, ValueError, "image: .*infinity", id="infinity"),
        pytest.param(np.eye(4), {"threshold": "x"}, ValueError, "threshold: .*'x'", id="threshold"),
        pytest.param(np.eye(4), {"smoothing": -1}, ValueError, "smoothing: ", id="smoothing"),
        pytest.param(np.eye(4), {"neighbourhood": 0}, ValueError, "neighbourhood: ", id="neighbourhood"),
    ],
)
def test_errors_name_the_argument(image, options, error, message):
    with pytest.raises(error, match=message):
        segment_otsu_watershed(image, **options)
