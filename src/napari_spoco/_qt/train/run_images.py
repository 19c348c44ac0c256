"""Which images a training is made on: what the user wishes, and what a run was made on.

The latter is `images.json` in the folder of the run, so that it can be resumed with the same ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_spoco._qt.notices import short_size
from napari_spoco.config import Parameters
from napari_spoco.data.writers import atomic_path
from napari_spoco.training.scale import is_other_size

if TYPE_CHECKING:
    from collections.abc import Sequence

_FILE = "images.json"


class ImageWish(Parameters):
    """Whether all annotated images are to be trained on, but for some, by the names of their layers; or one alone."""

    wants_all: bool = False
    left_out: tuple[str, ...] = ()


class RunImage(NamedTuple):
    """What an image is known by: its layer's name, the layer's own id as long as it lives, its shape (*spatial).

    `voxel_size` is in micrometers; None where it is not known, or the run was kept before it was noted.
    """

    name: str
    identity: str
    shape: tuple[int, ...]
    voxel_size: tuple[float, ...] | None = None


def write_run_images(folder: str | Path, images: Sequence[RunImage]) -> None:
    """Keep the images of a training, in its order; raises OSError where the folder cannot be written."""
    with atomic_path(Path(folder) / _FILE) as temporary:
        temporary.write_text(json.dumps([image._asdict() for image in images]), encoding="utf-8")


def check_resumed(wanted: Sequence[RunImage], chosen: Sequence[RunImage]) -> None:
    """Make sure that a training can go on with the chosen images, in its order.

    Raises
    ------
    ValueError
        The shape of the one image differs, or the voxel size of any; the sentence names both. A layer that was renamed
        may go on.
    """
    if len(wanted) != len(chosen):
        return
    if len(wanted) == 1 and wanted[0].shape != chosen[0].shape:
        (run,), (image,) = wanted, chosen
        raise ValueError(
            f"This training is of “{run.name}” ({_size(run)} pixels), and the image on show is “{image.name}” "
            f"({_size(image)}): choose “{run.name}” under Annotate, or start from something else."
        )
    for run, image in zip(wanted, chosen, strict=True):
        if run.voxel_size and image.voxel_size and is_other_size(run.voxel_size, image.voxel_size):
            raise ValueError(
                f"This training is of “{run.name}” at a voxel size of {short_size(run.voxel_size)}, and that of "
                f"“{image.name}” is {short_size(image.voxel_size)} now: set it as it was under Annotate, or start from "
                "something else."
            )


def _size(image: RunImage) -> str:
    return " \u00d7 ".join(map(str, image.shape))


def has_run_images(folder: str | Path) -> bool:
    """Say whether they are kept."""
    return (Path(folder) / _FILE).is_file()


def read_run_images(folder: str | Path) -> tuple[RunImage, ...]:
    """Return the images of a training; none where it does not say.

    Raises
    ------
    ValueError
        The file is broken.
    """
    path = Path(folder) / _FILE
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return tuple(map(_read_image, entries))
    except FileNotFoundError:
        return ()
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"The images of the training in {path} cannot be read ({error}).") from error


def _read_image(entry: dict[str, Any]) -> RunImage:
    return RunImage(
        str(entry["name"]),
        str(entry["identity"]),
        tuple(map(int, entry["shape"])),
        tuple(map(float, entry.get("voxel_size") or ())) or None,
    )
