"""`napari-spoco models` and `info`: what is there, and what it is."""

from __future__ import annotations

import platform
from typing import Annotated

import typer
from rich.markdown import Markdown
from rich.table import Table

from napari_spoco.cli.terminal import console, sentences


def models(
    name: Annotated[str | None, typer.Argument(help="Print the card of this model alone.", show_default=False)] = None,
) -> None:
    """List the models that ship with the package, and print their cards: what they were trained on, scores, limits.

    The names stand wherever a model file may.
    """
    from napari_spoco.models.registry import shipped_models

    names = shipped_models()
    with sentences():
        if name is not None and name not in names:
            raise ValueError(f"NAME: expected a model that ships, {' or '.join(names)}, got {name!r}")
    if name is not None:
        _print_card(name)
        return
    console.print(_table(names))
    for shown in names:
        console.print()
        _print_card(shown)


def _table(names: tuple[str, ...]) -> Table:
    from napari_spoco.models.checkpoint import load_model
    from napari_spoco.models.registry import describe_shipped, shipped_path

    table = Table("name", "for", "steps", "size")
    for name in names:
        size = f"{shipped_path(name).stat().st_size / 1e6:.1f} MB"
        table.add_row(name, describe_shipped(name), f"{load_model(name).card.history.steps:,}", size)
    return table


def _print_card(name: str) -> None:
    """Print a card, laid out on a terminal and as it is written to anything else."""
    from napari_spoco.models.registry import shipped_card

    card = shipped_card(name)
    if console.is_terminal:
        console.print(Markdown(card))
    else:
        console.print(card, soft_wrap=True, markup=False, highlight=False, emoji=False)


def info() -> None:
    """Print versions and the device that training would use."""
    from importlib.metadata import version

    import torch

    from napari_spoco.models.precision import choose_precision
    from napari_spoco.training.devices import choose_device, limit_threads

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
