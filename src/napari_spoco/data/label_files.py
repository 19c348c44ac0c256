"""Labels from whatever files they come in: TIFF, PNG, NumPy arrays, and OME-Zarr or plain zarr folders.

Images are TIFF throughout (`images`); labels of other programs are not.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from napari_spoco.data.images import read_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    import zarr
    from numpy.typing import NDArray

ZARR_SUFFIX = ".zarr"
ZARR_METADATA = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
"""Files in a zarr folder that stand for it, since a person can open them and no folder."""


def read_label_file(path: str | Path) -> NDArray[Any]:
    """Read instance ids; the format is known by the name.

    Parameters
    ----------
    path : str or Path
        TIFF (.tif, .tiff), PNG (.png; one channel of 8 or 16 bits, or a palette, whose indices are the ids), NumPy
        (.npy), or a zarr folder: labels as OME-Zarr, an OME-Zarr image with one set of labels inside, or an array. In
        place of a zarr folder, the file with its metadata will do. Of a pyramid the finest level is read, and of axes
        that are not in space the only place.

    Returns
    -------
    ndarray
        Integers (Y, X) or (Z, Y, X), in the file's type.

    Raises
    ------
    OSError
        The file does not exist or cannot be read.
    ValueError
        Another format, no integers, or other axes; the message begins with the name of the file.
    """
    path = Path(path)
    if path.name in ZARR_METADATA:
        path = path.parent
    if path.suffix.lower() in (".tif", ".tiff"):
        return read_labels(path)
    readers = {".png": _read_png, ".npy": _read_npy, ZARR_SUFFIX: _read_zarr}
    reader = _read_zarr if path.is_dir() else readers.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{path.name}: expected a file of labels: .tif, .tiff, .png, .npy or .zarr")
    array = reader(path)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{path.name}: expected integer labels, got {array.dtype}")
    if array.ndim not in (2, 3):
        raise ValueError(f"{path.name}: expected labels with axes (Y, X) or (Z, Y, X), got shape {array.shape}")
    return array


def _read_png(path: Path) -> NDArray[Any]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            array, kind = np.array(picture), picture.mode
    except UnidentifiedImageError as error:
        raise ValueError(f"{path.name}: expected a PNG file, got something else") from error
    if array.ndim != 2:
        raise ValueError(f"{path.name}: expected one number for each pixel, got colours ({kind})")
    return array


def _read_npy(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path.name}: expected a NumPy array of numbers ({error})") from error
    return array


def _read_zarr(path: Path) -> NDArray[Any]:
    import zarr

    try:
        node = zarr.open(path, mode="r")
        if isinstance(node, zarr.Group):
            return _read_group(node, path)
        return np.asarray(node[:])
    except (FileNotFoundError, KeyError) as error:
        raise ValueError(f"{path.name}: expected a zarr folder with labels, got none ({error})") from error


def _read_group(group: zarr.Group, path: Path) -> NDArray[Any]:
    """Read labels, or the only labels inside of an image or of its folder of labels."""
    metadata = _metadata(group)
    if "image-label" not in metadata:
        names = (
            metadata["labels"]
            if "labels" in metadata
            else _metadata(group["labels"]).get("labels", [])
            if "labels" in group
            else []
        )
        inside = "" if "labels" in metadata else "labels/"
        if len(names) > 1:
            listed = ", ".join(f"{path.name}/{inside}{name}" for name in names)
            raise ValueError(
                f"{path.name}: expected one set of labels, got {len(names)}: choose the folder of {listed}"
            )
        if names:
            return _read_group(cast("zarr.Group", group[f"{inside}{names[0]}"]), path)
    if "multiscales" not in metadata:
        raise ValueError(f"{path.name}: expected labels as OME-Zarr, got a folder without any")
    image = metadata["multiscales"][0]
    array = np.asarray(cast("zarr.Array[Any]", group[image["datasets"][0]["path"]])[...])
    return _in_space(array, image.get("axes", ()), path)


def _in_space(array: NDArray[Any], axes: Sequence[Any], path: Path) -> NDArray[Any]:
    """Leave out time and channels of length 1; version 0.3 has names of axes, later ones describe them."""
    names = [axis if isinstance(axis, str) else axis["name"] for axis in axes] or list("tczyx"[-array.ndim :])
    others = tuple(index for index, name in enumerate(names) if name not in ("z", "y", "x"))
    if any(array.shape[index] != 1 for index in others):
        raise ValueError(f"{path.name}: expected labels with axes z, y and x, got {names} of shape {array.shape}")
    return array.squeeze(others)


def _metadata(node: Any) -> dict[str, Any]:
    """Return the OME metadata of a group; zarr 3 has them in a place of their own."""
    attributes: dict[str, Any] = node.attrs.asdict()
    metadata: dict[str, Any] = attributes.get("ome", attributes)
    return metadata
