"""Units of length: their names, and how long they are.

This module alone knows them. Files and layers may give every axis a unit of its own; everything behind the readers
takes the sizes of a pixel along the axes for comparable, which `alike` makes them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Unit(NamedTuple):
    micrometers: float
    short: str
    aliases: tuple[str, ...]


_UNITS = {
    "angstrom": _Unit(1e-4, "angstrom", ("\u00e5", "\u212b")),
    "nanometer": _Unit(1e-3, "nm", ("nm", "nanometre", "nanometers")),
    "micrometer": _Unit(
        1.0, "um", ("micron", "microns", "um", "\u00b5m", "\u03bcm", "\\u00b5m", "micrometre", "micrometers")
    ),
    "millimeter": _Unit(1e3, "mm", ("mm", "millimetre", "millimeters")),
    "centimeter": _Unit(1e4, "cm", ("cm", "centimetre", "centimeters")),
    "meter": _Unit(1e6, "meter", ("m", "metre", "meters")),
    "inch": _Unit(25_400.0, "in", ("in", "inches")),
}
MICROMETERS = {name: unit.micrometers for name, unit in _UNITS.items()}
"""Length of each unit, by its full singular name."""
_PIXEL_NAMES = ("pixel", "pixels", "px")
_NO_LENGTHS = ("pixel", "dimensionless", "")
_CANONICAL = {alias: name for name, unit in _UNITS.items() for alias in (name, *unit.aliases)}
_CANONICAL |= dict.fromkeys(_PIXEL_NAMES, "pixel")


def canonical_unit(unit: str) -> str | None:
    """Return the full singular name of a unit of length or of "pixel", as napari's layers take it; None for others."""
    return _CANONICAL.get(unit.strip().lower())


def short_unit(unit: str) -> str:
    """Return the abbreviation of a unit in ASCII, "um"; what is no length stays as it is."""
    name = canonical_unit(unit) or unit
    return "px" if name == "pixel" else _UNITS[name].short if name in _UNITS else name


def in_unit(scale: Sequence[float], units: Sequence[str], wanted: str) -> tuple[float, ...]:
    """Return the sizes of a pixel, each in the unit of its axis, in one unit.

    Raises
    ------
    ValueError
        A unit that is no length.
    """
    names = [canonical_unit(unit) or unit for unit in (*units, wanted)]
    if unknown := [name for name in names if name not in MICROMETERS]:
        raise ValueError(
            f"units: expected lengths or the same unit for all axes, got {unknown[0]!r} among {names[:-1]}"
        )
    target = MICROMETERS[names[-1]]
    return tuple(size * (MICROMETERS[name] / target) for size, name in zip(scale, names[:-1], strict=True))


def alike(scale: Sequence[float], units: Sequence[str]) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Return the sizes of a pixel and their units, in micrometers where axes have different units of length.

    Where an axis is in pixels, or in what is no length, sizes cannot be compared, and stay as they are.
    """
    names = {canonical_unit(unit) or unit for unit in units}
    if len(names) <= 1 or not names <= MICROMETERS.keys():
        return tuple(scale), tuple(units)
    return in_unit(scale, units, "micrometer"), ("micrometer",) * len(units)


def in_micrometers(
    scale: Sequence[float] | None, units: Sequence[str] | None, ndim: int, *, name: str = "scale, units"
) -> tuple[float, ...] | None:
    """Convert a voxel size; None where it is not known, that is where an axis is in pixels.

    Raises
    ------
    ValueError
        A unit that is no length, a size that is not positive, or not one of each per axis.
    """
    if scale is None or units is None:
        return None
    names = [canonical_unit(unit) or unit for unit in units]
    if any(unit in _NO_LENGTHS for unit in names):
        return None
    if len(scale) != ndim or len(names) != ndim or not all(0 < size < math.inf for size in scale):
        raise ValueError(f"{name}: expected {ndim} positive numbers and {ndim} units, got {tuple(scale)}, {names}")
    unknown = [unit for unit in names if unit not in MICROMETERS]
    if unknown:
        raise ValueError(f"{name}: expected units of length ({', '.join(MICROMETERS)}) or pixel, got {unknown[0]!r}")
    return tuple(float(size) * MICROMETERS[unit] for size, unit in zip(scale, names, strict=True))
