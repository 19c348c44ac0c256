from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from napari_spoco.segmentation.cleanup import (
    clean_up,
    grow_fragments,
    measure_segments,
    remove_background,
    remove_small,
    split_disconnected,
)

# --- growth of fragments ---------------------------------------------------------------------------------------


def strip(values, widths):
    """Return labels and one-channel embeddings of segments side by side: (1, n) pixels."""
    labels = np.repeat(np.arange(1, len(values) + 1), widths)[None]
    return labels, np.repeat(np.array(values, dtype=np.float32), widths)[None, None]


def touching(labels):
    """Return the pairs of different labels above 0 that share a face, pixel by pixel."""
    pairs = set()
    for pixel in itertools.product(*map(range, labels.shape)):
        for axis in range(labels.ndim):
            neighbour = tuple(p + (a == axis) for a, p in enumerate(pixel))
            if neighbour[axis] < labels.shape[axis]:
                a, b = labels[pixel], labels[neighbour]
                if a != b and a and b:
                    pairs.add((min(a, b), max(a, b)))
    return pairs


def slow_growth(labels, embeddings, fragment_size):
    """Do the rounds of `grow_fragments` on pixels, segment by segment."""
    labels = labels.copy()
    while True:
        sizes = {i: (labels == i).sum() for i in np.unique(labels) if i}
        means = {i: embeddings[:, labels == i].astype(np.float64).mean(axis=1) for i in sizes}
        nearest = {}
        for a, b in touching(labels):
            distance = np.linalg.norm(means[a] - means[b])
            for fragment, other in ((a, b), (b, a)):
                if sizes[fragment] < fragment_size:
                    nearest[fragment] = min(nearest.get(fragment, (np.inf, 0)), (distance, other))
        merges = [
            (fragment, other)
            for fragment, (_, other) in nearest.items()
            if other not in nearest or nearest[other][1] == fragment
        ]
        if not merges:
            return labels
        for fragment, other in merges:
            labels[labels == fragment] = other
            merges = [(f, other if o == fragment else o) for f, o in merges]


def test_a_fragment_joins_the_nearest_touching_segment():
    labels, embeddings = strip([0.0, 1.8, 3.0], [10, 2, 10])
    np.testing.assert_array_equal(grow_fragments(labels, embeddings, 5)[0], [1] * 10 + [2] * 12)


def test_the_nearest_segment_must_touch():
    labels, embeddings = strip([0.0, 5.0, 0.0], [10, 10, 2])
    np.testing.assert_array_equal(grow_fragments(labels, embeddings, 5)[0], [1] * 10 + [2] * 12)


def test_fragments_of_one_object_join_each_other_before_a_far_neighbour():
    labels, embeddings = strip([0.0, 5.0, 5.1, 4.9], [10, 2, 2, 2])
    np.testing.assert_array_equal(grow_fragments(labels, embeddings, 5)[0], [1] * 10 + [2] * 6)


def test_whole_segments_never_merge(rng):
    labels = np.kron(np.arange(1, 17).reshape(4, 4), np.ones((5, 5), int))
    embeddings = np.zeros((3, 20, 20), dtype=np.float32)
    np.testing.assert_array_equal(grow_fragments(labels, embeddings, 25), labels)


def test_isolated_fragments_stay():
    labels = np.zeros((5, 9), dtype=int)
    labels[1, 1], labels[2:4, 4:8] = 3, 7
    grown = grow_fragments(labels, np.zeros((2, 5, 9)), 100)
    np.testing.assert_array_equal(np.unique(grown), [0, 1, 2])
    np.testing.assert_array_equal(grown > 0, labels > 0)


@pytest.mark.parametrize("fragment_size", [0, 1])
def test_nothing_is_smaller_than_one_pixel(fragment_size):
    labels, embeddings = strip([0.0, 0.0, 0.0], [1, 2, 3])
    np.testing.assert_array_equal(grow_fragments(labels, embeddings, fragment_size), labels)


