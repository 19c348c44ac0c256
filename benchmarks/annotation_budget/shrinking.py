"""Larger pixels to learn from; objects are returned, and scored, on the image's own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from benchmarks.annotation_budget.contestants import Fitted, Readout, Setting

from napari_spoco.data.annotations import SparseAnnotations

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.annotation_budget.contestants import Task
    from numpy.typing import NDArray


def fit_shrunk(task: Task, factor: int, fit: Callable[[Task], Fitted]) -> Fitted:
    """Let a contestant learn from pixels that are larger by a whole number, along every axis."""
    if factor == 1:
        return fit(task)
    fitted = fit(
        replace(
            task,
            images=[shrink_image(image, factor) for image in task.images],
            annotations=[shrink_annotations(a, factor) for a in task.annotations],
        )
    )
    return Fitted(
        fitted.predictions,
        lambda image: fitted.predict(shrink_image(image, factor)),
        {name: _on_own_pixels(readout, factor) for name, readout in fitted.readouts.items()},
        fitted.n_steps,
    )


def shrink_image(image: NDArray[Any], factor: int) -> NDArray[np.float32]:
    """Average over blocks of pixels."""
    from skimage.transform import downscale_local_mean

    return downscale_local_mean(image, (factor,) * image.ndim).astype(np.float32)


def shrink_annotations(annotations: SparseAnnotations, factor: int) -> SparseAnnotations:
    """Take the pixel in the middle of every block."""
    every = (slice(factor // 2, None, factor),) * annotations.labels.ndim
    return SparseAnnotations(annotations.labels[every])


def _on_own_pixels(readout: Readout, factor: int) -> Readout:
    """Let settings return labels of the image's own pixels."""

    def grown(setting: Setting) -> Setting:
        def segment(image: NDArray[Any], prediction: Any) -> NDArray[Any]:
            labels = setting.segment(image, prediction)
            blocks = np.kron(labels, np.ones((factor,) * labels.ndim, dtype=labels.dtype))
            return blocks[tuple(slice(n) for n in image.shape)]

        return Setting(setting.name, segment)

    return readout._replace(settings=[grown(setting) for setting in readout.settings])
