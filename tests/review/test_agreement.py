"""Student and teacher compared after the objects were measured by one of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_spoco.review.agreement import measure_agreement
from napari_spoco.review.measures import MeasuringStopped, measure_objects


@pytest.mark.parametrize("factors", [(1, 1), (3, 2)], ids=["same grid", "coarser grid"])
def test_it_is_what_measuring_by_both_gives(make_cells, factors: tuple[int, int]) -> None:
    embeddings, coarse = make_cells((40, 50), 9, noise=0.1)
    other = np.roll(embeddings, 1, axis=-1)
    labels = np.kron(coarse, np.ones(factors, coarse.dtype))
    both = measure_objects(labels, embeddings=embeddings, other_embeddings=other)
    first = measure_objects(labels, embeddings=embeddings)
    told: list[tuple[int, int]] = []
    found = measure_agreement(
        labels, first, embeddings=embeddings, other_embeddings=other, on_progress=lambda *counts: told.append(counts)
    )
    assert len({*found.values()}) > 1
    assert tuple(replace(one, agreement=found[one.instance_id]) for one in first) == both
    assert told == [(n, 9) for n in range(1, 10)]


def test_of_what_has_gone_meanwhile_nothing_is_said(make_cells) -> None:
    embeddings, labels = make_cells((30, 30), 4)
    objects = measure_objects(labels, embeddings=embeddings)
    labels[labels == 2] = 0
    assert {*measure_agreement(labels, objects, embeddings=embeddings, other_embeddings=embeddings)} == {1, 3, 4}


def test_it_can_be_stopped(make_cells) -> None:
    embeddings, labels = make_cells((20, 20), 5)
    objects, answers = measure_objects(labels), iter([False, False, True])
    with pytest.raises(MeasuringStopped, match="after 2 objects"):
        measure_agreement(
            labels, objects, embeddings=embeddings, other_embeddings=embeddings, stop=lambda: next(answers)
        )


def test_the_grids_have_to_be_the_same(make_cells) -> None:
    embeddings, labels = make_cells((20, 20), 5)
    with pytest.raises(ValueError, match=r"^other_embeddings: expected spatial shape \(20, 20\), got \(20, 10\)"):
        measure_agreement(labels, (), embeddings=embeddings, other_embeddings=embeddings[..., :10])
