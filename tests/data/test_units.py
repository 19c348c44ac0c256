"""Names and lengths of units."""

from __future__ import annotations

import pytest

from napari_spoco.data.units import MICROMETERS, alike, canonical_unit, in_micrometers, in_unit, short_unit

METERS = {
    "angstrom": 1e-10,
    "nanometer": 1e-9,
    "micrometer": 1e-6,
    "millimeter": 1e-3,
    "centimeter": 1e-2,
    "meter": 1.0,
    "inch": 0.0254,
}


def test_lengths_are_those_of_the_international_system() -> None:
    assert MICROMETERS.keys() == METERS.keys()
    assert {name: 1e-6 * length for name, length in MICROMETERS.items()} == pytest.approx(METERS)


@pytest.mark.parametrize(
    ("unit", "name", "short"),
    [
        ("um", "micrometer", "um"),
        ("\u00b5m", "micrometer", "um"),
        ("\u03bcm", "micrometer", "um"),
        (" Microns ", "micrometer", "um"),
        ("nm", "nanometer", "nm"),
        ("\u212b", "angstrom", "angstrom"),
        ("metre", "meter", "meter"),
        ("inches", "inch", "in"),
        ("px", "pixel", "px"),
        ("furlong", None, "furlong"),
    ],
)
def test_names(unit: str, name: str | None, short: str) -> None:
    assert canonical_unit(unit) == name
    assert short_unit(unit) == short


@pytest.mark.parametrize(
    ("scale", "units", "expected"),
    [
        pytest.param((500, 0.1, 0.1), ("nm", "um", "\u00b5m"), ((0.5, 0.1, 0.1), ("micrometer",) * 3), id="nm and um"),
        pytest.param((1, 2), ("inch", "angstrom"), ((25_400, 2e-4), ("micrometer",) * 2), id="inch and angstrom"),
        pytest.param((500, 100), ("nm", "nanometer"), ((500, 100), ("nm", "nanometer")), id="one unit, two names"),
        pytest.param((1, 0.1), ("pixel", "um"), ((1, 0.1), ("pixel", "um")), id="pixels"),
        pytest.param((1, 0.1), ("furlong", "um"), ((1, 0.1), ("furlong", "um")), id="unknown"),
        pytest.param((2, 3), ("pixel", "pixel"), ((2, 3), ("pixel", "pixel")), id="pixels alone"),
    ],
)
def test_lengths_that_differ_come_to_micrometers(scale: tuple, units: tuple, expected: tuple) -> None:
    sizes, names = alike(scale, units)
    assert (sizes, names) == (pytest.approx(expected[0]), expected[1])


def test_one_unit_for_all() -> None:
    assert in_unit((1, 2), ("mm", "um"), "nanometer") == pytest.approx((1e6, 2e3))
    with pytest.raises(ValueError, match=r"^units: expected lengths .* got 'pixel' among \['micrometer', 'pixel'\]"):
        in_unit((1, 2), ("um", "pixel"), "um")


def test_all_units_that_files_give_are_lengths() -> None:
    assert in_micrometers((1, 1), ("inch", "cm"), 2) == (25_400, 1e4)
    assert in_micrometers((2, 1), ("Å", "m"), 2) == pytest.approx((2e-4, 1e6))
