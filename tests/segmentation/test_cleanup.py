from __future__ import annotations

import itertools

import numpy as np
import pytest

from napari_spoco.segmentation.cleanup import grow_fragments, remove_background, remove_small

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
    ],
)
def test_errors_name_the_argument(call, error, message, divided_background):
    with pytest.raises(error, match=message):
        call(*divided_background)
