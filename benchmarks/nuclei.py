"""What `nuclei-small` is worth as it comes, beside a classical baseline that is tuned on the same images.

For every read-out, and for the classical baseline, the settings are those with the highest sum of SBD and AP@0.5 on the
24 training images of the demo, on which the model was not trained. The 8 evaluation images are read only with `--val`,
and once the settings are chosen; look at them rarely. "As it comes" leaves all settings alone. The read-out by
embedding times intensity stands here alone: the package has none like it.

Run `OMP_NUM_THREADS=1 python benchmarks/nuclei.py [--model MODEL] [--val]`; a few minutes on one thread.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from napari_spoco import load_model
from napari_spoco.config import SegmentationConfig
from napari_spoco.data.samples import load_nuclei
from napari_spoco.segmentation.background import distance_to_background, find_background
from napari_spoco.segmentation.classical import segment_otsu_watershed
from napari_spoco.segmentation.metrics import evaluate_segmentation
from napari_spoco.segmentation.prediction import predict_outputs, split_outputs
from napari_spoco.segmentation.readout import ReadoutContext, read_out
from napari_spoco.segmentation.smoothing import smooth_embeddings
from napari_spoco.training.devices import limit_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_spoco.data.samples import NucleiSample
    from napari_spoco.models.checkpoint import EmbeddingModel

    Settings = dict[str, Any]
    Grid = dict[str, tuple[Any, ...]]
    Segment = Callable[["Embedded", Settings], NDArray[np.uint32]]

SIZES = {"min_size": (25, 40)}
SHAPE = SIZES | {"method": ("watershed",), "min_distance": (5, 7), "distance_smoothing": (1.0, 2.0)}
FAR = {"foreground": ("embedding",), "foreground_radius": (2.8, 3.1, 3.4, 3.7), "smoothing": (0.0, 1.0)}
BRIGHT = {"foreground": ("intensity",), "intensity_neighbourhood": (9.0, 12.0, 16.0)}
CLASSES = {"foreground": ("pixel_classes",), "class_threshold": (0.3, 0.4, 0.5, 0.6, 0.7)}
LOCAL = {"smoothing": (1.0, 1.5), "neighbourhood": (9.0, 12.0, 16.0)}
# Said even though it is the default of most models: a card may name another method.
MUTEX = SIZES | {"method": ("mutex_watershed",), "fragment_size": (40, 80)}
PRODUCT = {"foreground": ("none",), "foreground_radius": (3.1, 3.4), "distance_smoothing": (1.0,)}
OTSU_SHARE, NEIGHBOURHOOD = 0.6, 12.0
"""Of the local threshold of the classical baseline."""


@dataclass(frozen=True, eq=False)
class Embedded:
    """An image with its labels, and what a model says of it: embeddings (E, Y, X), scores of classes (3, Y, X)."""

    sample: NucleiSample
    embeddings: NDArray[np.float32]
    scores: NDArray[np.float32] | None
    model: EmbeddingModel


@dataclass(frozen=True)
class Score:
    """Means over images."""

    sbd: float
    ap50: float

    def __str__(self) -> str:
        """Return both, to three digits."""
        return f"{self.sbd:.3f} / {self.ap50:.3f}"


def main() -> None:
    """Choose the settings, and print a row per way of segmenting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nuclei-small", help="model file, or name of a shipped model")
    parser.add_argument("--val", action="store_true", help="score the evaluation images too")
    options = parser.parse_args()
    limit_threads(1)
    model = load_model(options.model)
    tuning = embed(model, "train")
    evaluation = embed(model, "val") if options.val else []
    print(f"{'SBD / AP@0.5':34} {'tuning images':>15} {'evaluation':>15}  settings")
    for name, (segment, grid) in contestants(by_classes=model.config.pixel_classes).items():
        best, score = choose(segment, grid, tuning)
        held_out = str(mean_score(segment, best, evaluation)) if evaluation else "-"
        varied = {key: value for key, value in best.items() if len(grid[key]) > 1}
        print(f"{name:34} {score!s:>15} {held_out:>15}  {varied}", flush=True)


def contestants(*, by_classes: bool) -> dict[str, tuple[Segment, Grid]]:
    """Return by name how each segments, and the settings that it chooses from."""
    classes: dict[str, tuple[Segment, Grid]] = {
        "pixel classes, mutex watershed": (by_embeddings, CLASSES | MUTEX),
        "pixel classes": (by_embeddings, CLASSES | SIZES | {"method": ("pixel_classes",)}),
    }
    return (classes if by_classes else {}) | {
        "as it comes": (by_embeddings, {}),
        "embedding, mutex watershed": (by_embeddings, FAR | MUTEX),
        "intensity, mutex watershed": (by_embeddings, BRIGHT | MUTEX),
        "embedding, watershed": (by_embeddings, FAR | SHAPE),
        "embedding x intensity, watershed": (by_product, FAR | SHAPE | PRODUCT),
        "classical": (classically, SHAPE | LOCAL | {"method": ("local",)}),
    }


def embed(model: EmbeddingModel, split: Literal["train", "val"]) -> list[Embedded]:
    """Embed the images of a split."""
    outputs = ((sample, predict_outputs(model, sample.image)) for sample in load_nuclei(split))
    return [Embedded(sample, *split_outputs(of_sample, model.config), model) for sample, of_sample in outputs]


def by_embeddings(data: Embedded, settings: Settings) -> NDArray[np.uint32]:
    """Segment with the model."""
    context = ReadoutContext(image=data.sample.image[None], class_scores=data.scores)
    return read_out(data.embeddings, data.model.card, SegmentationConfig(**settings), context).labels


def by_product(data: Embedded, settings: Settings) -> NDArray[np.uint32]:
    """Segment where brightness over its threshold times distance from the background exceeds the radius."""
    image = ndimage.gaussian_filter(data.sample.image.astype(np.float32), 1.0)
    image -= image.min()
    threshold = np.maximum(OTSU_SHARE * threshold_otsu(image), ndimage.gaussian_filter(image, NEIGHBOURHOOD))
    embeddings = smooth_embeddings(data.embeddings, settings["smoothing"])
    distance = distance_to_background(embeddings, find_background(embeddings))
    mask = ndimage.binary_fill_holes(distance * image / threshold > settings["foreground_radius"])
    return read_out(data.embeddings, data.model.card, SegmentationConfig(**settings), ReadoutContext(mask=mask)).labels


def classically(data: Embedded, settings: Settings) -> NDArray[np.uint32]:
    """Segment without the model."""
    options = {key: value for key, value in settings.items() if key != "method"}
    return segment_otsu_watershed(data.sample.image, threshold="local", **options)


def choose(segment: Segment, grid: Grid, images: list[Embedded]) -> tuple[Settings, Score]:
    """Return the settings with the highest sum of both scores, and their scores."""
    scored = [(settings, mean_score(segment, settings, images)) for settings in combinations(grid)]
    return max(scored, key=lambda pair: pair[1].sbd + pair[1].ap50)


def combinations(grid: Grid) -> Iterator[Settings]:
    """Yield every combination of the values."""
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def mean_score(segment: Segment, settings: Settings, images: list[Embedded]) -> Score:
    """Return the means over the images."""
    rows = [evaluate_segmentation(segment(data, settings), data.sample.labels) for data in images]
    return Score(*(float(np.mean([row[name] for row in rows])) for name in ("sbd", "ap50")))


if __name__ == "__main__":
    main()
