"""Settings on the command line: options that several commands have, their order of precedence, and `config`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from napari_spoco.cli.terminal import sentences
from napari_spoco.config import TRAINING_PRESETS, Parameters, SegmentationConfig, TrainingConfig
from napari_spoco.config_files import change_config, read_config, set_values, write_yaml

Model = TypeVar("Model", bound=Parameters)

_PRESETS = ", ".join(TRAINING_PRESETS)
Preset = Annotated[str | None, typer.Option(help=f"Settings to begin with: {_PRESETS}.", metavar="NAME")]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="File with settings (.yaml, .toml, .json), over the preset.")
]
SetValues = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Any setting, such as loss.instance_loss=bce; over the file."),
]
Seed = Annotated[int | None, typer.Option(help="Same seed, same annotated objects and same training.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Channels = Annotated[
    str | None, typer.Option(metavar="C,C", help="Channels of the images to take, counted from 0, such as 0,2.")
]
Steps = Annotated[int | None, typer.Option(help="End the training after so many steps.")]
Minutes = Annotated[float | None, typer.Option(help="End the training after so many minutes.")]


def config(
    preset: Preset = None,
    file: ConfigFile = None,
    values: SetValues = None,
    segmentation: Annotated[
        bool, typer.Option("--segmentation", help="The settings of a segmentation instead of a training.")
    ] = False,
) -> None:
    """Print settings as YAML with their titles, units and bounds, to be edited and given to --config.

    napari-spoco config --preset paper > training.yaml
    """
    with sentences():
        if segmentation and preset is not None:
            raise ValueError(f"--preset: expected none for a segmentation, got {preset!r}")
        base = SegmentationConfig() if segmentation else training_preset(preset)
        typer.echo(write_yaml(settle(base, file, values, {})), nl=False)


def training_preset(name: str | None) -> TrainingConfig:
    """Return the settings of that name, or the defaults."""
    if name is None:
        return TrainingConfig()
    if name not in TRAINING_PRESETS:
        raise ValueError(f"--preset: expected one of {_PRESETS}, got {name!r}")
    return TRAINING_PRESETS[name]


def settle(base: Model, file: Path | None, values: Sequence[str] | None, options: Mapping[str, Any]) -> Model:
    """Put a file, assignments and single options over settings, in this order."""
    if file is not None:
        base = read_config(file, base)
    return change_config(set_values(base, values or ()), given(options))


def read_channels(text: str | None) -> list[int] | None:
    """Read the channels of `--channels`; None where it was not given."""
    if text is None:
        return None
    if re.fullmatch(r"\d+(,\d+)*", text) is None:
        raise ValueError(f"--channels: expected numbers from 0 with commas between them, such as 0,2, got {text!r}")
    return [int(part) for part in text.split(",")]


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given, in sections too."""
    return {
        name: given(value) if isinstance(value, Mapping) else value
        for name, value in options.items()
        if value is not None
    }
