"""`napari-spoco import` and `export`: models from and for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from napari_spoco.cli.settings import given
from napari_spoco.cli.terminal import console, sentences
from napari_spoco.config import Activation

if TYPE_CHECKING:
    from napari_spoco.models.checkpoint import EmbeddingModel


def import_model(
    checkpoint: Annotated[
        Path,
        typer.Argument(help="Checkpoint of the SPOCO authors or of pytorch-3dunet, or a BioImage.IO package (.zip)."),
    ],
    out: Annotated[Path, typer.Option(help="Model file to write (.safetensors).")],
    groups: Annotated[int | None, typer.Option(help="Groups of the group normalisation.")] = None,
    activation: Annotated[Activation | None, typer.Option(help="Behind every convolution.")] = None,
) -> None:
    """Make a model file of weights that others trained; nothing in their file is run."""
    from napari_spoco.data.writers import check_folder
    from napari_spoco.models.checkpoint import save_model
    from napari_spoco.models.foreign import import_checkpoint
    from napari_spoco.models.package_import import import_package, is_package

    with sentences():
        if out.suffix != ".safetensors":
            raise ValueError(f"--out: expected a file ending in .safetensors, got {str(out)!r}")
        check_folder(out.parent)
        read = import_package if is_package(checkpoint) else import_checkpoint
        model = read(checkpoint, **given({"groups": groups, "activation": activation}))
        save_model(model, out)
    _print_model(model)
    console.print(f"Written to {out}", soft_wrap=True)


def export_model(
    model: Annotated[str, typer.Argument(help="Model file, folder of a training, or name of a shipped model.")],
    out: Annotated[Path, typer.Argument(help="Package to write (.zip).")],
    name: Annotated[str | None, typer.Option(help="Name of the package; without it, the name of the file.")] = None,
    description: Annotated[str, typer.Option(help="One sentence.")] = "",
    author: Annotated[list[str] | None, typer.Option(help="Who made the model; may be given several times.")] = None,
    licence: Annotated[
        str | None, typer.Option(help="SPDX identifier, such as MIT or CC-BY-4.0.", metavar="NAME")
    ] = None,
    torchscript: Annotated[bool, typer.Option("--torchscript", help="Also for programs that run no Python.")] = False,
) -> None:
    """Make a package for the BioImage Model Zoo (bioimage.io) of a model.

    napari-spoco export nuclei-small nuclei-small.zip
    """
    from napari_spoco.models.bioimageio import export_package
    from napari_spoco.models.checkpoint import load_model
    from napari_spoco.models.registry import shipped_card, shipped_models

    documentation = ""
    if model in shipped_models():
        author, licence = author or ["The napari-spoco developers"], licence or "MIT"
        documentation = shipped_card(model)
    with sentences():
        export_package(
            load_model(model),
            out,
            name=name or out.stem,
            description=description,
            documentation=documentation,
            authors=author or (),
            licence=licence,
            with_torchscript=torchscript,
        )
    console.print(f"Written to {out}", soft_wrap=True)
    if not (author and licence):
        console.print("The BioImage Model Zoo wants an --author and a --licence.")


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
