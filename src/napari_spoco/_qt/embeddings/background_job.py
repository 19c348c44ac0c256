"""The body of the job that tells an embedded image what is background: nothing has to be embedded anew. No Qt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_spoco._qt.embeddings.embedding_job import EmbeddedImage
    from napari_spoco._qt.jobs.worker import JobContext


def run_background_change(
    _job: JobContext, image: EmbeddedImage, pixel: tuple[int, ...] | None
) -> Generator[None, None, tuple[EmbeddedImage, tuple[int, ...] | None]]:
    """Take note that a pixel (Z)YX of the user's grid was clicked as background, or taken back; return both.

    A read-out that is under way is waited for.
    """
    yield
    own = pixel if image.part is None else image.part.own_pixel(pixel)
    context = replace(image.context, background_pixel=None if own is None else image.resampling.model_pixel(own))
    image.reclustering.set_context(context)
    return replace(image, context=context), pixel
