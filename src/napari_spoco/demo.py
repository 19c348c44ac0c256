"""The main job on real images that ship with the package: a tenth of the nuclei annotated, the rest found.

Fine-tunes the shipped `nuclei-small`, which has seen none of the 32 images, on 24 of them with the masks of some of
their objects, and reports on the 8 others, before and after, beside a classical baseline. No setting was chosen on the
8.
"""

from __future__ import annotations

import csv
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_spoco.config import SegmentationConfig, TrainingConfig
from napari_spoco.data.annotations import keep_fraction
from napari_spoco.data.samples import load_nuclei
from napari_spoco.data.writers import atomic_path, check_folder, write_labels, write_objects_csv, write_rgb
from napari_spoco.models.checkpoint import load_model, save_model
from napari_spoco.pictures import draw_losses, draw_overlay
from napari_spoco.segmentation.classical import segment_otsu_watershed
from napari_spoco.segmentation.metrics import evaluate_segmentation
from napari_spoco.segmentation.prediction import predict_outputs, split_outputs
from napari_spoco.segmentation.projection import PcaProjection
from napari_spoco.segmentation.readout import ReadoutContext, read_out
from napari_spoco.training.run import train

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_spoco.data.samples import NucleiSample
    from napari_spoco.models.checkpoint import EmbeddingModel
    from napari_spoco.training.reports import TrainerMessage
    from napari_spoco.training.trainer import TrainingResult

    Outputs = tuple[NDArray[np.float32], NDArray[np.float32] | None]
    """Embeddings, and scores of pixel classes if there are any."""

DEMO_TRAINING = TrainingConfig(preview_seconds=1e9)
DEMO_MODEL = "nuclei-small"
BY_CLASSES, BY_EMBEDDING = "mutex watershed", "foreground by embedding, split by shape"
READOUTS = {
    BY_CLASSES: SegmentationConfig(method="mutex_watershed"),
    BY_EMBEDDING: SegmentationConfig(foreground="embedding", method="watershed"),
    "foreground by intensity, mutex watershed": SegmentationConfig(foreground="intensity", method="mutex_watershed"),
}
CLASSICAL: dict[str, Literal["otsu", "local"]] = {
    "classical: Otsu + distance-transform watershed": "otsu",
    "classical: local threshold + distance-transform watershed": "local",
}
_SHOWN = 3
"""Images in the overlay picture."""


@dataclass(frozen=True)
class Score:
    """Means over the evaluation images."""

    method: str
    sbd: float
    abs_dic: float
    ap50: float


@dataclass(frozen=True)
class DemoResult:
    """What the demo found and where it wrote it."""

    folder: Path
    start_from: str | None
    n_annotated: int
    n_objects: int
    training: TrainingResult
    scores: tuple[Score, ...]
    files: tuple[Path, ...]


def run_demo(
    folder: Path,
    *,
    config: TrainingConfig = DEMO_TRAINING,
    start_from: str | None = DEMO_MODEL,
    fraction: float = 0.1,
    on_report: Callable[[TrainerMessage], None] | None = None,
    on_stage: Callable[[str], None] | None = None,
) -> DemoResult:
    """Annotate, train, segment, score and write everything into a folder.

    Parameters
    ----------
    folder
        Made if it is missing.
    config
        Of the training; its seed also chooses the annotated objects.
    start_from
        Name or path of the model to fine-tune; None = train from scratch.
    fraction
        Share of the training objects whose masks are kept.
    on_report, on_stage
        Called with the reports of the training and with the name of each later stage.

    Raises
    ------
    OSError
        The folder cannot be written; asked before the training starts.
    """
    say = on_stage or (lambda _: None)
    folder.mkdir(parents=True, exist_ok=True)
    check_folder(folder)
    samples, held_out = load_nuclei("train"), load_nuclei("val")
    annotations = keep_fraction([s.labels for s in samples], fraction, np.random.default_rng(config.seed))
    start = None if start_from is None else load_model(start_from)
    training = train([s.image for s in samples], annotations, start_from=start, config=config, on_report=on_report)
    say("Segmenting the images that were not trained on")
    outputs = {s.name: _predict(training.model, s.image) for s in held_out}
    found = {
        f"SPOCO, {name}": _segment(training.model, held_out, outputs, settings) for name, settings in READOUTS.items()
    }
    if start is not None:
        untouched = {s.name: _predict(start, s.image) for s in held_out}
        found |= {
            f"{start_from} as it comes, {name}": _segment(start, held_out, untouched, settings)
            for name, settings in READOUTS.items()
        }
    for method, threshold in CLASSICAL.items():
        found[method] = {s.name: segment_otsu_watershed(s.image, threshold=threshold) for s in held_out}
    scores = tuple(_score(method, labels, held_out) for method, labels in found.items())
    say("Writing the results")
    main = found[f"SPOCO, {main_readout(training.model)}"]
    files = [
        save_model(training.model, folder / "model.safetensors"),
        _write_scores(folder / "scores.csv", scores),
        draw_losses(folder / "loss.png", training.reports, training.scores),
        _draw_annotated(folder / "overlay.png", training.model, samples, annotations),
        *_write_segmentations(folder, held_out, outputs, main),
    ]
    n_objects = sum(len(np.unique(s.labels)) - 1 for s in samples)
    n_annotated = sum(len(np.unique(a)) - 1 for a in annotations)
    return DemoResult(folder, start_from, n_annotated, n_objects, training, scores, tuple(files))


