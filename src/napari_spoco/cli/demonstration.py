"""`napari-spoco demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from napari_spoco.cli.progress import TrainingProgress
from napari_spoco.cli.settings import Device, Minutes, Seed, Steps, settle
from napari_spoco.cli.terminal import console, sentences
from napari_spoco.config import TrainingConfig

if TYPE_CHECKING:
    from napari_spoco.demo import DemoResult


_TRAINING = ("out", "start_from", "steps", "minutes", "device")
"""What only the demo without a window has."""


def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("napari-spoco-demo"),
    fraction: Annotated[float, typer.Option(min=0.001, max=1.0, help="Share of the objects that are annotated.")] = 0.1,
    start_from: Annotated[
        str, typer.Option(help="Model to fine-tune, a name or a path; none: from scratch.")
    ] = "nuclei-small",
    seed: Seed = None,
    steps: Steps = None,
    minutes: Minutes = None,
    device: Device = None,
    gui: Annotated[bool, typer.Option("--gui", help="Open the same images and annotations in napari.")] = False,
) -> None:
    """Find nuclei from a tenth of their masks, on real microscopy that ships with the package."""
    if gui:
        with sentences():
            _refuse_beside_gui(context)
        from napari_spoco._qt.demo import open_demo

        open_demo(fraction=fraction, seed=TrainingConfig().seed if seed is None else seed)
        return
    from napari_spoco.demo import DEMO_TRAINING, run_demo
    from napari_spoco.training.devices import limit_threads

    with sentences():
        limit_threads(DEMO_TRAINING.threads)
        options = {"seed": seed, "max_steps": steps, "max_minutes": minutes, "device": device}
        with TrainingProgress() as progress:
            result = run_demo(
                out,
                config=settle(DEMO_TRAINING, None, None, options),
                start_from=None if start_from == "none" else start_from,
                fraction=fraction,
                on_report=progress.on_report,
                on_stage=console.print,
            )
    _print_demo(result)


def _refuse_beside_gui(context: typer.Context) -> None:
    sources = {name: context.get_parameter_source(name) for name in _TRAINING}
    given = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    if given:
        options = ", ".join("--" + name.replace("_", "-") for name in given)
        raise ValueError(f"--gui: expected none of what is chosen in the window, got {options}")


def _print_demo(result: DemoResult) -> None:
    table = Table(
        "method", "SBD", "|DiC|", "AP@0.5", title="8 images that were not trained on (SBD, AP: higher is better)"
    )
    for score in result.scores:
        table.add_row(score.method, f"{score.sbd:.3f}", f"{score.abs_dic:.1f}", f"{score.ap50:.3f}")
    console.print(table)
    seconds = result.training.reports[-1].elapsed
    began = f"Fine-tuned {result.start_from}" if result.start_from else "Trained from scratch"
    console.print(
        f"{began} on {result.n_annotated} of {result.n_objects} objects, "
        f"{len(result.training.reports)} steps in {seconds:.0f} s."
    )
    console.print(f"{len(result.files)} files in {result.folder}:")
    for path in result.files[:4]:
        console.print(f"  {path}")
    console.print(f"  {result.folder}/labels, objects, embeddings: one file per image")
