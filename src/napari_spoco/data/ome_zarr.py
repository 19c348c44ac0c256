"""Labels as OME-Zarr: a group of their own, or inside of the image that they belong to.

The metadata are yaozarrs' models, which check them against the specification; the pixels are written by zarr. A group
appears under its name complete or not at all.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from napari_spoco.data.label_arrays import as_labels, as_scale, per_axis, smallest_type
from napari_spoco.data.units import canonical_unit
from napari_spoco.data.writers import WriteError, atomic_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

    import zarr
    from numpy.typing import ArrayLike, NDArray

_CHUNKS = {2: (1024, 1024), 3: (32, 256, 256)}
_LARGEST_TOP = 256
"""The pyramid ends at a level whose axes have at most so many pixels."""


class _Level(NamedTuple):
    """Pixels, their distance and the place of the first one's centre, per axis."""

    shape: tuple[int, ...]
    scale: tuple[float, ...]
    translate: tuple[float, ...]


class _Grid(NamedTuple):
    """Names and units (None for none) per axis, and the levels from fine to coarse."""

    names: tuple[str, ...]
    units: tuple[str | None, ...]
    levels: tuple[_Level, ...]


def write_ome_zarr_labels(
    path: str | Path,
    labels: ArrayLike,
    *,
    scale: Sequence[float] | None = None,
    units: str | Sequence[str] = "pixel",
    axis_labels: Sequence[str] | None = None,
    translate: Sequence[float] | None = None,
) -> Path:
    """Write instance ids as an OME-Zarr (0.5) label image with a pyramid of resolutions.

    Coarser levels hold every second pixel of the one before, along the axes that are not yet coarser than the others,
    so ids are never mixed.

    Parameters
    ----------
    path : str or Path
        Folder to write, ending in .zarr, or labels that `write_ome_zarr_labels` or another program wrote there, which
        are replaced.
    labels : array-like
        Integers (Y, X) or (Z, Y, X); written in the smallest type from 16 bits on that holds all ids.
    scale : sequence of float, optional
        Distance of neighbouring pixels per axis, in `units`; 1 by default.
    units : str or sequence of str
        Unit of all axes or of each, such as "micrometer". Words that are no lengths, "pixel" too, are left out.
    axis_labels : sequence of str, optional
        Names of the axes; ("z", "y", "x") by default.
    translate : sequence of float, optional
        Place of the first pixel's centre, in `units`; 0 by default.

    Returns
    -------
    Path
        The written folder.

    Raises
    ------
    ValueError
        Not integers, other axes, empty, or a geometry that does not fit.
    WriteError
        The folder cannot be written, or holds something else than labels; nothing is left behind.
    """
    path = Path(path)
    if path.suffix.lower() != ".zarr":
        raise ValueError(f"path: expected a folder ending in .zarr, got {path.name!r}")
    array = as_labels(labels)
    places = (0.0,) * array.ndim if translate is None else tuple(map(float, translate))
    if len(places) != array.ndim or not np.isfinite(places).all():
        raise ValueError(f"translate: expected {array.ndim} numbers, got {places}")
    grid = _Grid(
        per_axis(axis_labels or "zyx"[-array.ndim :], array.ndim, "axis_labels"),
        tuple(map(_length_unit, per_axis(units, array.ndim, "units"))),
        tuple(_pyramid(_Level(array.shape, as_scale(scale, array.ndim), places))),
    )
    with atomic_folder(path, may_replace=_holds_labels) as temporary:
        _fill_group(temporary, array, grid, name=path.name.split(".")[0], zarr_format=3, source=None)
    return path


def add_ome_zarr_labels(image: str | Path, name: str, labels: ArrayLike) -> Path:
    """Write instance ids into an OME-Zarr image, as `labels/NAME`, on the grid of the image and with its levels.

    Parameters
    ----------
    image : str or Path
        An OME-Zarr image of version 0.5 or 0.4; axes, units and distances are taken from it.
    name : str
        Name of the labels. Labels of that name are replaced.
    labels : array-like
        Integers (Y, X) or (Z, Y, X), of the shape of the image without time and channels.

    Returns
    -------
    Path
        The written folder.

    Raises
    ------
    ValueError
        Not integers, another shape than the image's, `image` is no OME-Zarr image, or a name with a slash or none.
    WriteError
        The folder cannot be written, or holds something else than labels; nothing is left behind.
    """
    array = as_labels(labels)
    if not name or name.startswith(".") or "/" in name or "\\" in name:
        raise ValueError(f"name: expected a name without slashes that begins with no dot, got {name!r}")
    grid, zarr_format = _read_image_grid(Path(image))
    if array.shape != grid.levels[0].shape:
        raise ValueError(f"labels: expected the shape of the image {grid.levels[0].shape}, got {array.shape}")
    path = Path(image) / "labels" / name
    with _labels_group(path.parent, zarr_format) as group:
        with atomic_folder(path, may_replace=_holds_labels) as temporary:
            _fill_group(temporary, array, grid, name=name, zarr_format=zarr_format, source="../../")
        listed = _metadata(group).get("labels", [])
        if name not in listed:
            model = _models(zarr_format).LabelsGroup(labels=[*listed, name])
            _put_metadata(group, model.model_dump(mode="json", exclude_none=True))
    return path


