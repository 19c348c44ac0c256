"""What a model was trained on, shown to it again while it is fine-tuned, so that a few objects do not make it forget.

A model's card names where its data come from (`ReplaySpec`): made on the fly, or shipped beside the model. Every object
in them is annotated. They take a share of the patches of each batch and have no part in anything else: neither in the
score nor in the history or the sizes of the model's card.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.config import AnnotationConfig
from napari_spoco.data.annotations import SparseAnnotations
from napari_spoco.data.tiff import read_series
from napari_spoco.data.tissue import tissue_stack
from napari_spoco.data.tissue_rendering import CLEAN, HARD
from napari_spoco.models.registry import shipped_data
from napari_spoco.training.inputs import TrainingImage, at_scale, prepare_images
from napari_spoco.training.scale import TrainingScale

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_spoco.config import TrainingConfig
    from napari_spoco.models.checkpoint import ModelCard, ReplaySpec

_SHARE = 0.5
_MEMBRANE_SHAPE = (48, 128, 128)

Data = tuple[list["NDArray[Any]"], list[SparseAnnotations]]


@dataclass(frozen=True)
class Replay:
    """The replayed images, at the voxel size of the run, and their share of the patches."""

    images: list[TrainingImage]
    share: float
    notice: str

    @classmethod
    def prepare(cls, card: ModelCard, share: float, scale: TrainingScale) -> Replay:
        """Make or read the data that a card names.

        Raises
        ------
        ValueError
            There is no source of that name, or its images are not what the network takes.
        """
        spec = card.replay
        if spec is None or spec.source not in SOURCES:
            raise ValueError(
                f"start_from: expected training data from one of {', '.join(SOURCES)}, got "
                f"{spec and spec.source!r}; with replay = 0 none are needed"
            )
        images, annotations = SOURCES[spec.source](spec)
        size = (spec.voxel_size, ("micrometer",) * len(spec.voxel_size)) if spec.voxel_size else None
        own_scale = TrainingScale(scale.voxel_size if size else None, (size,) * len(images))
        prepared = prepare_images(
            images, annotations, card.normalization, config=AnnotationConfig(), dense=True, scale=own_scale
        )
        kind, wanted = prepared[0].image, card.network
        if (kind.ndim - 1, len(kind)) != (wanted.ndim, wanted.in_channels):
            raise ValueError(
                f"start_from: expected replayed images as the network takes them ({wanted.ndim}D, "
                f"{wanted.in_channels} channels), got {kind.ndim - 1}D and {len(kind)} from {spec.source!r}"
            )
        notice = f"So that the model does not forget, {share:.0%} of what it sees are images it was trained on before."
        return cls(prepared, share, notice)

    def count(self, batch_size: int, rng: np.random.Generator) -> int:
        """Return how many patches of a batch are replayed, in the mean the share of them."""
        return int(self.share * batch_size + rng.random())


def replay_share(config: TrainingConfig, card: ModelCard) -> float:
    """Return which share of the patches is replayed, when a run begins with a model of this card."""
    if card.replay is None or not card.history.steps:
        return 0.0
    return _SHARE if config.replay is None else config.replay


def make_membranes(spec: ReplaySpec) -> Data:
    """Make stacks of tissue with stained membranes, clean and hard ones in turn."""
    stacks = [
        tissue_stack(
            spec.shape or _MEMBRANE_SHAPE,
            rng=np.random.default_rng((spec.seed, index)),
            scale=spec.voxel_size,
            appearance=HARD if index % 2 else CLEAN,
        )
        for index in range(spec.n_images)
    ]
    return [stack.image for stack in stacks], [_dense(stack.labels) for stack in stacks]


def read_nuclei(spec: ReplaySpec) -> Data:
    """Read some of the fluorescent nuclei that `nuclei-small` was trained on."""
    images, labels = (read_series(path).array[: spec.n_images] for path in shipped_data("nuclei"))
    return list(images), [_dense(array) for array in labels]


def _dense(labels: NDArray[Any]) -> SparseAnnotations:
    """State that every object is annotated; what the border of the image has cut down to nothing is ignored."""
    return at_scale(SparseAnnotations.from_labels(labels, dense=True), None)


SOURCES: dict[str, Callable[[ReplaySpec], Data]] = {"membranes": make_membranes, "nuclei": read_nuclei}
"""By the name in a model's card."""
