"""The body of the job that looks up what an image's file says of its voxels. No Qt, no layers."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from napari_spoco.data.images import read_voxel_size
from napari_spoco.data.units import in_micrometers

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_spoco._qt.jobs.worker import JobContext

logger = logging.getLogger(__name__)
SUFFIXES = (".tif", ".tiff")


def run_reading(_job: JobContext, path: Path) -> Generator[None, None, dict[str, float]]:
    """Return the size of a voxel in micrometers by the letter of an axis, as far as the file says it.

    A file that cannot be read, or has gone meanwhile, says nothing.
    """
    yield
    try:
        said = read_voxel_size(path)
    except (OSError, ValueError):
        logger.debug("No voxel size is known of %s", path, exc_info=True)
        return {}
    return {axis: size for axis, (length, unit) in said.items() for size in in_micrometers([length], [unit], 1) or ()}