def _fill_group(
    folder: Path, labels: NDArray[Any], grid: _Grid, *, name: str, zarr_format: Literal[2, 3], source: str | None
) -> None:
    """Write the levels and their metadata into an empty folder."""
    import zarr

    group = zarr.open_group(folder, mode="w", zarr_format=zarr_format)
    models = _models(zarr_format)
    labels = labels.astype(smallest_type(labels), copy=False)
    datasets = []
    for index, level in enumerate(grid.levels):
        group.create_array(
            str(index),
            data=_sample(labels, level, grid.levels[0]),
            chunks=tuple(min(n, most) for n, most in zip(level.shape, _CHUNKS[labels.ndim], strict=True)),
            dimension_names=grid.names if zarr_format == 3 else None,
            chunk_key_encoding={"name": "default" if zarr_format == 3 else "v2", "separator": "/"},
        )
        transforms = [models.ScaleTransformation(scale=list(level.scale))]
        if any(level.translate):
            transforms.append(models.TranslationTransformation(translation=list(level.translate)))
        datasets.append(models.Dataset(path=str(index), coordinateTransformations=transforms))
    image = models.LabelImage(
        multiscales=[models.Multiscale(name=name, axes=_axes(grid, models), datasets=datasets, type="nearest")],
        image_label=models.ImageLabel(source=models.LabelSource(image=source) if source else None),
    )
    _put_metadata(group, image.model_dump(mode="json", exclude_none=True))


def _sample(labels: NDArray[Any], level: _Level, finest: _Level) -> NDArray[Any]:
    """Return the labels of the finest level that are nearest to the pixels of another one."""
    indices = []
    for axis, n in enumerate(level.shape):
        places = level.translate[axis] + level.scale[axis] * np.arange(n)
        nearest = np.rint((places - finest.translate[axis]) / finest.scale[axis]).astype(np.intp)
        indices.append(nearest.clip(0, labels.shape[axis] - 1))
    return labels[np.ix_(*indices)]


def _pyramid(level: _Level) -> Iterator[_Level]:
    """Yield levels from fine to coarse, each of every second pixel of the one before."""
    yield level
    while max(level.shape) > _LARGEST_TOP:
        finest = min(size for size, n in zip(level.scale, level.shape, strict=True) if n > 1)
        steps = [2 if size < 2 * finest else 1 for size in level.scale]
        shape = tuple(-(-n // step) for n, step in zip(level.shape, steps, strict=True))
        level = _Level(shape, tuple(a * b for a, b in zip(level.scale, steps, strict=True)), level.translate)
        yield level


def _axes(grid: _Grid, models: ModuleType) -> list[Any]:
    return [
        models.SpaceAxis(name=name) if unit is None else models.SpaceAxis(name=name, unit=unit)
        for name, unit in zip(grid.names, grid.units, strict=True)
    ]


def _length_unit(unit: str) -> str | None:
    """Return the name that the specification asks for; None for what is no length."""
    name = canonical_unit(unit)
    return None if name == "pixel" else name


def _read_image_grid(path: Path) -> tuple[_Grid, Literal[2, 3]]:
    """Return the spatial axes and the levels of an OME-Zarr image, and its zarr format."""
    import zarr
    from pydantic import ValidationError

    try:
        group = zarr.open_group(path, mode="r")
        zarr_format = group.metadata.zarr_format
        multiscale = _models(zarr_format).Image.model_validate(_metadata(group)).multiscales[0]
        arrays = [zarr.open_array(path / dataset.path, mode="r") for dataset in multiscale.datasets]
    except (FileNotFoundError, ValidationError) as error:
        problem = str(error).partition("\n")[0]
        raise ValueError(f"image: expected an OME-Zarr image of version 0.5 or 0.4, got {path} ({problem})") from error
    spatial = [i for i, axis in enumerate(multiscale.axes) if axis.type == "space"]
    levels = []
    for array, dataset in zip(arrays, multiscale.datasets, strict=True):
        scale, translate = np.ones(multiscale.ndim), np.zeros(multiscale.ndim)
        for transform in (*dataset.coordinateTransformations, *(multiscale.coordinateTransformations or ())):
            if transform.type == "scale":
                scale, translate = scale * transform.scale, translate * transform.scale
            else:
                translate = translate + transform.translation
        shape = tuple(array.shape[i] for i in spatial)
        levels.append(_Level(shape, tuple(scale[spatial].tolist()), tuple(translate[spatial].tolist())))
    axes = [multiscale.axes[i] for i in spatial]
    return _Grid(tuple(axis.name for axis in axes), tuple(axis.unit for axis in axes), tuple(levels)), zarr_format


def _models(zarr_format: Literal[2, 3]) -> ModuleType:
    """Return the metadata models of the version that goes with a zarr format."""
    from yaozarrs import v04, v05

    return v05 if zarr_format == 3 else v04


def _metadata(group: zarr.Group) -> dict[str, Any]:
    """Return the OME metadata; empty if there are none."""
    attributes: dict[str, Any] = group.attrs.asdict()
    return attributes.get("ome", {}) if group.metadata.zarr_format == 3 else attributes


def _put_metadata(group: zarr.Group, metadata: dict[str, Any]) -> None:
    group.attrs.update({"ome": metadata} if group.metadata.zarr_format == 3 else metadata)


@contextmanager
def _labels_group(path: Path, zarr_format: Literal[2, 3]) -> Iterator[zarr.Group]:
    """Yield the group that lists the labels of an image; a new one goes away if the block fails."""
    import zarr

    is_new = not path.exists()
    try:
        yield zarr.open_group(path, mode="a", zarr_format=zarr_format)
    except BaseException as error:
        if is_new:
            shutil.rmtree(path, ignore_errors=True)
        if isinstance(error, OSError) and not isinstance(error, WriteError):
            raise WriteError(f"cannot write {path}: {error.strerror or error}") from error
        raise


def _holds_labels(path: Path) -> bool:
    import zarr

    try:
        return "image-label" in _metadata(zarr.open_group(path, mode="r"))
    except (OSError, ValueError):
        return False
