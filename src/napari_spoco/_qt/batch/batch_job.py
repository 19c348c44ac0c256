"""The body of the job that segments many images, and what it says of each. No Qt; torch in the thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from napari_spoco._qt.jobs.worker import JobContext
    from napari_spoco.batch.batch import ImageDone, ImageStarted
    from napari_spoco.config import BatchConfig


@dataclass(frozen=True)
class BatchPlanned:
    """Which images there are, in order."""

    images: tuple[Path, ...]


@dataclass(frozen=True)
class TileDone:
    """How far the prediction of the image at hand is."""

    n_done: int
    n_tiles: int


def run(
    job: JobContext, config: BatchConfig
) -> Generator[BatchPlanned | TileDone | ImageStarted | ImageDone, None, tuple[ImageDone, ...]]:
    """Look for the images and segment them; errors as `batch.run_batch`.

    A cancelled job ends after the current tile, or, where the objects of an image are being looked for already, after
    that image.
    """
    from napari_spoco.batch.batch import plan_batch, run_batch

    yield BatchPlanned(tuple(item.image for item in plan_batch(config)))

    def show_tile(n_done: int, n_tiles: int) -> None:
        job.report(TileDone(n_done, n_tiles))

    return (yield from run_batch(config, stop=job.is_cancelled, on_tile=show_tile))
