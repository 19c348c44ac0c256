from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import ndimage

from napari_spoco.segmentation import instance
from napari_spoco.segmentation.instance import InstancePicker, instance_around, select_instance


@pytest.fixture(params=["compiled", "numpy"])
def way(request, monkeypatch):
    """Run a test with the compiled loops, and without numba."""
    if request.param == "numpy":
        monkeypatch.setattr(instance, "_compiled", lambda: None)
    else:
        pytest.importorskip("numba")


def slow_mask(embeddings, anchor, delta_var=0.5, kernel_threshold=0.9):
    """Follow Eq. 3 in float64."""
    difference = embeddings.astype(np.float64) - embeddings[(slice(None), *anchor)].reshape(-1, *(1,) * len(anchor))
    two_sigma_squared = delta_var**2 / -math.log(kernel_threshold)
    return np.exp(-np.square(difference).sum(axis=0) / two_sigma_squared)


def slow_object(mask, anchor, threshold):
    components, _ = ndimage.label(mask >= threshold)
    return components == components[anchor]


# Also rows of exactly one word, of more, and of more than is looked at together.
SHAPES = [
    (40, 30),
    (9, 20, 21),
    (12, 64),
    (15, 150),
    (8, 1200),
    (3, 5, 600),
    (1, 1),
    (1, 70),
    (70, 1),
    (1, 6, 1),
    (3, 1, 90),
    (6, 1, 1),
]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("seed", range(6))
def test_equals_slow_reference(shape, seed):
    rng = np.random.default_rng(seed)
    # Noise that percolates: winding objects with holes, of one pixel up to nearly all.
    embeddings = ndimage.gaussian_filter(rng.normal(0, 1, (3, *shape)), (0, *[0.5] * len(shape))).astype(np.float32)
    embeddings *= rng.choice([1.0, 2.0, 4.0])
    for _ in range(10):
        anchor = tuple(int(rng.integers(size)) for size in shape)
        threshold = float(rng.choice([0.2, 0.5, 0.9]))
        options = {"delta_var": rng.uniform(0.3, 1.5), "kernel_threshold": rng.uniform(0.5, 0.95)}
        expected = slow_mask(embeddings, anchor, **options)
        soft = select_instance(embeddings, anchor, **options)
        assert soft.dtype == np.float32
        assert soft[anchor] == 1
        np.testing.assert_allclose(soft, expected, rtol=1e-3, atol=1e-6)
        found = instance_around(embeddings, anchor, threshold=threshold, **options)
        assert found.dtype == np.bool_
        np.testing.assert_array_equal(found, slow_object(expected, anchor, threshold))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("n_channels", range(1, 10))
def test_any_number_of_channels(n_channels, rng):
    embeddings = rng.normal(0, 0.3, (n_channels, 6, 90)).astype(np.float32)
    expected = slow_mask(embeddings, (2, 70))
    np.testing.assert_allclose(select_instance(embeddings, (2, 70)), expected, rtol=1e-4)
    np.testing.assert_array_equal(instance_around(embeddings, (2, 70)), slow_object(expected, (2, 70), 0.5))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("axis", [0, 1])
def test_a_snake_is_followed_to_its_end(axis):
    # Corridors of one pixel, joined at alternating ends: everything is connected through one long way.
    shape = (21, 700) if axis == 0 else (700, 21)
    inside = np.ones(shape, dtype=bool)
    lines = np.moveaxis(inside, axis, 0)
    lines[1::2] = False
    lines[1::4, -1] = lines[3::4, 0] = True
    embeddings = np.where(inside, 0.0, 5.0).astype(np.float32)[None]
    np.testing.assert_array_equal(instance_around(embeddings, (0, 0)), inside)
    lines[11] = False
    embeddings = np.where(inside, 0.0, 5.0).astype(np.float32)[None]
    lines[11:] = False
    np.testing.assert_array_equal(instance_around(embeddings, (0, 0)), inside)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("shape", [(40, 130), (6, 20, 70)], ids=["2D", "3D"])
