"""Who takes part: the table of contestants, and what all of them are given and give back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_spoco.data.annotations import SparseAnnotations


@dataclass(frozen=True, eq=False)
class Task:
    """Images (*spatial) with what was painted in them, and how long to learn from it.

    `minutes` are of processor time, on one thread; `seed` is of everything that is drawn. Networks learn from pixels
    that are larger by `shrink`, a whole number. A network is read from the file `kept` if it is there, else written.
    """

    images: Sequence[NDArray[Any]]
    annotations: Sequence[SparseAnnotations]
    is_tissue: bool
    minutes: float
    seed: int
    shrink: int = 1
    kept: Path | None = None


class Setting(NamedTuple):
    """A way from a prediction to objects: `segment(image, prediction)` returns labels (*spatial)."""

    name: str
    segment: Callable[..., NDArray[Any]]


class Readout(NamedTuple):
    """Settings to choose from on the training images; one that `is_slow` has one, and skips those images.

    Settings that are `ascending` thresholds find less and less: of those that agree with what was painted as well as
    the best, the last is chosen, as a training chooses its own (`agreement.best_class_settings`).
    """

    settings: Sequence[Setting]
    is_slow: bool = False
    ascending: bool = False


@dataclass(frozen=True, eq=False)
class Fitted:
    """What has learned: the predictions of the training images, those of any other, and ways to read them."""

    predictions: Sequence[Any]
    predict: Callable[[NDArray[Any]], Any]
    readouts: Mapping[str, Readout]
    n_steps: int = 0


def fit(name: str, task: Task) -> Fitted:
    """Let a contestant learn; one that is called "…-full" from the set's own pixels, however small.

    Raises
    ------
    ValueError
        An unknown contestant.
    """
    from benchmarks.annotation_budget import classical, embeddings, forest, unet
    from benchmarks.annotation_budget.shrinking import fit_shrunk

    on_pixels = {"forest": forest.fit, "classical": classical.fit}
    if name in on_pixels:
        return on_pixels[name](task)
    learner, factor = name.removesuffix("-full"), 1 if name.endswith("-full") else task.shrink
    if learner == "unet":
        return fit_shrunk(task, factor, unet.fit)
    if learner not in embeddings.VARIANTS:
        others = ", ".join([*embeddings.VARIANTS, "unet", *on_pixels])
        raise ValueError(f"contestant: expected one of {others}, got {name!r}")
    return fit_shrunk(task, factor, partial(embeddings.fit, variant=embeddings.VARIANTS[learner]))
