"""Sets that need no data, and what is said of those that do."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.annotation_budget.sets import SETS, load_set
from benchmarks.annotation_budget.summary import TISSUES


def test_nuclei_ship_with_the_package() -> None:
    nuclei = load_set("nuclei", None)
    assert (len(nuclei.training), len(nuclei.evaluation)) == (24, 8)
    assert all(s.image.shape == s.labels.shape == (256, 256) for s in (*nuclei.training, *nuclei.evaluation))
    assert nuclei.measure == "sbd"


def test_synthetic_tissue_is_full_and_its_stacks_differ() -> None:
    tissue = load_set("membranes-hard", None)
    first, second = tissue.training[0], tissue.evaluation[0]
    assert first.labels.all()
    assert 20 < len(np.unique(first.labels)) < 200
    assert not np.array_equal(first.image, second.image)
    assert tissue.measure == "arand_error"


def test_tables_know_which_sets_are_tissue() -> None:
    assert set(TISSUES) < set(SETS)
    assert all(name.startswith("membranes") for name in TISSUES)


def test_sets_from_a_folder_need_it(tmp_path) -> None:
    with pytest.raises(ValueError, match="is read from a folder of data, got none"):
        load_set("em", None)
    with pytest.raises(ValueError, match="expected images in"):
        load_set("em", tmp_path)
    with pytest.raises(ValueError, match="set: expected one of nuclei, em"):
        load_set("cells", None)
