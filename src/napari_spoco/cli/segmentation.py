"""`napari-spoco segment` and `napari-spoco evaluate`."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from napari_spoco.cli.model_file import MODEL_HELP, read_model_file
from napari_spoco.cli.settings import Channels, ConfigFile, Device, SetValues, read_channels, settle
from napari_spoco.cli.terminal import console, sentences
from napari_spoco.config import AnnotationConfig, Foreground, SegmentationConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spoco.models.checkpoint import EmbeddingModel
    from napari_spoco.segmentation.metrics import ObjectMatch, ThresholdScore


def segment(
    model: Annotated[Path, typer.Argument(help=MODEL_HELP)],
    images: Annotated[list[Path], typer.Argument(help="Images to segment (TIFF).")],
    out: Annotated[Path, typer.Option(help="Folder for the label images.")] = Path(),
    method: Annotated[str | None, typer.Option(help="mutex_watershed, watershed, hdbscan ...; see `config`.")] = None,
    foreground: Annotated[Foreground | None, typer.Option(help="Where objects may be.")] = None,
    fragment_size: Annotated[
        int | None, typer.Option(help="Smaller segments grow into a neighbour (pixels of the image).")
    ] = None,
    min_size: Annotated[int | None, typer.Option(help="Smaller objects are removed (pixels of the image).")] = None,
    mask: Annotated[
        list[Path] | None, typer.Option(help="Mask per image, in the same order: where objects may be (TIFF, not 0).")
    ] = None,
    annotations: Annotated[
        list[Path] | None,
        typer.Option("--annotations", "-a", help="Label image per image: painted objects and background."),
    ] = None,
    background_label: Annotated[int | None, typer.Option(help="Label with which background is painted.")] = None,
    channels: Channels = None,
    background_at: Annotated[
        list[str] | None, typer.Option(metavar="Y,X", help="Pixel of the background per image; (z), y, x.")
    ] = None,
    config: ConfigFile = None,
    values: SetValues = None,
    device: Device = None,
) -> None:
    """Segment images with a trained model; writes NAME_labels.tif and NAME_objects.csv for each.

    Of images with several channels, those are taken that the model was trained on, unless --channels says others.
    All settings are listed by `napari-spoco config --segmentation`; --set gives any of them.
    """
    from napari_spoco.training.devices import choose_device
    from napari_spoco.whole_image import check_method

    with sentences():
        options = {
            "method": method,
            "foreground": foreground,
            "fragment_size": fragment_size,
            "min_size": min_size,
        }
        settings = settle(SegmentationConfig(), config, values, options)
        names = _name_outputs(images, out)
        meaning = AnnotationConfig(background_label=background_label)
        shown = [
            _Shown(*given, meaning)
            for given in zip(
                _per_image(annotations, images, "--annotations"),
                _per_image(mask, images, "--mask"),
                map(_read_pixel, _per_image(background_at, images, "--background-at")),
                strict=True,
            )
        ]
        chosen = read_channels(channels)
        loaded = read_model_file(model).to(choose_device(device or "auto"))
        if chosen is not None:
            loaded = loaded.with_channels(chosen)
        check_method(loaded, settings)
        out.mkdir(parents=True, exist_ok=True)
        for path, what, outputs in zip(images, shown, names, strict=True):
            _segment(loaded, path, settings, what, outputs)


@dataclass(frozen=True)
class _Shown:
    """What the user has shown of one image; each part may be missing."""

    annotations_file: Path | None
    mask_file: Path | None
    background_pixel: tuple[int, ...] | None
    meaning: AnnotationConfig

    def annotations(self) -> NDArray[Any] | None:
        from napari_spoco.data.annotations import SparseAnnotations
        from napari_spoco.data.images import read_labels

        if self.annotations_file is None:
            return None
        painted, name = read_labels(self.annotations_file), self.annotations_file.name
        return SparseAnnotations.from_labels(painted, config=self.meaning, name=name).labels

    def mask(self) -> NDArray[Any] | None:
        from napari_spoco.data.images import read_mask

        return None if self.mask_file is None else read_mask(self.mask_file)


def _name_outputs(images: Sequence[Path], out: Path) -> list[dict[str, Path]]:
    """Return the files of each image; two images of one name would have the same."""
    by_stem: dict[str, Path] = {}
    for image in images:
        if (other := by_stem.setdefault(image.stem, image)) is not image:
            raise ValueError(f"images: {other} and {image} would both become {out / image.stem}_labels.tif")
    return [{"tiff": out / f"{stem}_labels.tif", "objects": out / f"{stem}_objects.csv"} for stem in by_stem]


def _per_image(given: Sequence[Any] | None, images: Sequence[Path], option: str) -> list[Any]:
    """Return one entry per image, all None if the option was not given."""
    if not given:
        return [None] * len(images)
    if len(given) != len(images):
        raise ValueError(f"{option}: expected one for each of the {len(images)} images, got {len(given)}")
    return list(given)


def _read_pixel(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    if re.fullmatch(r"\d+(,\d+){1,2}", text) is None:
        raise ValueError(f"--background-at: expected Y,X or Z,Y,X, got {text!r}")
    return tuple(map(int, text.split(",")))


def _segment(
    model: EmbeddingModel, path: Path, settings: SegmentationConfig, shown: _Shown, outputs: dict[str, Path]
) -> None:
    from napari_spoco.data.images import read_image
    from napari_spoco.segmentation.readout import ReadoutContext
    from napari_spoco.whole_image import score_found, segment_source, write_results

    source = read_image(path, ndim=model.config.ndim)
    context = ReadoutContext(
        annotations=shown.annotations(), mask=shown.mask(), background_pixel=shown.background_pixel
    )
    found = segment_source(model, source, settings, context=context)
    write_results(outputs, found.labels, source, score_found(found, model))
    console.print(f"{path.name}: {found.n_objects} objects, written to {outputs['tiff']}")
    for notice in found.notices:
        console.print(f"{path.name}: {notice}", style="yellow")


def evaluate(
    labels: Annotated[Path, typer.Argument(help="Found objects (label TIFF).")],
    ground_truth: Annotated[Path, typer.Argument(help="True objects (label TIFF).")],
    min_size: Annotated[int, typer.Option(help="Smaller objects are left out of both (pixels).")] = 0,
    objects: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Write every object with its partner and their overlap.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score a segmentation against the truth: SBD, |DiC|, AP, adapted Rand error, and by how much overlap is asked."""
    from napari_spoco.data.images import read_labels
    from napari_spoco.segmentation.metrics import evaluate_segmentation, match_objects, score_by_threshold

    with sentences():
        found, truth = read_labels(labels), read_labels(ground_truth)
        scores = evaluate_segmentation(found, truth, min_size=min_size)
        by_threshold = score_by_threshold(found, truth, min_size=min_size)
        if objects is not None:
            _write_matches(objects, match_objects(found, truth, min_size=min_size))
    if as_json:
        thresholds = [score._asdict() for score in by_threshold]
        typer.echo(json.dumps({"scores": scores, "by_iou_threshold": thresholds}, indent=2))
    else:
        console.print(_scores_table(scores), _thresholds_table(by_threshold), sep="\n")


def _write_matches(path: Path, matches: Sequence[ObjectMatch]) -> None:
    from napari_spoco.data.writers import atomic_path

    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["true_id", "found_id", "iou", "true_size", "found_size"])
        writer.writerows(matches)


def _scores_table(scores: dict[str, float]) -> Table:
    table = Table("measure", "value")
    for name, value in scores.items():
        table.add_row(name, f"{value:.3f}")
    return table


def _thresholds_table(scores: Sequence[ThresholdScore]) -> Table:
    table = Table("IoU above", "found", "false", "missed", "precision", "recall", "F1", "AP")
    for score in scores:
        shares = (score.precision, score.recall, score.f1, score.average_precision)
        counts = (score.n_matched, score.n_false, score.n_missed)
        table.add_row(f"{score.iou_threshold:.2f}", *map(str, counts), *(f"{share:.3f}" for share in shares))
    return table
