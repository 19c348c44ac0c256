"""`napari-spoco models`, `import` and `info`: what is there, and what it is."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from napari_spoco.cli.settings import given
from napari_spoco.cli.terminal import console, sentences
from napari_spoco.config import Activation

if TYPE_CHECKING:
    from napari_spoco.models.checkpoint import EmbeddingModel


def models() -> None:
    """List the models that ship with the package; their names stand wherever a model file may."""
    from napari_spoco.models.checkpoint import load_model
    from napari_spoco.models.registry import shipped_models, shipped_path

    table = Table("name", "for", "steps", "size")
    for name in shipped_models():
        card = load_model(name).card
        kind = f"{card.network.ndim}D, {card.network.in_channels} channel"
        size = f"{shipped_path(name).stat().st_size / 1e6:.1f} MB"
        table.add_row(name, kind, f"{card.history.steps:,}", size)
    console.print(table)


def import_model(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint of the SPOCO authors or of pytorch-3dunet.")],
    out: Annotated[Path, typer.Option(help="Model file to write (.safetensors).")],
    groups: Annotated[int | None, typer.Option(help="Groups of the group normalisation.")] = None,
    activation: Annotated[Activation | None, typer.Option(help="Behind every convolution.")] = None,
) -> None:
    """Make a model file of weights that others trained; nothing in their file is run."""
    from napari_spoco.data.writers import check_folder
    from napari_spoco.models.checkpoint import save_model
    from napari_spoco.models.foreign import import_checkpoint

    with sentences():
        if out.suffix != ".safetensors":
            raise ValueError(f"--out: expected a file ending in .safetensors, got {str(out)!r}")
        check_folder(out.parent)
        model = import_checkpoint(checkpoint, **given({"groups": groups, "activation": activation}))
        save_model(model, out)
    _print_model(model)
    console.print(f"Written to {out}", soft_wrap=True)


def info() -> None:
    """Print versions and the device that training would use."""
    from importlib.metadata import version

    import torch

    from napari_spoco.training.devices import choose_device, choose_precision, limit_threads

    limit_threads(None)
    device = choose_device("auto")
    table = Table(show_header=False)
    table.add_row("napari-spoco", version("napari-spoco"))
    table.add_row("Python", platform.python_version())
    for package in ("torch", "numpy", "bioimage-cpp", "monai"):
        table.add_row(package, version(package))
    table.add_row("device", torch.cuda.get_device_name(device) if device.type == "cuda" else device.type)
    table.add_row("precision", str(choose_precision("auto", device)).removeprefix("torch."))
    table.add_row("threads", str(torch.get_num_threads()))
    console.print(table)


def _print_model(model: EmbeddingModel) -> None:
    network = model.config
    norm = f"group, {network.groups} groups" if network.norm == "group" else network.norm
    table = Table(show_header=False)
    table.add_row("for", f"{network.ndim}D images of {network.in_channels} channel{'s'[: network.in_channels - 1]}")
    table.add_row("embedding size", str(network.embedding_dim))
    table.add_row("feature maps", ", ".join(map(str, network.feature_maps)))
    table.add_row("normalisation", norm)
    table.add_row("activation", network.activation)
    table.add_row("teacher", "no" if model.teacher is None else "yes")
    table.add_row("steps", f"{model.card.history.steps:,}" if model.card.history.steps else "not told")
    console.print(table)
