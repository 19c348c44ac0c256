from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import ValidationError

from napari_spoco.config import Normalization, TrainingConfig
from napari_spoco.data import images
from napari_spoco.data.images import as_channels_first, find_grey_values, normalize_image

RAMP = np.arange(30, dtype=np.uint8).reshape(5, 6)


@pytest.mark.parametrize(
    ("image", "ndim", "shape"),
    [
        pytest.param(RAMP, 2, (1, 5, 6), id="plane"),
        pytest.param(RAMP[None], 2, (1, 5, 6), id="plane with channel"),
        pytest.param(np.stack([RAMP, RAMP]), 2, (2, 5, 6), id="two channels"),
        pytest.param(np.stack([RAMP, RAMP]), 3, (1, 2, 5, 6), id="stack"),
        pytest.param(RAMP[None, :, None], 3, (1, 5, 1, 6), id="stack with channel"),
        pytest.param(RAMP[:4, :4], 2, (1, 4, 4), id="as small as a colour"),
        pytest.param(RAMP.tolist(), 2, (1, 5, 6), id="list"),
    ],
)
def test_channel_comes_first(image: np.ndarray, ndim: int, shape: tuple[int, ...]) -> None:
    assert as_channels_first(image, ndim=ndim).shape == shape


@pytest.mark.parametrize(
    ("given_type", "expected_type"),
    [
        ("uint8", "uint8"),
        (">u2", "uint16"),
        ("int64", "int64"),
        ("float16", "float32"),
        ("float32", "float32"),
        (">f8", "float32"),
    ],
)
def test_integers_keep_their_type_and_floats_become_float32(given_type: str, expected_type: str) -> None:
    image = as_channels_first(RAMP.astype(given_type), ndim=2)
    assert image.dtype == np.dtype(expected_type)
    assert image.dtype.isnative
    np.testing.assert_array_equal(image[0], RAMP)


def test_nothing_is_copied_without_need() -> None:
    assert np.shares_memory(as_channels_first(RAMP, ndim=2), RAMP)


@pytest.mark.parametrize(
    ("image", "ndim", "message"),
    [
        pytest.param(RAMP, 3, r"expected axes \(Z, Y, X\) or \(C, Z, Y, X\), got shape \(5, 6\)", id="too few axes"),
        pytest.param(RAMP[None, None], 2, r"expected axes \(Y, X\)", id="too many axes"),
        pytest.param(np.zeros((5, 6, 3)), 2, "RGB last", id="channels last"),
        pytest.param(np.zeros((0, 6)), 2, r"at least one pixel, got shape \(0, 6\)", id="empty"),
        pytest.param(np.zeros((5, 6), bool), 2, "integers or floats, got bool", id="boolean"),
        pytest.param(np.zeros((5, 6), complex), 2, "integers or floats, got complex128", id="complex"),
        pytest.param(np.array([["a", "b"]]), 2, "integers or floats, got <U1", id="text"),
        pytest.param(np.where(RAMP == 3, np.nan, RAMP), 2, "NaN or infinity", id="NaN"),
        pytest.param(np.where(RAMP == 3, np.inf, RAMP), 2, "NaN or infinity", id="infinity"),
        pytest.param(np.where(RAMP == 3, -np.inf, RAMP), 2, "NaN or infinity", id="minus infinity"),
        pytest.param(RAMP * 1e300, 2, "fit into float32", id="beyond float32"),
        pytest.param(np.full((5, 6), 7), 2, "got the value 7 everywhere", id="constant"),
        pytest.param(np.ones((1, 1)), 2, "got the value 1.0 everywhere", id="one pixel"),
    ],
)
def test_bad_images_are_refused(image: np.ndarray, ndim: int, message: str) -> None:
    with pytest.raises(ValueError, match=f"^sheet: .*{message}"):
        as_channels_first(image, ndim=ndim, name="sheet")


