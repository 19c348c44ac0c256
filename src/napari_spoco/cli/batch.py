"""`napari-spoco batch`: many images, one model, one setting."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn

from napari_spoco.cli.interruption import Interruption
from napari_spoco.cli.model_file import MODEL_HELP
from napari_spoco.cli.settings import Channels, Device, SetValues, given, read_channels
from napari_spoco.cli.terminal import console, sentences

if TYPE_CHECKING:
    from napari_spoco.batch.batch import ImageDone
    from napari_spoco.config import BatchConfig

_STYLES = {"failed": "red", "skipped": "dim", "stopped": "yellow"}


def batch(
    file: Annotated[
        Path | None, typer.Argument(help="The batch (.yaml, .toml, .json): model, inputs, out, formats, segmentation.")
    ] = None,
    model: Annotated[str | None, typer.Option(help=MODEL_HELP)] = None,
    images: Annotated[
        list[str] | None, typer.Option("--image", help="File, folder or pattern; may be given several times.")
    ] = None,
    out: Annotated[str | None, typer.Option(help="Folder for the results.")] = None,
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="tiff, ome_tiff, ome_zarr or objects; several times.")
    ] = None,
    channels: Channels = None,
    overwrite: Annotated[
        bool | None, typer.Option("--overwrite/--keep", help="Replace results that are there.")
    ] = None,
    device: Device = None,
    values: SetValues = None,
    show: Annotated[bool, typer.Option("--show", help="Print the batch as YAML and do nothing.")] = False,
) -> None:
    """Segment many images with one model and one setting; the window's batch tab writes and reads the same file.

    What an option says goes before the file; --show prints the file that comes of it, or an empty one to be filled in.
    Images whose results are there already are left out, so a batch that was stopped goes on where it was. A report,
    batch_report.csv, lies with the results; the exit code is 1 if an image failed.
    """
    from napari_spoco.batch.batch import read_batch_config
    from napari_spoco.config import BatchConfig
    from napari_spoco.config_files import change_config, set_values, write_yaml

    options: dict[str, Any] = {"model": model, "inputs": images, "out": out, "formats": formats}
    with sentences():
        options |= {"channels": read_channels(channels), "overwrite": overwrite, "device": device}
        changes = given(options)
        config = BatchConfig() if file is None else read_batch_config(file)
        if changes or values or not show:  # a template to be filled in may be empty
            config = set_values(change_config(config, changes), values or ())
        if show:
            typer.echo(write_yaml(config), nl=False)
            return
        failed = _run(config)
    if failed:
        raise typer.Exit(code=1)


def _run(config: BatchConfig) -> bool:
    """Run the batch; returns whether an image failed, and leaves with the signal's exit code if it was stopped."""
    from napari_spoco.batch.batch import ImageDone, run_batch
    from napari_spoco.batch.report import REPORT_NAME

    states: list[str] = []
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), console=console, transient=True, disable=not console.is_terminal
    )
    with Interruption("Stopping after this tile; once more to stop at once.") as interruption, bar:
        task = bar.add_task("Loading the model", total=None)

        def show_tile(n_done: int, n_tiles: int) -> None:
            bar.update(task, completed=n_done, total=n_tiles)

        for message in run_batch(config, stop=interruption.is_asked, on_tile=show_tile):
            if isinstance(message, ImageDone):
                states.append(message.state)
                _say(message)
            else:
                name = f"{message.index} of {message.n_images}: {message.image.name}"
                bar.update(task, description=name, completed=0, total=None)
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    report = f"; report: {Path(config.out) / REPORT_NAME}" if states else ""
    console.print(f"{counts or 'nothing done'}{report}", soft_wrap=True, markup=False, highlight=False)
    if interruption.is_asked():
        raise typer.Exit(code=interruption.exit_code)
    return "failed" in states


def _say(done: ImageDone) -> None:
    what = f"{done.n_objects} objects, {done.seconds:.1f} s" if done.state == "done" else done.state
    text = ": ".join(filter(None, (done.image.name, what, done.message)))
    console.print(text, style=_STYLES.get(done.state, ""), soft_wrap=True, markup=False, highlight=False)
    for notice in done.notices:
        console.print(f"{done.image.name}: {notice}", style="yellow", soft_wrap=True, markup=False)