def main_readout(model: EmbeddingModel) -> str:
    """Return the name of the read-out whose objects are written and drawn."""
    return BY_CLASSES if model.config.pixel_classes else BY_EMBEDDING


def _segment(
    model: EmbeddingModel,
    samples: Sequence[NucleiSample],
    outputs: dict[str, Outputs],
    settings: SegmentationConfig,
) -> dict[str, NDArray[np.uint32]]:
    return {s.name: _objects(model, s.image, outputs[s.name], settings) for s in samples}


def _predict(model: EmbeddingModel, image: NDArray[Any]) -> Outputs:
    return split_outputs(predict_outputs(model, image, teacher=model.teacher is not None), model.config)


def _objects(
    model: EmbeddingModel, image: NDArray[Any], outputs: Outputs, settings: SegmentationConfig
) -> NDArray[np.uint32]:
    embeddings, scores = outputs
    return read_out(embeddings, model.card, settings, ReadoutContext(image=image[None], class_scores=scores)).labels


def _score(method: str, labels: dict[str, NDArray[np.uint32]], samples: Sequence[NucleiSample]) -> Score:
    rows = [evaluate_segmentation(labels[s.name], s.labels) for s in samples]
    sbd, abs_dic, ap50 = (float(np.mean([row[name] for row in rows])) for name in ("sbd", "abs_dic", "ap50"))
    return Score(method, sbd, abs_dic, ap50)


def _write_scores(path: Path, scores: Sequence[Score]) -> Path:
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(Score)])
        writer.writerows(astuple(score) for score in scores)
    return path


def _draw_annotated(
    path: Path, model: EmbeddingModel, samples: Sequence[NucleiSample], annotations: Sequence[NDArray[np.integer]]
) -> Path:
    """Draw the images with the most annotated objects: image, annotated objects, found objects."""
    order = sorted(range(len(samples)), key=lambda i: -len(np.unique(annotations[i])))
    rows = []
    for i in order[:_SHOWN]:
        image = samples[i].image
        outputs = _predict(model, image)
        found = _objects(model, image, outputs, READOUTS[main_readout(model)])
        rows.append((image, PcaProjection().fit_transform(outputs[0]), annotations[i], found))
    return draw_overlay(path, rows)


def _write_segmentations(
    folder: Path,
    samples: Sequence[NucleiSample],
    outputs: dict[str, Outputs],
    found: dict[str, NDArray[np.uint32]],
) -> list[Path]:
    for name in ("labels", "objects", "embeddings"):
        (folder / name).mkdir(exist_ok=True)
    files = []
    for s in samples:
        files += [
            write_labels(folder / "labels" / f"{s.name}.tif", found[s.name]),
            write_objects_csv(folder / "objects" / f"{s.name}.csv", found[s.name], image=s.image),
            write_rgb(folder / "embeddings" / f"{s.name}.png", PcaProjection().fit_transform(outputs[s.name][0])),
        ]
    return files