def test_percentiles_become_zero_and_one(rng: np.random.Generator) -> None:
    image = rng.normal(50, 10, (2, 40, 50)).astype(np.float32)
    image[1] *= 7
    normal = normalize_image(image, Normalization(lower=5, upper=95))
    assert normal.dtype == np.float32
    np.testing.assert_allclose(np.percentile(normal, (5, 95), axis=(1, 2)).T, [(0, 1)] * 2, atol=1e-5)
    assert normal.min() < 0
    assert normal.max() > 1, "nothing is clipped"


@settings(max_examples=50, deadline=None)
@given(
    image=hnp.arrays(np.uint16, hnp.array_shapes(min_dims=3, max_dims=4, max_side=6)),
    gain=st.integers(1, 50),
    offset=st.integers(0, 10_000),
)
def test_gain_and_offset_do_not_matter(image: np.ndarray, gain: int, offset: int) -> None:
    changed = image.astype(np.int64) * gain + offset
    for first, second in zip(image, changed, strict=True):
        np.testing.assert_allclose(
            normalize_image(first[None], Normalization()),
            normalize_image(second[None], Normalization()),
            rtol=1e-3,
            atol=1e-3,
        )


def test_a_constant_channel_becomes_zero() -> None:
    image = np.stack([RAMP, np.full_like(RAMP, 9)])
    assert not normalize_image(image, Normalization())[1].any()


def test_rare_signal_is_kept_where_percentiles_coincide() -> None:
    image = np.zeros((1, 100, 100), np.uint8)
    image[0, 3, 3] = 200
    normal = normalize_image(image, Normalization())
    assert (normal.min(), normal.max()) == (0, 1)


def test_neighbouring_large_integers_stay_apart() -> None:
    image = (2**31 + np.arange(100, dtype=np.uint32)).reshape(1, 10, 10)
    assert len(np.unique(normalize_image(image, Normalization()))) == 100


@pytest.mark.parametrize("kind", ["percentile", "standard"])
def test_a_part_is_normalised_as_the_whole(kind: str) -> None:
    image = np.stack([RAMP, RAMP[::-1].astype(int) ** 2])
    normalization = Normalization(kind=kind, lower=5, upper=95)
    grey_values = find_grey_values(image, normalization)
    part = (slice(None), slice(3, 6), slice(2, 9))
    found = normalize_image(image[part], normalization, grey_values)
    np.testing.assert_array_equal(found, normalize_image(image, normalization)[part])
    assert np.abs(found - normalize_image(image[part], normalization)).max() > 0.1


def test_percentiles_must_be_in_order() -> None:
    with pytest.raises(ValidationError, match=r"lower \(.*\): expected less than upper \(.*\), got 60 and 40"):
        Normalization(lower=60, upper=40)
    with pytest.raises(ValidationError, match=r"lower \(.*got 40 and 40"):
        TrainingConfig(normalization={"lower": 40, "upper": 40})
    Normalization(kind="standard", lower=60, upper=40)  # which has no percentiles


def test_percentiles_of_large_images_use_all_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    # 64 columns of rising brightness, and room for a 64th of the pixels: a plain step would see one column
    monkeypatch.setattr(images, "MAX_PERCENTILE_PIXELS", 64)
    image = np.tile(np.arange(64, dtype=np.float32), (1, 64, 1))
    normal = normalize_image(image, Normalization(lower=0, upper=100))
    assert normal.min() == pytest.approx(0, abs=0.05)
    assert normal.max() == pytest.approx(1, abs=0.05)


def test_standard_scores_per_channel() -> None:
    image = np.stack([np.arange(100).reshape(10, 10), np.full((10, 10), 7)]).astype(np.uint16)
    normal = normalize_image(image, Normalization(kind="standard"))
    assert normal[0].mean() == pytest.approx(0, abs=1e-6)
    assert normal[0].std() == pytest.approx(1, abs=1e-6)
    assert not normal[1].any()
