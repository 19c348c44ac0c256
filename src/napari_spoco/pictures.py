"""Pictures for people: the course of the loss, and images beside what was annotated and found (matplotlib)."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from skimage.color import label2rgb
from skimage.segmentation import find_boundaries

from napari_spoco.data.writers import atomic_path
from napari_spoco.training.reports import LossTerms

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from napari_spoco.training.reports import ScoreReport, StepReport

_WINDOW = 25
"""Steps over which the drawn loss is averaged."""
_LINEAR_BELOW = 1e-2
"""Where the axis of a loss with negative terms is not logarithmic."""


def draw_losses(path: Path, reports: Sequence[StepReport], scores: Sequence[ScoreReport] = ()) -> Path:
    """Draw the terms of the loss and their sum against the step, as moving averages, and the scores below them.

    A term that is zero throughout is not part of the loss, and is left out.
    """
    figure = Figure(figsize=(7, 6 if scores else 4), layout="constrained")
    panels = figure.subplots(2 if scores else 1, squeeze=False, sharex=True)[:, 0]
    _draw_terms(panels[0], reports)
    if scores:
        _draw_scores(panels[1], scores)
    panels[-1].set_xlabel("step")
    return _save(figure, path)


def draw_overlay(
    path: Path, rows: Sequence[tuple[NDArray[Any], NDArray[np.uint8], NDArray[Any], NDArray[Any]]]
) -> Path:
    """Draw rows of image, embeddings as RGB, annotated objects and found objects; planes (Y, X)."""
    titles = ("image", "embeddings (PCA)", "annotated objects", "found objects")
    figure = Figure(figsize=(12, 3.1 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(titles), squeeze=False)
    for line, (image, rgb, annotated, found) in zip(axes, rows, strict=True):
        grey = _stretched(image)
        for panel, picture in zip(line, (grey, rgb, _outlined(grey, annotated), _outlined(grey, found)), strict=True):
            panel.imshow(picture, cmap="gray", interpolation="nearest")
            panel.axis("off")
    for panel, title in zip(axes[0], titles, strict=True):
        panel.set_title(title)
    return _save(figure, path)


def _draw_terms(axes: Axes, reports: Sequence[StepReport]) -> None:
    steps = np.array([report.step for report in reports])
    lowest = 0.0
    for name in ("total", *(field.name for field in fields(LossTerms))):
        values = np.array([getattr(report.terms, name) for report in reports])
        if not values.any():
            continue
        window = min(_WINDOW, len(values))
        smooth = np.convolve(values, np.ones(window) / window, mode="valid")
        lowest = min(lowest, smooth.min())
        axes.plot(steps[window - 1 :], smooth, label=name.replace("_", " "), linewidth=2.0 if name == "total" else 1.0)
    axes.set_ylabel(f"loss (mean of {_WINDOW} steps)")
    # The adversarial term may be negative, and the sum with it.
    if lowest < 0:
        axes.set_yscale("symlog", linthresh=_LINEAR_BELOW)
    else:
        axes.set_yscale("log")
    axes.legend(fontsize="small")


def _draw_scores(axes: Axes, scores: Sequence[ScoreReport]) -> None:
    steps = [score.step for score in scores]
    for name in ("score", "soft_iou", "clustered_iou"):
        axes.plot(steps, [getattr(score, name) for score in scores], ".-", label=name.replace("_", " "))
    best = [score for score in scores if score.is_best]
    if best:
        axes.plot(best[-1].step, best[-1].score, "o", label=f"best, step {best[-1].step}")
    axes.set(ylabel="objects left out", ylim=(0, 1))
    axes.legend(fontsize="small")


def _stretched(image: NDArray[Any]) -> NDArray[np.float64]:
    """Scale to 0..1 with a gamma that shows dim objects."""
    low, high = np.percentile(image, (1, 99.8))
    scaled: NDArray[np.float64] = np.clip((image - low) / max(high - low, 1e-9), 0, 1) ** 0.6
    return scaled


def _outlined(grey: NDArray[np.float64], labels: NDArray[Any]) -> NDArray[np.float64]:
    picture: NDArray[np.float64] = label2rgb(labels, grey, bg_label=0, alpha=0.35, image_alpha=1.0)
    picture[find_boundaries(labels, mode="inner")] = (1.0, 1.0, 0.2)
    return picture


def _save(figure: Figure, path: Path) -> Path:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
    return path
