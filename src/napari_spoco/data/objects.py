"""One row per object: sizes and places in physical units, intensities per channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import skimage.measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def object_columns(
    labels: NDArray[Any], scale: Sequence[float], unit: str, channels: NDArray[Any] | None
) -> dict[str, Sequence[Any]]:
    """Measure every object.

    Parameters
    ----------
    labels : ndarray
        Integers (Y, X) or (Z, Y, X); ids from 1 are objects, of any size.
    scale : sequence of float
        Distance of neighbouring pixels per axis, in `unit`.
    unit : str
        Unit of all axes.
    channels : ndarray or None
        (C, *spatial) intensities.

    Returns
    -------
    dict of str to sequence
        Columns by name, rows in ascending order of ids: label; n_pixels; in physical units size (area or
        volume), equivalent_diameter and the centroid per axis (the first pixel's centre is 0), with their unit;
        in pixels the bounding box per axis, start inside and stop behind; mean, least and greatest intensity of
        each channel.
    """
    ids, compact = np.unique(labels, return_inverse=True)
    n_not_objects = int(np.searchsorted(ids, 1))
    # regionprops needs memory for every id up to the greatest: number the objects from 1 without gaps
    compact = np.maximum(compact.reshape(labels.shape) - (n_not_objects - 1), 0)
    properties = ["num_pixels", "area", "equivalent_diameter_area", "centroid", "bbox"]
    intensities = ["intensity_mean", "intensity_min", "intensity_max"] if channels is not None else []
    table = skimage.measure.regionprops_table(
        compact,
        None if channels is None else np.moveaxis(channels, 0, -1),
        properties=properties + intensities,
        spacing=tuple(scale),
    )
    axes = "zyx"[-labels.ndim :]
    columns: dict[str, Sequence[Any]] = {
        "label": ids[n_not_objects:].tolist(),
        "n_pixels": table["num_pixels"].astype(int).tolist(),
        "size": table["area"].tolist(),
        "equivalent_diameter": table["equivalent_diameter_area"].tolist(),
    }
    for i, axis in enumerate(axes):
        columns[f"centroid_{axis}"] = table[f"centroid-{i}"].tolist()
    columns["unit"] = [unit] * len(columns["label"])
    for end, offset in (("start", 0), ("stop", labels.ndim)):
        for i, axis in enumerate(axes):
            columns[f"{end}_{axis}"] = table[f"bbox-{i + offset}"].tolist()
    for name in sorted(column for column in table if column.startswith("intensity")):
        columns[name.replace("-", "_")] = table[name].tolist()
    return columns