def test_a_picker_answers_like_the_functions(shape, rng):
    embeddings = ndimage.gaussian_filter(rng.normal(0, 2, (5, *shape)), (0, *[0.5] * len(shape))).astype(np.float32)
    options = {"delta_var": 0.8, "kernel_threshold": 0.8}
    picker = InstancePicker(embeddings, **options)
    anchors = [tuple(int(rng.integers(size)) for size in shape) for _ in range(20)]
    for anchor in anchors:
        np.testing.assert_array_equal(picker.soft(anchor), select_instance(embeddings, anchor, **options))
        np.testing.assert_array_equal(
            picker.around(anchor, threshold=0.3), instance_around(embeddings, anchor, threshold=0.3, **options)
        )
    with ThreadPoolExecutor(4) as pool:
        for anchor, found in zip(anchors, pool.map(picker.around, anchors), strict=True):
            np.testing.assert_array_equal(found, picker.around(anchor))


@pytest.mark.usefixtures("way")
def test_answers_belong_to_the_caller(make_cells):
    embeddings, _ = make_cells((20, 30), 4)
    picker = InstancePicker(embeddings)
    for ask in (picker.soft, picker.around):
        before = ask((3, 4)).copy()
        ask((3, 4))[:] = 0
        answer = ask((3, 4))
        np.testing.assert_array_equal(answer, before)
        assert answer.flags.c_contiguous and answer.flags.writeable


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("shape", [(60, 50), (12, 30, 28)], ids=["2D", "3D"])
def test_finds_the_cell_under_the_anchor(shape, make_cells):
    embeddings, truth = make_cells(shape, 9, noise=0.05)
    for anchor in ((0,) * len(shape), tuple(size // 2 for size in shape), tuple(size - 1 for size in shape)):
        cell = truth == truth[anchor]
        np.testing.assert_array_equal(instance_around(embeddings, anchor), cell)
        soft = select_instance(embeddings, anchor)
        assert soft[cell].min() > 0.5 > soft[~cell].max()


@pytest.mark.usefixtures("way")
def test_what_only_touches_at_a_corner_is_another_object():
    embeddings = np.full((1, 4, 4), 9.0, dtype=np.float32)
    embeddings[0, :2, :2] = embeddings[0, 2:, 2:] = 0.0
    found = instance_around(embeddings, (0, 0))
    assert found[:2, :2].all()
    assert found.sum() == 4


@pytest.mark.usefixtures("way")
def test_the_soft_mask_at_delta_var_is_the_kernel_threshold():
    embeddings = np.array([[[0.0, 0.7]]], dtype=np.float32)
    assert select_instance(embeddings, (0, 0), delta_var=0.7, kernel_threshold=0.8)[0, 1] == pytest.approx(0.8)


@pytest.mark.usefixtures("way")
def test_a_threshold_of_one_keeps_equal_embeddings_only():
    embeddings = np.array([[[0.0, 0.0, 1e-3, 0.0]]], dtype=np.float32)
    np.testing.assert_array_equal(instance_around(embeddings, (0, 0), threshold=1.0), [[True, True, False, False]])


@pytest.mark.usefixtures("way")
def test_far_from_the_origin_no_digits_are_lost():
    embeddings = np.array([[[1000.0, 1000.5, 1003.0]]], dtype=np.float32)
    np.testing.assert_allclose(select_instance(embeddings, (0, 0))[0], [1, 0.9, 0.9**36], rtol=1e-5)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", ["float16", "float64", "not contiguous", "read-only", "largest"])
def test_any_floating_point_array(kind, make_cells):
    embeddings, truth = make_cells((20, 30), 4)
    if kind == "not contiguous":
        embeddings = np.asfortranarray(embeddings)
    elif kind == "read-only":
        embeddings.flags.writeable = False
    elif kind == "largest":
        embeddings[embeddings > 0] = np.finfo(np.float32).max
    else:
        embeddings = embeddings.astype(kind)
    before = embeddings.copy()
    cell = truth == truth[3, 4]
    np.testing.assert_array_equal(instance_around(embeddings, (3, 4)), cell)
    np.testing.assert_array_equal(select_instance(embeddings, np.array([3, 4])) > 0.5, cell)
    np.testing.assert_array_equal(embeddings, before)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", [(0, 0), (0, 1)], ids=["anchor", "beside"])
@pytest.mark.parametrize("function", [select_instance, instance_around])
def test_non_finite_embeddings_are_refused(function, where, bad):
    embeddings = np.zeros((2, 4, 4), dtype=np.float32)
    embeddings[(1, *where)] = bad
    with pytest.raises(ValueError, match=r"embeddings: .*NaN or infinity"):
        function(embeddings, (0, 0))


ZEROS = np.zeros((2, 4, 5), dtype=np.float32)


@pytest.mark.parametrize("function", [select_instance, instance_around])
@pytest.mark.parametrize(
    ("embeddings", "anchor", "options", "error", "message"),
    [
        pytest.param(ZEROS.astype(int), (0, 0), {}, TypeError, "embeddings: .*int64", id="integers"),
        pytest.param(ZEROS[0], (0, 0), {}, ValueError, r"embeddings: .*\(4, 5\)", id="no channels"),
        pytest.param(ZEROS[:, :0], (0, 0), {}, ValueError, r"embeddings: .*\(2, 0, 5\)", id="no pixels"),
        pytest.param(ZEROS, (4, 0), {}, ValueError, r"anchor: .*\(4, 5\), got \(4, 0\)", id="below the image"),
        pytest.param(ZEROS, (0, -1), {}, ValueError, r"anchor: .*got \(0, -1\)", id="left of the image"),
        pytest.param(ZEROS, (0, 0, 0), {}, ValueError, r"anchor: .*got \(0, 0, 0\)", id="too many axes"),
        pytest.param(ZEROS, (0.5, 0), {}, TypeError, "anchor: .*2 integers", id="fractional"),
        pytest.param(ZEROS, 3, {}, TypeError, "anchor: .*2 integers, got 3", id="no sequence"),
        pytest.param(ZEROS, (0, 0), {"delta_var": 0}, ValueError, "delta_var: ", id="no margin"),
        pytest.param(ZEROS, (0, 0), {"kernel_threshold": 1.0}, ValueError, "kernel_threshold: ", id="kernel of 1"),
        pytest.param(ZEROS, (0, 0), {"kernel_threshold": np.nan}, ValueError, "kernel_threshold: ", id="NaN kernel"),
    ],
)
def test_errors_name_the_argument(function, embeddings, anchor, options, error, message):
    with pytest.raises(error, match=message):
        function(embeddings, anchor, **options)


@pytest.mark.parametrize("threshold", [0, 1.01, np.nan])
def test_a_threshold_out_of_bounds_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold: "):
        instance_around(ZEROS, (0, 0), threshold=threshold)


def test_without_numba_the_compiled_loops_are_passed_over(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "napari_spoco.segmentation.flood", None)
    monkeypatch.delattr("napari_spoco.segmentation.flood", raising=False)
    assert instance._compiled() is None
    assert instance_around(ZEROS, (1, 1)).all()


def test_while_another_process_compiles_numpy_answers(monkeypatch, rng) -> None:
    embeddings = rng.normal(size=(3, 6, 7)).astype(np.float32)
    expected = instance.instance_around(embeddings, (2, 3)), instance.select_instance(embeddings, (2, 3))
    with instance.without_compiled():
        assert instance._compiled() is None
        np.testing.assert_array_equal(instance.instance_around(embeddings, (2, 3)), expected[0])
        np.testing.assert_allclose(instance.select_instance(embeddings, (2, 3)), expected[1], atol=1e-6)
    assert instance._compiled() is not None
