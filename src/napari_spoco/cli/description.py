"""`napari-spoco models` and `info`: what is there, and what it is."""

from __future__ import annotations

import platform

from rich.table import Table

from napari_spoco.cli.terminal import console


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
