"""The image sets of the benchmark: images to annotate and train on, and others to evaluate on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.data.images import read_image, read_labels
from napari_spoco.data.samples import load_nuclei

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

_SHRINK = 2
"""In the plane; stacks of membranes are learned and scored at half their resolution."""


@dataclass(frozen=True, eq=False)
class Sample:
    """An image (*spatial) with all its objects, labels (*spatial), 0 = background."""

    image: NDArray[Any]
    labels: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one kind.

    Attributes
    ----------
    training, evaluation : tuple of Sample
        The evaluation images are read by nothing but the scores.
    is_tissue : bool
        Objects touch everywhere and their boundaries are bright; otherwise there is a background.
    shrink : int
        Networks learn from pixels that are larger by so much; scores are of the set's own pixels.
    """

    training: tuple[Sample, ...]
    evaluation: tuple[Sample, ...]
    is_tissue: bool = False
    shrink: int = 1

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return self.training[0].image.ndim

    @property
    def measure(self) -> str:
        """Name of the score that the set is judged by (`evaluate_segmentation`)."""
        return "arand_error" if self.is_tissue else "sbd"


def load_set(name: str, folder: Path | None) -> ImageSet:
    """Load or make a set.

    Parameters
    ----------
    name
        One of `SETS`.
    folder
        Where the sets lie that do not ship with the package, as `<set>/<split>/{images,labels}/*.tif`.

    Raises
    ------
    ValueError
        An unknown name, or a set that needs the folder.
    """
    if name not in SETS:
        raise ValueError(f"set: expected one of {', '.join(SETS)}, got {name!r}")
    if folder is None and name in _IN_FOLDER:
        raise ValueError(f"data: the set {name!r} is read from a folder of data, got none")
    return SETS[name](folder)


def _nuclei(_: Path | None) -> ImageSet:
    """Fluorescent nuclei (BBBC038), 24 + 8 images of 256x256; they ship with the package."""
    splits = (load_nuclei("train"), load_nuclei("val"))
    training, evaluation = (tuple(_sample(s.image, s.labels) for s in split) for split in splits)
    return ImageSet(training, evaluation)


def _mitochondria(folder: Path | None) -> ImageSet:
    """Mitochondria in serial-section EM of a fly's nerve cord (Gerhard et al. 2013), 10 + 3 planes of 640x640."""
    training, evaluation = (tuple(map(_read, _paths(folder, "vnc_mito", split))) for split in ("train", "val"))
    return ImageSet(training, evaluation, shrink=2)


def _plant_membrane(folder: Path | None) -> ImageSet:
    """Cell walls of a plant, 64x200x200, one half along x to train on, the other to evaluate on."""
    (path,) = _paths(folder, "plant3d_membrane", "train")
    return _halves(_coarser(_read(path)), is_tissue=True)


def _plant_nuclei(folder: Path | None) -> ImageSet:
    """Nuclei of a plant, 100x100x100, one half along x to train on, the other to evaluate on."""
    (path,) = _paths(folder, "plant3d_nuclei", "train")
    return _halves(_read(path), is_tissue=False)


def _synthetic(_: Path | None, *, is_hard: bool) -> ImageSet:
    """Synthetic plant tissue with stained membranes, two stacks of 32x112x112, well or poorly stained."""
    from napari_spoco.data.tissue import tissue_stack
    from napari_spoco.data.tissue_rendering import CLEAN, HARD

    samples = []
    for seed in (0, 1):
        rng = np.random.default_rng((1000, seed))
        appearance = HARD if is_hard else CLEAN
        stack = tissue_stack((32, 112, 112), rng=rng, scale=(0.47, 0.3, 0.3), appearance=appearance)
        samples.append(_sample(stack.image, stack.labels))
    return ImageSet((samples[0],), (samples[1],), is_tissue=True)


SETS: dict[str, Callable[[Path | None], ImageSet]] = {
    "nuclei": _nuclei,
    "em": _mitochondria,
    "membranes-clean": lambda folder: _synthetic(folder, is_hard=False),
    "membranes-hard": lambda folder: _synthetic(folder, is_hard=True),
    "membranes-plant": _plant_membrane,
    "nuclei-3d": _plant_nuclei,
}
_IN_FOLDER = ("em", "membranes-plant", "nuclei-3d")


def _paths(folder: Path | None, name: str, split: str) -> list[Path]:
    if folder is None:
        raise AssertionError("load_set has asked for the folder")
    paths = sorted((folder / name / split / "images").glob("*.tif"))
    if not paths:
        raise ValueError(f"data: expected images in {folder / name / split / 'images'}, got none")
    return paths


def _read(path: Path) -> Sample:
    return _sample(read_image(path).data[0], read_labels(path.parents[1] / "labels" / path.name))


def _sample(image: NDArray[Any], labels: NDArray[Any]) -> Sample:
    return Sample(image, labels.astype(np.int32))


def _coarser(sample: Sample) -> Sample:
    from skimage.transform import downscale_local_mean

    image = downscale_local_mean(sample.image, (1, _SHRINK, _SHRINK)).astype(np.float32)
    return Sample(image, sample.labels[:, ::_SHRINK, ::_SHRINK])


def _halves(sample: Sample, *, is_tissue: bool) -> ImageSet:
    middle = sample.image.shape[-1] // 2
    first, second = (
        Sample(sample.image[..., part], sample.labels[..., part]) for part in (slice(middle), slice(middle, None))
    )
    return ImageSet((first,), (second,), is_tissue=is_tissue)
