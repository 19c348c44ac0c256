"""Whether the model in use suits the chosen image, by the header of its file; says what to take instead."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_spoco._qt.layers.image_axes import axes_of, n_channels, spatial_axes, voxel_size
from napari_spoco._qt.layers.image_look import is_bright
from napari_spoco._qt.model.model_headers import header_of
from napari_spoco._qt.notices import FEWEST_NEW_STEPS
from napari_spoco._qt.train.run_folders import model_name
from napari_spoco.data.channels import count_channels, take_channels
from napari_spoco.models.registry import RUN_MODELS, describe_shipped, shipped_models, shipped_path

if TYPE_CHECKING:
    from napari.layers import Layer


def find_mismatch(model_path: str | None, image: Layer | None, channels: tuple[int, ...] | None) -> str:
    """Say why a model cannot be used on an image, and what can; empty where it can, or nothing is known.

    Parameters
    ----------
    model_path, image
        What is in use, and what is chosen.
    channels
        The chosen ones of the image, counted from 0; those of the model if None.
    """
    if model_path is None or image is None or not axes_of(image):
        return ""
    try:
        header = header_of(model_path)
    except ValueError:
        return ""
    wanted, ndim, n = header.network, len(spatial_axes(image)), n_channels(image)
    n_taken = _count_taken(n, channels or header.channels)
    model = model_name(model_path)
    if ndim != wanted.ndim:
        advice = _advice(image, ndim, n_taken)
        return f"{model} is for {wanted.ndim}D images, and “{image.name}” is {ndim}D: take {advice}."
    if n_taken != wanted.in_channels:
        chosen = f"{n_taken} of “{image.name}” are chosen" if channels else f"“{image.name}” has {n}"
        takes = f"{model} takes {count_channels(wanted.in_channels)}, and {chosen}"
        if n > wanted.in_channels:
            return f"{takes}: choose {wanted.in_channels} of its channels under Annotate, or take a new model."
        return f"{takes}: take {_advice(image, ndim, n_taken)}."
    return ""


def find_unknown_size(model_path: str | None, image: Layer | None, *, is_offered: bool = False) -> str:
    """Say that a model knows the size of its voxels, but not that of the image's; empty where that is not so.

    Parameters
    ----------
    model_path, image
        What is in use, and what is chosen.
    is_offered
        Whether the size can be taken from the image's file in Annotate.
    """
    if model_path is None or image is None or not axes_of(image) or voxel_size(image) is not None:
        return ""
    try:
        size = header_of(model_path).voxel_size
    except ValueError:
        return ""
    if size is None or len(size) != len(spatial_axes(image)):
        return ""
    what = "voxel" if len(size) > 2 else "pixel"
    steps = " \u00d7 ".join(f"{step:.4g}" for step in size)
    trained = f"{model_name(model_path)} was trained at {steps} µm a {what}"
    todo = "The file says it: press Use in Annotate" if is_offered else "Enter it in Annotate"
    return f"{trained}; the {what} size of this image is not known, so it is taken as it is. {todo}."


def find_unlike(model_path: str | None, image: Layer | None) -> str:
    """Say that a shipped model has learned from images that look quite otherwise; empty where that is not known."""
    shipped = [name for name in shipped_models() if model_path == str(shipped_path(name))]
    if image is None or not shipped or not is_bright(image):
        return ""
    return (
        f"{shipped[0]} has learned from bright objects on dark ground, and “{image.name}” is bright: it will hardly "
        "find what you look for. Train a new model."
    )


def find_few_steps(model_path: str | None, image: Layer | None, run_folder: str | None) -> str:
    """Say that a model has learned for too few steps, and what to do; empty where that is not so, or not known.

    The steps of the model that it was fine-tuned from count, and those after the best one of its training.

    Parameters
    ----------
    model_path, image
        What is in use, and what is chosen.
    run_folder
        Of the training that can be resumed; None where there is none.
    """
    if model_path is None or image is None or not axes_of(image):
        return ""
    path = Path(model_path)
    n_steps = max(map(_count_steps, (path, path.with_name(RUN_MODELS[-1])) if path.name in RUN_MODELS else (path,)))
    if not 0 < n_steps < FEWEST_NEW_STEPS:
        return ""
    is_resumable = run_folder is not None and path.parent == Path(run_folder)
    button = "Resume (Start from: the last run)" if is_resumable else "Fine-tune"
    known = () if is_bright(image) else suitable_models(len(spatial_axes(image)), n_channels(image))
    other = f", or start from {' or '.join(known)}" if known else ""
    return (
        f"{model_name(model_path)} has learned for {n_steps} steps only, and may take the pieces of an object for "
        f"objects: go on in the tab Train with {button}{other}."
    )


def _count_steps(path: Path) -> int:
    """Return for how many steps a model was trained; 0 where that is not known."""
    try:
        return header_of(path).n_steps
    except ValueError:
        return 0


def suitable_models(ndim: int, n_taken: int) -> tuple[str, ...]:
    """Return the shipped models for images of so many spatial axes, of which so many channels are taken."""
    if n_taken != 1:  # No shipped model knows others.
        return ()
    return tuple(name for name in shipped_models() if describe_shipped(name).startswith(f"{ndim}D"))


def _advice(image: Layer, ndim: int, n_taken: int) -> str:
    known = () if is_bright(image) else suitable_models(ndim, n_taken)
    return f"{' or '.join(known)}, or a new model" if known else "another model, or a new one"


def _count_taken(n: int, channels: tuple[int, ...] | None) -> int:
    """Return how many channels of an image of `n` are taken; all where it has no such channels."""
    try:
        return len(take_channels(np.empty((n, 0)), channels))
    except ValueError:
        return n
