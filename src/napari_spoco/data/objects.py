"""One row per object: sizes and places in physical units, intensities per channel, and how sure one may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import skimage.measure

from napari_spoco.data.units import canonical_unit, in_unit, short_unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_POWERS = {"area": "2", "volume": "3", "equivalent_diameter": "", "major_axis": "", "minor_axis": ""}
"""Of the unit, by the column that is measured in it."""


def object_columns(
    labels: NDArray[Any],
    scale: Sequence[float],
    units: Sequence[str],
    channels: NDArray[Any] | None = None,
    scores: Mapping[int, float] | None = None,
) -> dict[str, Sequence[Any]]:
    """Measure every object with scikit-image's `regionprops_table`.

    Parameters
    ----------
    labels : ndarray
        Integers (Y, X) or (Z, Y, X); ids from 1 are objects, of any size.
    scale : sequence of float
        Distance of neighbouring pixels per axis, in the unit of the axis.
    units : sequence of str
        Unit per axis. Where they differ, all is given in the last one.
    channels : ndarray, optional
        (C, *spatial) intensities.
    scores : mapping of int to float, optional
        A score per id; ids that have none get an empty cell.

    Returns
    -------
    dict of str to sequence
        Columns by name, rows in ascending order of ids: label; n_pixels; in physical units area (2D) or volume (3D),
        equivalent_diameter of the disk or ball of this size, major_axis and minor_axis of the ellipse or ellipsoid of
        the same second moments (0 for what has no extent) and the centroid per axis (the first pixel's centre is 0);
        their unit; in pixels the bounding box per axis, start inside and stop behind; touches_border, whether that
        reaches the border of the image, other than along an axis of one pixel; mean, least and greatest intensity of
        each channel; score.

    Raises
    ------
    ValueError
        Units that differ and are no lengths.
    """
    sizes, unit = _common_unit(scale, units)
    # Plane by plane: the inverse of np.unique sorts all pixels, and keeps every other thread waiting for seconds.
    ids = np.unique(np.concatenate([np.unique(plane) for plane in labels]))
    n_not_objects = int(np.searchsorted(ids, 1))
    # regionprops needs memory for every id up to the greatest: number the objects from 1 without gaps
    compact = np.empty(labels.shape, np.int32)
    for plane, numbered in zip(labels, compact, strict=True):
        numbered[...] = np.maximum(np.searchsorted(ids, plane) - (n_not_objects - 1), 0)
    properties = ["num_pixels", "area", "equivalent_diameter_area", "axis_major_length", "axis_minor_length"]
    intensities = ["intensity_mean", "intensity_min", "intensity_max"] if channels is not None else []
    table = skimage.measure.regionprops_table(
        compact,
        None if channels is None else np.moveaxis(channels, 0, -1),
        properties=[*properties, "centroid", "bbox", *intensities],
        spacing=sizes,
    )
    axes = "zyx"[-labels.ndim :]
    columns: dict[str, Sequence[Any]] = {
        "label": ids[n_not_objects:].tolist(),
        "n_pixels": table["num_pixels"].astype(int).tolist(),
        "area" if labels.ndim == 2 else "volume": table["area"].tolist(),
        "equivalent_diameter": table["equivalent_diameter_area"].tolist(),
        "major_axis": table["axis_major_length"].tolist(),
        "minor_axis": table["axis_minor_length"].tolist(),
    }
    for i, axis in enumerate(axes):
        columns[f"centroid_{axis}"] = table[f"centroid-{i}"].tolist()
    columns["unit"] = [unit] * len(columns["label"])
    for end, offset in (("start", 0), ("stop", labels.ndim)):
        for i, axis in enumerate(axes):
            columns[f"{end}_{axis}"] = table[f"bbox-{i + offset}"].tolist()
    columns["touches_border"] = _touching(table, labels.shape)
    for name in sorted(column for column in table if column.startswith("intensity")):
        columns[name.replace("-", "_")] = table[name].tolist()
    if scores is not None:
        columns["score"] = [scores.get(instance_id, "") for instance_id in columns["label"]]
    return columns


def name_units(columns: Mapping[str, Sequence[Any]], unit: str) -> dict[str, Sequence[Any]]:
    """Return the columns of `object_columns` with their unit in their names: "volume_um3", "centroid_z_um".

    Parameters
    ----------
    columns
        Of any number of objects.
    unit
        That of the last axis, in which all is measured.
    """
    short = short_unit(unit)
    powers = _POWERS | {f"centroid_{axis}": "" for axis in "zyx"}
    named = {f"{name}_{short}{powers[name]}" if name in powers else name: cells for name, cells in columns.items()}
    del named["unit"]
    return named


def _touching(table: Mapping[str, NDArray[Any]], shape: Sequence[int]) -> list[bool]:
    """Say of each object whether its bounding box ends at a border of the image."""
    touches = np.zeros(len(table["bbox-0"]), dtype=bool)
    for axis, length in enumerate(shape):
        if length > 1:
            touches |= (table[f"bbox-{axis}"] == 0) | (table[f"bbox-{axis + len(shape)}"] == length)
    return touches.tolist()


def _common_unit(scale: Sequence[float], units: Sequence[str]) -> tuple[tuple[float, ...], str]:
    """Return the sizes of a pixel in the unit of the last axis, and this unit."""
    names = [canonical_unit(unit) or unit for unit in units]
    if len(set(names)) == 1:
        return tuple(scale), names[-1]
    return in_unit(scale, units, names[-1]), names[-1]
