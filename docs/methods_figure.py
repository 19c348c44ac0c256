"""Make docs/images/methods.png and its table: every method on the same embeddings, with time and score under each.

    OMP_NUM_THREADS=1 python docs/methods_figure.py --nuclei RUN --membranes RUN

RUN are the folders in which pretraining/nuclei_small.py and pretraining/ovules_small.py trained: their models have a
teacher too, which consistency clustering needs. Without them the shipped models serve, and that method is left out.
The embeddings are those of the student, of a real image of nuclei (2D) and of a synthetic membrane stack (3D, its
middle plane is shown); neither was trained on. Settings are the defaults, with sizes from the model's card; nuclei lie
in the foreground by embedding in all methods. Times are CPU seconds of the second run, on one thread.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from skimage.color import label2rgb
from skimage.segmentation import find_boundaries

from napari_spoco import SegmentationConfig, evaluate_segmentation, load_model, predict_embeddings
from napari_spoco.data.samples import load_nuclei, make_ovule
from napari_spoco.segmentation.projection import PcaProjection
from napari_spoco.segmentation.readout import ReadoutContext, read_out

PICTURE = Path(__file__).parent / "images" / "methods.png"
_ENLARGED = 4
METHODS = {
    "mutex watershed": {"method": "mutex_watershed"},
    "watershed of the foreground": {"method": "watershed", "foreground": "embedding"},
    "between edges": {"method": "edges"},
    "supervoxels": {"method": "supervoxels"},
    "HDBSCAN": {"method": "hdbscan"},
    "mean-shift": {"method": "mean_shift"},
    "mean-shift, merged": {"method": "mean_shift", "merge_distance": 2.0},
    "consistency": {"method": "consistency"},
}


@dataclass(frozen=True)
class Example:
    """An image (*spatial), its truth, the model, settings that suit it, and the measure of its field."""

    name: str
    image: Any
    truth: Any
    model: str
    settings: dict[str, Any]
    measure: str
    sense: str


def examples(models: argparse.Namespace) -> list[Example]:
    """Return the two images."""
    nuclei, ovule = load_nuclei("val")[3], make_ovule()
    on_dark = {"boundaries": "gradient", "foreground": "embedding"}  # nuclei have no bright membranes
    return [
        Example("nuclei (2D)", nuclei.image, nuclei.labels, models.nuclei, on_dark, "sbd", "higher is better"),
        Example("membranes (3D)", ovule.image, ovule.labels, models.membranes, {}, "arand_error", "lower is better"),
    ]


def read(example: Example, embeddings: Any, card: Any, context: ReadoutContext, **method: Any) -> tuple[Any, float]:
    """Return labels and CPU seconds of the second run."""
    settings = SegmentationConfig(**{**example.settings, **method})
    for _ in range(2):
        begin = time.process_time()
        labels = read_out(embeddings, card, settings, context).labels
        seconds = time.process_time() - begin
    return labels, seconds


def outlined(grey: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return a plane with objects in colour, enlarged so that outlines are thin."""
    grey, labels = (plane.repeat(_ENLARGED, axis=0).repeat(_ENLARGED, axis=1) for plane in (grey, labels))
    picture = label2rgb(labels, grey, bg_label=0, alpha=0.4, image_alpha=1.0)
    picture[find_boundaries(labels, mode="inner")] = (1.0, 1.0, 0.2)
    return picture


def main() -> None:
    """Draw the figure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nuclei", default="nuclei-small")
    parser.add_argument("--membranes", default="ovules-small")
    chosen = examples(parser.parse_args())
    models = [load_model(example.model) for example in chosen]
    has_teachers = all(model.teacher is not None for model in models)
    methods = {name: method for name, method in METHODS.items() if has_teachers or name != "consistency"}
    figure = Figure(figsize=(2.1 * (3 + len(methods)), 5.4), layout="constrained")
    axes = figure.subplots(2, 3 + len(methods))
    print(f"| method | {' | '.join(f'{e.name}: CPU s | {e.measure}' for e in chosen)} |")
    print("|---" * (1 + 2 * len(chosen)) + "|")
    rows: dict[str, list[str]] = {name: [] for name in methods}
    for line, example, model in zip(axes, chosen, models, strict=True):
        embeddings = predict_embeddings(model, example.image)
        teacher = None if model.teacher is None else predict_embeddings(model, example.image, teacher=True)
        context = ReadoutContext(image=example.image[None], teacher_embeddings=teacher)
        middle = (example.image.shape[0] // 2,) if example.image.ndim == 3 else ()
        low, high = np.percentile(example.image, (1, 99.8))
        grey = np.clip((example.image[middle] - low) / (high - low), 0, 1) ** 0.7
        rgb = PcaProjection().fit_transform(embeddings)[middle]
        panels = [(example.name, grey), ("embeddings", rgb), ("truth", outlined(grey, example.truth[middle]))]
        for name, method in methods.items():
            labels, seconds = read(example, embeddings, model.card, context, **method)
            score = evaluate_segmentation(labels, example.truth)[example.measure]
            rows[name] += [f"{seconds:.2f}", f"{score:.3f}"]
            panels.append((f"{name}\n{seconds:.2f} s, {score:.3f}", outlined(grey, labels[middle])))
        for panel in line:
            panel.axis("off")
        for panel, (title, picture) in zip(line, panels, strict=True):
            panel.imshow(picture, cmap="gray", interpolation="nearest")
            panel.set_title(title, fontsize=10)
        measure = {"sbd": "SBD", "arand_error": "ARand"}[example.measure]
        line[0].set_title(f"{example.name}\nCPU time, {measure}", fontsize=10)
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(cells)} |")
    figure.savefig(PICTURE, dpi=90)


if __name__ == "__main__":
    main()
