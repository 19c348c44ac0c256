from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from napari_spoco.data.images import read_image, read_labels
from napari_spoco.data.samples import load_nuclei, make_ovule


@pytest.mark.parametrize(("split", "n_images", "n_objects"), [("train", 24, 836), ("val", 8, 333)])
def test_the_shipped_nuclei(split: str, n_images: int, n_objects: int) -> None:
    samples = load_nuclei(split)
    assert len({sample.name for sample in samples}) == n_images
    assert [sample.name for sample in samples] == sorted(sample.name for sample in samples)
    for sample in samples:
        assert sample.image.shape == sample.labels.shape == (256, 256)
        assert (sample.image.dtype, sample.labels.dtype) == (np.uint8, np.uint16)
        assert sample.image[sample.labels > 0].mean() > 2 * sample.image[sample.labels == 0].mean()
    assert sum(len(np.unique(sample.labels)) - 1 for sample in samples) == n_objects


def test_no_image_is_in_both_splits() -> None:
    train, val = ({sample.image.tobytes() for sample in load_nuclei(split)} for split in ("train", "val"))
    assert not train & val


def test_the_licence_lies_beside_them_and_all_is_small() -> None:
    folder = Path(str(files("napari_spoco.data") / "sample_images"))
    assert "CC0" in (folder / "dsb_fluo" / "LICENCE.md").read_text(encoding="utf-8")
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 1_000_000


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^split: expected 'train' or 'val', got 'test'"):
        load_nuclei("test")


def test_they_are_the_reference_data(shared: Path) -> None:
    for split in ("train", "val"):
        source = shared / "data" / "dsb_fluo_dense" / split
        for sample in load_nuclei(split):
            np.testing.assert_array_equal(sample.image, read_image(source / "images" / f"{sample.name}.tif").data[0])
            np.testing.assert_array_equal(sample.labels, read_labels(source / "labels" / f"{sample.name}.tif"))


def test_the_ovule_is_always_the_same_and_partly_outside() -> None:
    first, second = make_ovule(), make_ovule()
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert first.labels.max() > 50
    assert 0.05 < (first.labels == 0).mean() < 0.4
