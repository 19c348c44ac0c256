"""Labels layers as files, for File > Save: what the plugin manifest's writers call. No window is needed.

napari's own writer keeps no scale, and there is none for labels as OME-Zarr. In the dialog the chosen type of the file
says who writes, and it suggests a name without an ending.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_spoco.data.ome_zarr import write_ome_zarr_labels
from napari_spoco.data.writers import write_labels

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENDINGS = (".tif", ".tiff", ".zarr")


def save_tiff(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Write the data of a Labels layer as TIFF, or as OME-TIFF where the name ends in .ome.tif.

    Parameters
    ----------
    path
        File to write or to replace. A name without an ending gets ".tif".
    data
        (Y, X) or (Z, Y, X) integers, or the levels of a multiscale layer, of which the finest is written.
    attributes
        Of the layer: "scale", "units" and "axis_labels" are kept, and "multiscale" is heeded. TIFF knows no place:
        "translate" is not kept.

    Returns
    -------
    list of str
        The written path.

    Raises
    ------
    ValueError, WriteError
        As `write_labels`.
    FileExistsError
        There is a file already that only the added ending meets: nobody was asked about that one.
    """
    path = _with_ending(path, ".tif")
    return [str(write_labels(path, _finest(data, attributes), **_geometry(attributes)))]


def save_ome_zarr(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Write the data of a Labels layer as OME-Zarr, "translate" included; all else as `save_tiff`."""
    path = _with_ending(path, ".zarr")
    translate = attributes.get("translate")
    options = _geometry(attributes)
    return [str(write_ome_zarr_labels(path, _finest(data, attributes), translate=translate, **options))]


def _with_ending(path: str, ending: str) -> str:
    """Add an ending, unless there is one of ours: a dot in the name of a layer is none."""
    if path.lower().endswith(_ENDINGS):
        return path
    complete = path + ending
    if Path(complete).exists():
        raise FileExistsError(f"{complete} exists already. To replace it, enter its name with the ending.")
    return complete


def _finest(data: Any, attributes: Mapping[str, Any]) -> Any:
    return data[0] if attributes.get("multiscale") else data


def _geometry(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the writers' arguments; axes that nobody has named are called "-2" and "-1" by napari."""
    names, units = attributes.get("axis_labels"), attributes.get("units")
    return {
        "scale": attributes.get("scale"),
        "units": "pixel" if units is None else tuple(map(str, units)),
        "axis_labels": None if names is None or any(name.startswith("-") for name in names) else names,
    }