def test_equal_distances_end():
    labels = np.arange(1, 82).reshape(9, 9)
    assert grow_fragments(labels, np.zeros((2, 9, 9)), 82).max() == 1
    assert grow_fragments(labels, np.zeros((2, 9, 9)), 5).max() >= 1


def test_a_long_chain_of_fragments_ends_soon():
    """Every fragment prefers the next one, so that only one pair is ready in each patient round."""
    n = 3000
    labels, embeddings = strip(np.cumsum(1.0 / np.arange(1, n + 1)), np.ones(n, dtype=int))
    sizes = np.bincount(grow_fragments(labels, embeddings, 10).ravel())[1:]
    assert sizes.min() >= 10


@pytest.mark.parametrize("shape", [(14, 15), (5, 6, 7)], ids=["2D", "3D"])
@pytest.mark.parametrize("seed", range(5))
def test_equals_slow_reference(shape, seed, assert_same_partition):
    rng = np.random.default_rng(seed)
    labels = np.kron(
        rng.permutation(np.arange(1, 1 + np.prod([-(-s // 2) for s in shape]))).reshape([-(-s // 2) for s in shape]),
        np.ones((2,) * len(shape), int),
    )[tuple(map(slice, shape))]
    labels[rng.random(shape) < 0.1] = 0
    embeddings = rng.normal(size=(3, *shape)).astype(np.float32)
    grown = grow_fragments(labels, embeddings, 9)
    sizes = np.bincount(grown.ravel())
    assert all(sizes[a] >= 9 and sizes[b] >= 9 for a, b in touching(grown))
    assert_same_partition(grown, slow_growth(labels, embeddings, 9))


# --- tables of segments --------------------------------------------------------------------------------------------


def random_blocks(shape, rng):
    """Return blocks of two pixels a side, one id each, with holes, and random embeddings (3, *shape)."""
    blocks = [-(-size // 2) for size in shape]
    ids = rng.permutation(np.arange(1, 1 + np.prod(blocks))).reshape(blocks)
    labels = np.kron(ids, np.ones((2,) * len(shape), int))[tuple(map(slice, shape))]
    labels[rng.random(shape) < 0.1] = 0
    return labels, rng.normal(3, 1, (3, *shape)).astype(np.float32)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (14, 15), (1, 6, 7), (5, 6, 7)], ids=str)
def test_table_equals_slow_reference(shape, rng):
    labels, embeddings = random_blocks(shape, rng)
    labels.flat[0] = 1
    table = measure_segments(labels, embeddings)
    dense = remove_small(labels, 0)
    np.testing.assert_array_equal(table.labels, dense)
    for i in range(1, dense.max() + 1):
        assert table.sizes[i] == (dense == i).sum()
        np.testing.assert_allclose(table.sums[i], embeddings[:, dense == i].sum(axis=1, dtype=np.float64), rtol=1e-5)
    assert table.sizes[0] == 0
    assert [tuple(pair) for pair in table.touching] == sorted(touching(dense))


def test_the_order_in_memory_is_of_no_account(rng):
    labels, embeddings = random_blocks((5, 6, 7), rng)
    table = measure_segments(np.asfortranarray(labels), np.asfortranarray(embeddings))
    expected = measure_segments(labels, embeddings)
    for name in ("labels", "sizes", "sums", "touching"):
        np.testing.assert_array_equal(getattr(table, name), getattr(expected, name))
    np.testing.assert_array_equal(clean_up(table, fragment_size=9), clean_up(expected, fragment_size=9))


def test_the_sum_of_a_large_segment_keeps_its_digits():
    """In one go, float32 would lose 0.1 beside a sum of a million."""
    embeddings = np.full((1, 2000, 3000), 0.1, dtype=np.float32)
    sums = measure_segments(np.ones((2000, 3000), dtype=np.uint8), embeddings).sums
    np.testing.assert_allclose(sums[1], np.float32(0.1) * 6e6, rtol=1e-6)


@pytest.mark.parametrize("background", ["none", "largest", "mode"])
@pytest.mark.parametrize("shape", [(14, 15), (5, 6, 7)], ids=["2D", "3D"])
def test_clean_up_is_growth_then_background_then_size(shape, background, rng):
    labels, embeddings = random_blocks(shape, rng)
    grown = grow_fragments(labels, embeddings, 9)
    without = remove_background(grown, embeddings, background, 1.0)
    table = measure_segments(labels, embeddings)
    options = {"fragment_size": 9, "background": background, "background_radius": 1.0}
    for min_size in (0, 12, 1000):
        np.testing.assert_array_equal(clean_up(table, min_size=min_size, **options), remove_small(without, min_size))


def test_a_table_is_cleaned_again_without_the_embeddings(rng):
    labels, embeddings = random_blocks((14, 15), rng)
    table = measure_segments(labels, embeddings)
    first = clean_up(table, fragment_size=9, background="mode", background_radius=1.0)
    embeddings[:] = np.nan
    np.testing.assert_array_equal(clean_up(table, fragment_size=9, background="mode", background_radius=1.0), first)


# --- disconnected parts ------------------------------------------------------------------------------------------


def slow_split(labels):
    """Label every segment by itself."""
    parts = np.zeros(labels.shape, dtype=int)
    for i in np.unique(labels[labels > 0]):
        found, _ = ndimage.label(labels == i)
        parts[found > 0] = found[found > 0] + parts.max()
    return parts


@pytest.mark.parametrize("shape", [(1, 1), (1, 20), (20, 21), (1, 9, 9), (8, 9, 10)], ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.int64])
def test_parts_equal_slow_reference(shape, dtype, rng, assert_same_partition):
    labels = rng.integers(0, 4, shape).astype(dtype)
    parts = split_disconnected(labels)
    assert parts.dtype == np.uint32
    np.testing.assert_array_equal(np.unique(parts[parts > 0]), np.arange(1, parts.max() + 1))
    assert_same_partition(parts, slow_split(labels))


def test_a_corner_does_not_connect():
    labels = np.array([[7, 0, 7], [0, 7, 7], [2**40, 0, 0]], dtype=np.int64)
    np.testing.assert_array_equal(split_disconnected(labels), [[1, 0, 2], [0, 2, 2], [3, 0, 0]])


def test_parts_of_nothing():
    assert split_disconnected(np.zeros((0, 3), dtype=np.uint8)).shape == (0, 3)
    assert not split_disconnected(np.zeros((3, 3), dtype=np.uint8)).any()


# --- sizes ---------------------------------------------------------------------------------------------------


def test_remove_small_keeps_the_order_and_closes_the_gaps():
    labels = np.array([[9, 9, 9, 0], [4, 0, 7, 7]], dtype=np.int64)
    cleaned = remove_small(labels, 2)
    assert cleaned.dtype == np.uint32
    np.testing.assert_array_equal(cleaned, [[2, 2, 2, 0], [0, 0, 1, 1]])


@pytest.mark.parametrize("zero", [0, 5], ids=["background", "no background"])
def test_remove_small_takes_large_ids(zero):
    labels = np.array([2**63 - 1, 2**40, 2**40, zero], dtype=np.uint64)
    np.testing.assert_array_equal(remove_small(labels, 0), [2, 1, 1, 0] if zero == 0 else [3, 2, 2, 1])


def test_remove_small_of_nothing():
    assert remove_small(np.zeros((0, 3), dtype=np.uint8), 5).shape == (0, 3)
    assert not remove_small(np.zeros((3, 3), dtype=np.uint8), 0).any()


# --- background ----------------------------------------------------------------------------------------------


@pytest.fixture
def divided_background():
    """Two parts of one background that an object separates, and a small object of an embedding nearby."""
    labels = np.ones((20, 20), dtype=np.uint16)
    labels[:, 8:12], labels[:, 12:] = 2, 3
    labels[2:4, 2:4] = 4
    embeddings = np.zeros((3, 20, 20), dtype=np.float32)
    embeddings[0] = np.choose(labels, [0, 0.0, 6.0, 0.3, 3.0])
    return labels, embeddings


def test_no_background(divided_background):
    labels, embeddings = divided_background
    np.testing.assert_array_equal(remove_background(labels, embeddings, "none"), labels)


def test_largest_segment_is_background(divided_background):
    labels, embeddings = divided_background
    found = remove_background(labels, embeddings, "largest")
    np.testing.assert_array_equal(found, np.choose(labels, [0, 1, 2, 0, 3]))


def test_segments_near_the_mode_are_background(divided_background):
    labels, embeddings = divided_background
    found = remove_background(labels, embeddings, "mode", 2.0)
    np.testing.assert_array_equal(found, np.choose(labels, [0, 0, 1, 0, 2]))
    assert remove_background(labels, embeddings, "mode", 4.0).max() == 1


def test_segments_near_a_shown_background_are_background(divided_background):
    """The user shows that what looks like an object, and is 6 from everything else, is background."""
    labels, embeddings = divided_background
    strokes = np.zeros((20, 20), dtype=bool)
    strokes[5, 9:11] = True
    for shown in (strokes, np.where(strokes, -1, 0), (5, 9), np.array([6.0, 0.0, 0.0])):
        found = remove_background(labels, embeddings, "mode", 2.0, background=shown)
        np.testing.assert_array_equal(found, np.choose(labels, [0, 1, 0, 2, 3]))
    found = remove_background(labels, embeddings, "mode", 3.5, background=np.array([[0.0] * 3, [6.0, 0.0, 0.0]]))
    assert not found.any()


def test_outside_of_the_foreground_is_background(divided_background):
    labels, embeddings = divided_background
    foreground = np.zeros((20, 20), dtype=np.uint8)
    foreground[:, 10:] = 1
    found = remove_background(labels, embeddings, "none", foreground=foreground)
    np.testing.assert_array_equal(found, np.choose(labels, [0, 0, 1, 2, 0]) * foreground)
    found = remove_background(labels, embeddings, "largest", foreground=foreground)
    np.testing.assert_array_equal(found, (labels == 2) * foreground)


@pytest.mark.parametrize("mode", ["none", "largest", "mode"])
def test_no_segment_at_all(mode):
    assert not remove_background(np.zeros((4, 4), int), np.zeros((2, 4, 4)), mode).any()


def test_pixels_outside_of_all_segments_have_no_say(divided_background):
    labels, embeddings = divided_background
    labels = np.where(labels == 2, labels, 0)
    assert not remove_background(labels, embeddings, "mode").any()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        pytest.param(
            lambda labels, e: grow_fragments(labels[:3], e, 5), ValueError, "labels: expected shape", id="shape"
        ),
        pytest.param(
            lambda labels, e: grow_fragments(labels.astype(float), e, 5), TypeError, "labels: .*float64", id="float"
        ),
        pytest.param(
            lambda labels, e: grow_fragments(labels, e, -5), ValueError, "fragment_size: ", id="fragment size"
        ),
        pytest.param(lambda labels, _: remove_small(labels, -1), ValueError, "min_size: ", id="size"),
        pytest.param(
            lambda labels, _: remove_small(labels.astype(int) - 2, 0), ValueError, "labels: .*-1", id="negative"
        ),
        pytest.param(
            lambda labels, e: remove_background(labels, e, "sky"), ValueError, "background: .*'sky'", id="mode"
        ),
        pytest.param(
            lambda labels, e: remove_background(labels, e, "mode", 0), ValueError, "background_radius: ", id="radius"
        ),
        pytest.param(
            lambda labels, e: remove_background(labels, e, "mode", background=(20, 0)),
            ValueError,
            "background: ",
            id="out",
        ),
        pytest.param(
            lambda labels, e: remove_background(labels, e, "none", foreground=labels[1:]),
            ValueError,
            "foreground: expected shape",
            id="foreground",
        ),
        pytest.param(
            lambda labels, e: clean_up(measure_segments(labels, e), min_size=-1), ValueError, "min_size: ", id="least"
        ),
        pytest.param(lambda labels, _: split_disconnected(labels[0]), ValueError, "labels: .*axes", id="1D"),
    ],
)
def test_errors_name_the_argument(call, error, message, divided_background):
    with pytest.raises(error, match=message):
        call(*divided_background)
