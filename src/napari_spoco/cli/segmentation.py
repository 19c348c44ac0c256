"""`napari-spoco segment` and `napari-spoco evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from napari_spoco.cli.settings import ConfigFile, Device, SetValues, settle
from napari_spoco.cli.terminal import console, sentences
from napari_spoco.config import SegmentationConfig


def segment(
    model: Annotated[Path, typer.Argument(help="Model file, folder of a training, or name of a shipped model.")],
    images: Annotated[list[Path], typer.Argument(help="Images to segment (TIFF).")],
    out: Annotated[Path, typer.Option(help="Folder for the label images.")] = Path(),
    foreground: Annotated[
        Literal["none", "intensity", "embedding"] | None, typer.Option(help="Where objects may be.")
    ] = None,
    fragment_size: Annotated[int | None, typer.Option(help="Smaller segments grow into a neighbour (pixels).")] = None,
    min_size: Annotated[int | None, typer.Option(help="Smaller objects are removed (pixels).")] = None,
    config: ConfigFile = None,
    values: SetValues = None,
    device: Device = None,
) -> None:
    """Segment images with a trained model; writes NAME_labels.tif and NAME_objects.csv for each."""
    from napari_spoco.data.images import read_image
    from napari_spoco.data.writers import write_labels, write_objects_csv
    from napari_spoco.models.checkpoint import load_model
    from napari_spoco.segmentation.prediction import predict_embeddings
    from napari_spoco.segmentation.readout import ReadoutContext, read_out
    from napari_spoco.training.devices import choose_device

    with sentences():
        options = {"foreground": foreground, "fragment_size": fragment_size, "min_size": min_size}
        settings = settle(SegmentationConfig(), config, values, options)
        loaded = load_model(model).to(choose_device(device or "auto"))
        out.mkdir(parents=True, exist_ok=True)
        for path in images:
            source = read_image(path, ndim=loaded.config.ndim)
            embeddings = predict_embeddings(loaded, source.data, teacher=loaded.teacher is not None)
            labels = read_out(embeddings, loaded.card, settings, ReadoutContext(image=source.data))
            written = write_labels(
                out / f"{path.stem}_labels.tif",
                labels,
                scale=source.scale,
                units=source.units,
                axis_labels=source.axis_labels,
            )
            write_objects_csv(
                out / f"{path.stem}_objects.csv", labels, scale=source.scale, units=source.units[-1], image=source.data
            )
            console.print(f"{path.name}: {labels.max()} objects, written to {written}")


def evaluate(
    labels: Annotated[Path, typer.Argument(help="Found objects (label TIFF).")],
    ground_truth: Annotated[Path, typer.Argument(help="True objects (label TIFF).")],
    min_size: Annotated[int, typer.Option(help="Smaller objects are left out of both (pixels).")] = 0,
) -> None:
    """Score a segmentation against the truth."""
    from napari_spoco.data.images import read_labels
    from napari_spoco.segmentation.metrics import evaluate_segmentation

    with sentences():
        scores = evaluate_segmentation(read_labels(labels), read_labels(ground_truth), min_size=min_size)
    table = Table("measure", "value")
    for name, value in scores.items():
        table.add_row(name, f"{value:.3f}")
    console.print(table)
