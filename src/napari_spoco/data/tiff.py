"""How TIFF files of microscopes and of ImageJ store axes, pixel sizes and units.

This module alone knows the flavours. It does not know which array is a valid image.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_spoco.data.units import canonical_unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TiffSeries:
    """The first series of a file.

    Attributes
    ----------
    array : ndarray
        Pixels, without alpha and without axes of length 1 other than Y and X (and Z where the file insists).
    axes : str
        A letter per axis, as tifffile names them: Y, X, Z, C, T, S (samples), Q and I (not named).
    scale : dict
        Distance of neighbouring pixels per axis letter, where the file gives it.
    units : dict
        Unit per axis letter, where the file gives it.
    """

    array: NDArray[Any]
    axes: str
    scale: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)


def read_series(path: Path) -> TiffSeries:
    """Read the first series of a TIFF, ImageJ TIFF or OME-TIFF.

    Inches are print resolutions and are taken as a scale only in files of ImageJ.

    Raises
    ------
    OSError
        The file does not exist or cannot be read.
    ValueError
        The file is no TIFF, or broken.
    """
    with open_tiff(path) as tif:
        series = tif.series[0]
        array, axes = series.asarray(), series.axes
        if "S" in axes and _has_alpha(tif.pages.first):
            array = np.delete(array, -1, axis=axes.index("S"))
        scale, units = _read_geometry(tif)
        kept = "ZYX" if tif.is_shaped else "YX"
    dropped = tuple(i for i, axis in enumerate(axes) if axis not in kept and array.shape[i] == 1)
    axes = "".join(axis for i, axis in enumerate(axes) if i not in dropped)
    array = array.squeeze(dropped)
    return TiffSeries(array.astype(array.dtype.newbyteorder("="), copy=False), axes, _positive(scale), units)


def read_geometry(path: Path) -> tuple[dict[str, float], dict[str, str]]:
    """Return scale and units of the first series, as `TiffSeries` holds them, without its pixels; raises as above."""
    with open_tiff(path) as tif:
        scale, units = _read_geometry(tif)
        return _positive(scale), units


@contextmanager
def open_tiff(path: Path) -> Iterator[tifffile.TiffFile]:
    """Open a file, and make one error of all that may be wrong with its content while it is read."""
    try:
        with tifffile.TiffFile(path) as tif:
            yield tif
    except (OSError, MemoryError):
        raise
    except Exception as error:  # tifffile raises what its decoders raise, from zlib.error to IndexError
        raise ValueError(f"{path.name}: expected a readable TIFF file ({error})") from error


def _has_alpha(page: Any) -> bool:
    alpha = (tifffile.EXTRASAMPLE.ASSOCALPHA, tifffile.EXTRASAMPLE.UNASSALPHA)
    return any(sample in alpha for sample in page.extrasamples)


def _read_geometry(tif: tifffile.TiffFile) -> tuple[dict[str, Any], dict[str, str]]:
    """Return scale and unit per axis letter; nothing where the file is silent or its unit is not known."""
    if tif.ome_metadata:
        return _ome_geometry(tif.ome_metadata)
    if tif.is_imagej and tif.imagej_metadata is not None:
        unit = canonical_unit(str(tif.imagej_metadata.get("unit", "pixel")))
        scale = _resolution(tif) | {"Z": tif.imagej_metadata.get("spacing", 1.0)}
        return scale, dict.fromkeys("ZYX", unit or "pixel")
    if tif.is_shaped and tif.shaped_metadata and {"scale", "units"} <= set(tif.shaped_metadata[0]):
        metadata = tif.shaped_metadata[0]  # written by writers.write_labels
        axes = metadata.get("axes", "")
        return dict(zip(axes, metadata["scale"], strict=True)), dict(zip(axes, metadata["units"], strict=True))
    unit_tag = tif.pages.first.tags.get("ResolutionUnit")
    if unit_tag is not None and unit_tag.value == tifffile.RESUNIT.CENTIMETER:
        scale = {axis: 1e4 * size for axis, size in _resolution(tif).items()}
        return scale, dict.fromkeys(scale, "micrometer")
    return {}, {}


def _resolution(tif: tifffile.TiffFile) -> dict[str, float]:
    """Return the size of a pixel along X and Y in the file's unit of resolution."""
    sizes = {}
    for axis in "XY":
        tag = tif.pages.first.tags.get(f"{axis}Resolution")
        if tag is not None and tag.value[0]:
            sizes[axis] = tag.value[1] / tag.value[0]
    return sizes


def _ome_geometry(xml: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return PhysicalSizeX, Y and Z of the first image and their units (micrometers by default)."""
    pixels = next((node for node in ElementTree.fromstring(xml).iter() if node.tag.endswith("}Pixels")), None)
    if pixels is None:
        return {}, {}
    scale = {axis: pixels.get(f"PhysicalSize{axis}") for axis in "ZYX" if pixels.get(f"PhysicalSize{axis}")}
    units = {axis: canonical_unit(pixels.get(f"PhysicalSize{axis}Unit", "micrometer")) or "pixel" for axis in scale}
    return scale, units


def _positive(scale: Mapping[str, Any]) -> dict[str, float]:
    return {axis: float(size) for axis, size in scale.items() if 0 < float(size) < math.inf}
