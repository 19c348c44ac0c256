"""`napari-spoco …`: the whole way of the data without a window.

The commands only translate between the shell and the package: files in, files out, progress on the screen.
"""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from napari_spoco.config import Parameters, SegmentationConfig, TrainingConfig
from napari_spoco.training.reports import Preview, StepReport, TrainingStarted

if TYPE_CHECKING:
    from napari_spoco.demo import DemoResult

T = TypeVar("T", bound=Parameters)

app = typer.Typer(
    help="Paint a few objects, get all of them: sparse training of pixel embeddings (SPOCO).",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
_console = Console()
_SECONDS_PER_LINE = 20.0
"""Between two lines of progress where the output is no terminal."""

Seed = Annotated[int, typer.Option(help="Same seed, same annotated objects and same training.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Steps = Annotated[int | None, typer.Option(help="End the training after so many steps.")]
Minutes = Annotated[float | None, typer.Option(help="End the training after so many minutes.")]


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("napari-spoco-demo"),
    fraction: Annotated[float, typer.Option(min=0.001, max=1.0, help="Share of the objects that are annotated.")] = 0.1,
    seed: Seed = 0,
    steps: Steps = None,
    minutes: Minutes = None,
    device: Device = "auto",
    gui: Annotated[bool, typer.Option("--gui", help="Open the same images and annotations in napari.")] = False,
) -> None:
    """Find nuclei from a tenth of their masks, on real microscopy that ships with the package."""
    if gui:
        from napari_spoco._qt.demo import open_demo

        open_demo(fraction=fraction, seed=seed)
        return
    from napari_spoco.demo import DEMO_TRAINING, run_demo
    from napari_spoco.training.devices import limit_threads

    with _sentences():
        limit_threads(DEMO_TRAINING.threads)
        config = _changed(DEMO_TRAINING, seed=seed, max_steps=steps, max_minutes=minutes, device=device)
        with _TrainingProgress() as progress:
            result = run_demo(
                out, config=config, fraction=fraction, on_report=progress.on_report, on_stage=progress.on_stage
            )
    _print_demo(result)


@app.command()
def train(
    images: Annotated[list[Path], typer.Argument(help="Images (TIFF).")],
    annotations: Annotated[
        list[Path], typer.Option("--annotations", "-a", help="Label image per image, in the same order; 0 = unlabeled.")
    ],
    out: Annotated[Path, typer.Option(help="Model file to write.")] = Path("model.safetensors"),
    start_from: Annotated[
        Path | None, typer.Option(help="Model file, or name of a shipped model, to fine-tune.")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate of Adam.")] = None,
    steps: Steps = None,
    minutes: Minutes = None,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Train a model from images and sparse label images."""
    from napari_spoco.data.images import read_image, read_labels
    from napari_spoco.data.writers import check_folder
    from napari_spoco.models.checkpoint import load_model, save_model
    from napari_spoco.training.devices import limit_threads
    from napari_spoco.training.trainer import Trainer

    with _sentences():
        config = _changed(
            TrainingConfig(),
            seed=seed,
            max_steps=steps,
            max_minutes=minutes,
            device=device,
            learning_rate=learning_rate,
        )
        check_folder(out.parent)
        limit_threads(config.threads)
        labels = [read_labels(path) for path in annotations]
        ndim = labels[0].ndim
        sources = [read_image(path, ndim=ndim) for path in images]
        trainer = Trainer(
            [source.data for source in sources],
            labels,
            start_from=load_model(start_from) if start_from else None,
            config=config,
            voxel_size=sources[0].scale,
            units=sources[0].units,
        )
        with _TrainingProgress() as progress:
            for report in trainer.run():
                progress.on_report(report)
        result = trainer.result()
        save_model(result.model, out)
    _console.print(f"{len(result.reports)} steps, loss {result.reports[-1].terms.total:.3f}; model written to {out}")


@app.command()
def segment(
    model: Annotated[Path, typer.Argument(help="Model file, or name of a shipped model.")],
    images: Annotated[list[Path], typer.Argument(help="Images to segment (TIFF).")],
    out: Annotated[Path, typer.Option(help="Folder for the label images.")] = Path(),
    foreground: Annotated[
        Literal["none", "intensity", "embedding"], typer.Option(help="Where objects may be.")
    ] = "none",
    fragment_size: Annotated[int | None, typer.Option(help="Smaller segments grow into a neighbour (pixels).")] = None,
    min_size: Annotated[int | None, typer.Option(help="Smaller objects are removed (pixels).")] = None,
    device: Device = "auto",
) -> None:
    """Segment images with a trained model; writes NAME_labels.tif and NAME_objects.csv for each."""
    from napari_spoco.data.images import read_image
    from napari_spoco.data.writers import write_labels, write_objects_csv
    from napari_spoco.models.checkpoint import load_model
    from napari_spoco.segmentation.prediction import predict_embeddings
    from napari_spoco.segmentation.readout import ReadoutContext, read_out
    from napari_spoco.training.devices import choose_device

    with _sentences():
        settings = _changed(SegmentationConfig(), foreground=foreground, fragment_size=fragment_size, min_size=min_size)
        loaded = load_model(model).to(choose_device(device))
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
            _console.print(f"{path.name}: {labels.max()} objects, written to {written}")


@app.command()
def evaluate(
    labels: Annotated[Path, typer.Argument(help="Found objects (label TIFF).")],
    ground_truth: Annotated[Path, typer.Argument(help="True objects (label TIFF).")],
    min_size: Annotated[int, typer.Option(help="Smaller objects are left out of both (pixels).")] = 0,
) -> None:
    """Score a segmentation against the truth."""
    from napari_spoco.data.images import read_labels
    from napari_spoco.segmentation.metrics import evaluate_segmentation

    with _sentences():
        scores = evaluate_segmentation(read_labels(labels), read_labels(ground_truth), min_size=min_size)
    table = Table("measure", "value")
    for name, value in scores.items():
        table.add_row(name, f"{value:.3f}")
    _console.print(table)


@app.command()
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
    _console.print(table)


@app.command()
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
    _console.print(table)


class _TrainingProgress:
    """A bar with step and time left, the terms of the loss below it; a line now and then where there is no terminal."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("step {task.completed} of {task.total}, {task.fields[left]}"),
            console=_console,
        )
        self._task = self._progress.add_task("Training", total=None, left="starting", visible=False)
        self._terms = Text()
        self._live = Live(Group(self._progress, self._terms), console=_console, transient=True, refresh_per_second=5)
        self._next_line = 0.0

    def __enter__(self) -> _TrainingProgress:
        if _console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def on_report(self, report: TrainingStarted | StepReport | Preview) -> None:
        """Show a report of the training."""
        if isinstance(report, TrainingStarted):
            patch = " x ".join(map(str, report.patch_shape))
            _console.print(
                f"{report.n_objects} annotated objects; network of {report.n_parameters:,} parameters on "
                f"{report.device} in {report.precision}; {report.batch_size} patches of {patch} a step"
            )
        elif isinstance(report, StepReport):
            left = _time_left(report.remaining)
            total = report.n_steps
            self._progress.update(self._task, completed=report.step, total=total, left=left, visible=True)
            self._terms.plain = _terms_line(report)
            if not _console.is_terminal and report.elapsed >= self._next_line:
                self._next_line = report.elapsed + _SECONDS_PER_LINE
                _console.print(f"step {report.step} of {total}, {left}; {_terms_line(report)}", soft_wrap=True)

    def on_stage(self, name: str) -> None:
        """Show the name of a stage."""
        _console.print(name)


def _time_left(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02} left"


def _terms_line(report: StepReport) -> str:
    names = [field.name for field in fields(report.terms)]
    parts = ", ".join(f"{name.replace('_', ' ')} {getattr(report.terms, name):.3f}" for name in names)
    return f"loss {report.terms.total:.3f} ({parts})"


def _print_demo(result: DemoResult) -> None:
    table = Table(
        "method", "SBD", "|DiC|", "AP@0.5", title="8 images that were not trained on (SBD, AP: higher is better)"
    )
    for score in result.scores:
        table.add_row(score.method, f"{score.sbd:.3f}", f"{score.abs_dic:.1f}", f"{score.ap50:.3f}")
    _console.print(table)
    seconds = result.training.reports[-1].elapsed
    _console.print(
        f"Trained from scratch on {result.n_annotated} of {result.n_objects} objects, "
        f"{len(result.training.reports)} steps in {seconds:.0f} s."
    )
    _console.print(f"{len(result.files)} files in {result.folder}:")
    for path in result.files[:4]:
        _console.print(f"  {path}")
    _console.print(f"  {result.folder}/labels, objects, embeddings: one file per image")


def _changed(settings: T, **changes: Any) -> T:
    """Return the settings with the changes that are not None, checked."""
    given = {name: value for name, value in changes.items() if value is not None}
    return type(settings).model_validate(settings.model_dump() | given)


@contextlib.contextmanager
def _sentences() -> Iterator[None]:
    """Turn errors that a person can mend into one sentence and exit code 1."""
    try:
        yield
    except (ValueError, TypeError, OSError) as error:
        _console.print(f"[bold red]Error:[/] {error}", highlight=False)
        raise typer.Exit(code=1) from error


if __name__ == "__main__":
    app()
