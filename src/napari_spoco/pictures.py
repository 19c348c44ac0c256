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

    from numpy.typing import NDArray

    from napari_spoco.training.reports import StepReport

_WINDOW = 25
"""Steps over which the drawn loss is averaged."""


def draw_losses(path: Path, reports: Sequence[StepReport]) -> Path:
    """Draw every term of the loss and their sum against the step, as moving averages."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    steps = np.array([report.step for report in reports])
    for name in ("total", *(field.name for field in fields(LossTerms))):
        values = np.array([getattr(report.terms, name) for report in reports])
        window = min(_WINDOW, len(values))
        smooth = np.convolve(values, np.ones(window) / window, mode="valid")
        axes.plot(steps[window - 1 :], smooth, label=name.replace("_", " "), linewidth=2.0 if name == "total" else 1.0)
    axes.set(xlabel="step", ylabel=f"loss (mean of {_WINDOW} steps)", yscale="log")
    axes.legend(fontsize="small")
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
