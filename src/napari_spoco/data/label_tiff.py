"""Labels in the flavours of TIFF: which of them keeps which ids and which geometry.

ImageJ's knows 16 bits and one unit. OME's knows 32 bits and a unit per axis. What the first cannot hold is a plain TIFF
with its geometry as JSON in the description, which `tiff.read_series` reads back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_IMAGEJ_UNITS = {"micrometer": "micron", "nanometer": "nm", "millimeter": "mm", "pixel": "pixel"}
_IMAGEJ_MAX_BYTES = 2**32 - 2**20
_OME_UNITS = {
    "micrometer": "\u00b5m",
    "nanometer": "nm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "angstrom": "\u00c5",
    "inch": "in",
    "pixel": "pixel",
}
_OME_MAX_ID = 2**32 - 1
# The resolution tag is a ratio of two 32-bit integers; within these sizes it is exact to nine digits.
_RATIONAL_SIZES = (1e-4, 1e4)


def save_plain(
    path: Path, labels: NDArray[Any], scale: Sequence[float], units: Sequence[str], axis_labels: Sequence[str]
) -> None:
    """Write ImageJ's flavour where it keeps ids and geometry, else compressed with the geometry as JSON.

    Parameters
    ----------
    path
        File to write.
    labels
        (Y, X) or (Z, Y, X) of the type to be written.
    scale, units, axis_labels
        Per axis; units as `units.canonical_unit` names them, or any other word.
    """
    options: dict[str, Any]
    if _fits_imagej(labels, scale, units):
        metadata: dict[str, Any] = {"axes": _axes(labels), "unit": _IMAGEJ_UNITS[units[0]]}
        if labels.ndim == 3:
            metadata["spacing"] = scale[0]
        options = {"imagej": True, **_resolution(scale)}
    else:
        metadata = {"axes": _axes(labels), "scale": scale, "units": units, "axis_labels": axis_labels}
        options = {"photometric": "minisblack", "compression": "zlib"}
        options |= _resolution(scale) if _is_rational(scale) else {}
    tifffile.imwrite(path, labels, metadata=metadata, **options)


def save_ome(path: Path, labels: NDArray[Any], scale: Sequence[float], units: Sequence[str]) -> None:
    """Write OME's flavour, compressed; parameters as `save_plain`.

    Raises
    ------
    ValueError
        An id or a unit that OME-TIFF does not know.
    """
    if labels.dtype.itemsize > 4:
        raise ValueError(f"labels: expected ids up to {_OME_MAX_ID} for OME-TIFF, got {labels.max()}; write a .tif")
    if unknown := [unit for unit in units if unit not in _OME_UNITS]:
        raise ValueError(f"units: expected one of {', '.join(_OME_UNITS)} for OME-TIFF, got {unknown[0]!r}")
    metadata: dict[str, Any] = {"axes": _axes(labels)}
    for axis, size, unit in zip(_axes(labels), scale, units, strict=True):
        metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": _OME_UNITS[unit]}
    tifffile.imwrite(path, labels, ome=True, photometric="minisblack", compression="zlib", metadata=metadata)


def _axes(labels: NDArray[Any]) -> str:
    return "ZYX"[-labels.ndim :]


def _fits_imagej(labels: NDArray[Any], scale: Sequence[float], units: Sequence[str]) -> bool:
    """Tell whether ImageJ's TIFF keeps these labels and this geometry.

    It knows 16 bits and one unit, drops the Z axis of one plane, and tifffile mistakes stacks of one column.
    """
    is_small = labels.dtype == np.uint16 and labels.nbytes < _IMAGEJ_MAX_BYTES
    keeps_axes = labels.ndim == 2 or (labels.shape[0] > 1 and labels.shape[-1] > 1)
    return is_small and keeps_axes and len(set(units)) == 1 and units[0] in _IMAGEJ_UNITS and _is_rational(scale)


def _is_rational(scale: Sequence[float]) -> bool:
    return all(_RATIONAL_SIZES[0] <= size <= _RATIONAL_SIZES[1] for size in scale)


def _resolution(scale: Sequence[float]) -> dict[str, Any]:
    """Return tifffile's arguments for the pixels per unit along X and Y."""
    return {"resolution": (1 / scale[-1], 1 / scale[-2]), "resolutionunit": tifffile.RESUNIT.NONE}
