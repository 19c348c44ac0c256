"""`napari-spoco train`: images and sparse annotations in, the folder of a run out."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_spoco.cli.interruption import Interruption
from napari_spoco.cli.model_file import MODEL_HELP, read_model_file
from napari_spoco.cli.outcome import tell
from napari_spoco.cli.progress import TrainingProgress
from napari_spoco.cli.settings import (
    Channels,
    ConfigFile,
    Device,
    Minutes,
    Preset,
    Seed,
    SetValues,
    Steps,
    read_channels,
    settle,
    training_preset,
)
from napari_spoco.cli.tensorboard_log import TensorBoardLog
from napari_spoco.cli.terminal import console, no_empty_folder, sentences
from napari_spoco.cli.training_data import TrainingData, read_files, read_project
from napari_spoco.config import TrainingConfig
from napari_spoco.config_files import read_config
from napari_spoco.project.project import Project
from napari_spoco.training.reports import StepReport

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from napari_spoco.training.reports import TrainerMessage
    from napari_spoco.training.trainer import Trainer

_FOLDER = Path("spoco-run")
_STOPPING = "Stopping after this step; what is done is kept. Once more ends at once."


def train(
    images: Annotated[list[Path], typer.Argument(help="Images (TIFF); or the folder of a project.")],
    annotations: Annotated[
        list[Path] | None,
        typer.Option("--annotations", "-a", help="Label image per image, in the same order; 0 = unlabeled."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help=f"Folder of the run; {_FOLDER}, or a new one in the project's runs, if not given."),
    ] = None,
    preset: Preset = None,
    config: ConfigFile = None,
    values: SetValues = None,
    channels: Channels = None,
    steps: Steps = None,
    minutes: Minutes = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate of Adam.")] = None,
    seed: Seed = None,
    device: Device = None,
    devices: Annotated[int | None, typer.Option(help="How many devices train together, per machine.")] = None,
    num_nodes: Annotated[int | None, typer.Option(help="How many machines train together.")] = None,
    start_from: Annotated[Path | None, typer.Option(help=f"{MODEL_HELP} It is fine-tuned.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out, or the newest one of the project.")
    ] = False,
    more: Annotated[
        bool,
        typer.Option(
            "--more", help="With --resume: one that had come to its end, for its --minutes and --steps again."
        ),
    ] = False,
    box: Annotated[
        list[str] | None,
        typer.Option(metavar="IMAGE:z0:z1,y0:y1,x0:x1", help="Box in which every object is annotated; (z), y, x."),
    ] = None,
    background_label: Annotated[int | None, typer.Option(help="Label with which background is painted.")] = None,
    ignore_label: Annotated[int | None, typer.Option(help="Label of regions that take no part at all.")] = None,
    painted_in_planes: Annotated[
        bool | None, typer.Option("--painted-in-planes", help="3D objects are painted in some of their planes only.")
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write into the folder for TensorBoard too (extra `tensorboard`).")
    ] = False,
) -> None:
    """Train a model from images and sparse label images, or from a project.

    Settings come from --preset, then --config, then --set, then the single options; the later one counts.

    The same command with --resume goes on with a run that was ended, as if it never had been: the settings of the run
    then take the place of the preset, and its model that of --start-from. A run that had come to its own end is left as
    it is, so that the command may be repeated; with --more it is trained for the minutes and steps of its settings, or
    those given, once more, from the peak of the learning rate.

    The model remembers the channels, so that `segment` and `batch` take the same ones.

    Ctrl-C ends the training after its step, and the model is complete; a second one ends it at once.
    """
    meaning = {
        "background_label": background_label,
        "ignore_label": ignore_label,
        "painted_in_planes": painted_in_planes,
    }
    options: dict[str, Any] = {
        "max_steps": steps,
        "max_minutes": minutes,
        "learning_rate": learning_rate,
        "seed": seed,
        "device": device,
        "devices": devices,
        "num_nodes": num_nodes,
        "annotations": meaning,
    }
    with sentences():
        options["channels"] = read_channels(channels)
        inputs = _Inputs(tuple(images), tuple(annotations or ()), tuple(box or ()), _project(images))
        if inputs.project is not None and (annotations or box or any(value is not None for value in meaning.values())):
            raise ValueError("expected no annotations, boxes and labels on the command line, which are the project's")
        if more and not resume:
            raise ValueError("--more: expected --resume beside it, which says what to go on with")
        previous = _previous_run(out, inputs.project) if resume else None
        base = read_config(previous / "config.json", TrainingConfig()) if previous else training_preset(preset)
        settings = settle(base, config, values, options)
        _train(inputs, settings, out, previous, start_from, more=more, with_tensorboard=tensorboard)


@dataclass(frozen=True)
class _Inputs:
    """Where images and annotations come from."""

    images: tuple[Path, ...]
    annotations: tuple[Path, ...]
    boxes: tuple[str, ...]
    project: Project | None

    def read(self, config: TrainingConfig) -> TrainingData:
        if self.project is not None:
            return read_project(self.project)
        return read_files(self.images, self.annotations, self.boxes, config)


def _project(images: list[Path]) -> Project | None:
    folders = [path for path in images if path.is_dir()]
    if not folders:
        return None
    if len(images) > 1:
        raise ValueError(f"expected images, or the folder of one project, got the folder {folders[0]} among others")
    return Project.open(folders[0])


def _previous_run(out: Path | None, project: Project | None) -> Path:
    """Return the folder to go on in."""
    folder = out or (project.newest_run if project else _FOLDER)
    if folder is None or not (folder / "state.pt").is_file():
        raise FileNotFoundError(f"--resume: there is no training to go on with in {folder or 'the project'}")
    return folder


def _train(
    inputs: _Inputs,
    config: TrainingConfig,
    out: Path | None,
    previous: Path | None,
    start_from: Path | None,
    *,
    more: bool,
    with_tensorboard: bool,
) -> None:
    from napari_spoco.training.devices import limit_threads, make_fabric
    from napari_spoco.training.trainer import Trainer

    fabric = make_fabric(config)
    # With several devices this starts the same command again for each of them: nothing is read or printed before.
    fabric.launch()
    if config.threads is not None or fabric.world_size == 1:  # Else they have shared the cores among them.
        limit_threads(config.threads)
    console.quiet = not fabric.is_global_zero
    data = inputs.read(config)
    folder = previous or out or _new_folder(inputs.project, fabric)
    with no_empty_folder(folder, is_new=previous is None and out is None):
        log = TensorBoardLog(folder) if with_tensorboard and fabric.is_global_zero else None
        trainer = Trainer(
            data.images,
            data.annotations,
            start_from=read_model_file(start_from) if start_from and not previous else None,
            config=config,
            voxel_size=data.voxel_sizes,
            units=data.units,
            folder=folder,
            resume=previous is not None,
            more=more,
            fabric=fabric,
        )
        _follow(trainer, folder, fabric, log)


def _new_folder(project: Project | None, fabric: Fabric) -> Path:
    """Return the folder of a new run, the same one in all processes."""
    if project is None:
        return _FOLDER
    folder = fabric.broadcast(str(project.new_run()) if fabric.is_global_zero else "")
    return Path(folder)


def _follow(trainer: Trainer, folder: Path, fabric: Fabric, log: TensorBoardLog | None) -> None:
    """Run the training, show it, and tell what came out."""
    with Interruption(_STOPPING if fabric.is_global_zero else "") as interruption:
        try:
            with TrainingProgress() as progress:
                listeners = [progress.on_report] if log is None else [progress.on_report, log.on_report]
                n_steps = _run(trainer, interruption.is_asked, listeners)
            if not fabric.is_global_zero:
                return  # An exit code other than 0 would have the first process killed while it writes.
            result = trainer.result()
            tell(result, folder)
            if not n_steps and not result.stopped:
                console.print("The run had ended before; --more lets it go on, for its --minutes and --steps again.")
        except KeyboardInterrupt:
            console.print("Ended at once; what the last autosave kept can be resumed.")
            _tell_how_to_resume()
            raise typer.Exit(interruption.exit_code) from None
        finally:
            if log is not None:
                log.close()
    if result.stopped:
        _tell_how_to_resume()
        raise typer.Exit(interruption.exit_code)


def _run(trainer: Trainer, stop: Callable[[], bool], listeners: Sequence[Callable[[TrainerMessage], None]]) -> int:
    """Train, let others listen, and return the number of steps made."""
    n_steps = 0
    for report in trainer.run(stop):
        n_steps += isinstance(report, StepReport)
        for listen in listeners:
            listen(report)
    return n_steps


def _tell_how_to_resume() -> None:
    arguments = sys.argv[1:] if "--resume" in sys.argv else [*sys.argv[1:], "--resume"]
    console.print(f"Go on with: napari-spoco {shlex.join(arguments)}", soft_wrap=True, markup=False, highlight=False)
