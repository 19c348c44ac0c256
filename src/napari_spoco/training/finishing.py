"""From the weights of a run to a model that others can use: on the CPU, with a card that says what it has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.config import Method, SegmentationConfig
from napari_spoco.data.annotations import BACKGROUND
from napari_spoco.data.object_sizes import median_object_size
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, TrainingHistory
from napari_spoco.models.network import UNet
from napari_spoco.segmentation.agreement import agreement, best_class_settings
from napari_spoco.segmentation.foreground import radius_from_annotations
from napari_spoco.segmentation.pixel_classes import class_probabilities
from napari_spoco.segmentation.prediction import split_outputs
from napari_spoco.segmentation.readout import ReadoutContext, read_out
from napari_spoco.segmentation.view import USUAL_SMOOTHING
from napari_spoco.training.preview import annotated_box, embed_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from numpy.typing import NDArray

    from napari_spoco.config import LossConfig
    from napari_spoco.training.inputs import TrainingImage
    from napari_spoco.training.reports import StepReport
    from napari_spoco.training.scale import VoxelSize

Weights = dict[str, "torch.Tensor"]
_MEASURED_PIXELS = 2_000_000
_MOST_LOSSES = 500
_DOUBTFUL = 0.1
"""By how much more the mutex watershed of embeddings alone has to agree. It has the painted objects before it has the
others: where it agreed a little better, in five trainings on EM, it was worse four times, by up to .12 of SBD."""
_READOUTS: dict[int, tuple[tuple[Method, bool, float], ...]] = {
    2: (("mutex_watershed", True, 0.0), ("pixel_classes", True, 0.0), ("mutex_watershed", False, _DOUBTFUL)),
    3: (
        ("mutex_watershed", True, 0.0),
        ("pixel_classes", True, 0.0),
        ("mutex_watershed", False, _DOUBTFUL),
        ("edges", False, 0.0),
    ),
}
"""Methods from which a model that classifies pixels has its own, whether pixel classes say where objects may be, and
by how much more they have to agree: after few steps, or in tissue, a model may be better off without."""
_GIANT = 20
"""Times the median annotated object: such objects are none."""


class ModelMaker:
    """Makes models of a run.

    Parameters
    ----------
    start
        Card of the model that the run starts from.
    loss, patch_shape
        Settings that the card tells.
    rim
        Width of what is outside around painted objects (`training/pixel_classes.py`), in pixels.
    voxel_size
        Of the run, with its units; that of `start` if None.
    device
        Where the models are tried.
    """

    def __init__(
        self,
        start: ModelCard,
        loss: LossConfig,
        patch_shape: tuple[int, ...],
        *,
        rim: int,
        voxel_size: VoxelSize | None,
        device: torch.device,
    ) -> None:
        self._device, self._rim = device, rim
        size, units = voxel_size or (start.voxel_size, start.units)
        self._card = start.model_copy(
            update={
                "delta_var": loss.delta_var,
                "delta_dist": loss.delta_dist,
                "kernel_threshold": loss.kernel_threshold,
                "background_embedding": loss.background_embedding,
                "patch_shape": patch_shape,
                "voxel_size": size,
                "units": units,
            }
        )

    @property
    def voxel_size(self) -> tuple[float, ...] | None:
        """Voxel size that the models are for."""
        return self._card.voxel_size

    def make(
        self,
        weights: tuple[Weights, Weights | None],
        images: Sequence[TrainingImage],
        reports: Sequence[StepReport],
        *,
        is_measured: bool,
    ) -> EmbeddingModel:
        """Return a model with these weights of student and teacher, as it was after these steps on these images.

        `is_measured` embeds the annotated objects, which takes seconds, to tell what read-outs have to know of them.
        """
        card = self._card.model_copy(
            update={
                "median_object_size": median_object_size((image.annotations, image.voxel_size) for image in images),
                "history": _history(self._card.history, images, reports),
                "knows_outside": self._card.knows_outside or self._rim > 0 or _show_background(images),
            }
        )
        student, teacher = (_network(card, own) for own in weights)
        if student is None:
            raise AssertionError("a model has a student")
        if teacher is not None:
            teacher.requires_grad_(requires_grad=False)
        if is_measured:
            card = card.model_copy(update=_measure((teacher or student).to(self._device), card, images))
        return EmbeddingModel(student, card, teacher).to("cpu")


def _history(start: TrainingHistory, images: Sequence[TrainingImage], reports: Sequence[StepReport]) -> TrainingHistory:
    if not reports:
        return start
    thinned = reports[:: max(1, len(reports) // _MOST_LOSSES)]
    return TrainingHistory(
        steps=start.steps + len(reports),
        seconds=start.seconds + (reports[-1].elapsed if reports else 0.0),
        n_images=len(images),
        n_objects=sum(image.annotations.n_objects for image in images),
        loss_steps=tuple(report.step for report in thinned),
        losses=tuple(report.terms.total for report in thinned),
    )


def _show_background(images: Sequence[TrainingImage]) -> bool:
    return any((image.annotations.labels == BACKGROUND).any() for image in images)


def _network(card: ModelCard, weights: Weights | None) -> UNet | None:
    if weights is None:
        return None
    network = UNet(card.network)
    network.load_state_dict(weights)
    return network.eval()


def _measure(network: UNet, card: ModelCard, images: Sequence[TrainingImage]) -> dict[str, Any]:
    """Measure on some images what read-outs need to know; nothing without an object.

    That is how far annotated objects are embedded from the background, how sure of a pixel's class one has to be, how
    small objects may be, and which method agrees best with what was painted.
    """
    embeddings, contexts, labels, n_pixels = [], [], [], 0
    for data in images:
        painted = data.annotations.labels
        box = annotated_box(painted, network.config) if data.annotations.n_objects else None
        if box is not None and n_pixels < _MEASURED_PIXELS and (painted[box] > 0).any():
            image = data.image[(slice(None), *box)]
            own, scores = split_outputs(embed_box(network, image), network.config)
            embeddings.append(own)
            # Other images come without annotations.
            contexts.append(ReadoutContext(image=image, class_scores=scores))
            labels.append(painted[box])
            n_pixels += labels[-1].size
    if not embeddings:
        return {}
    found: dict[str, Any] = {
        "foreground_radius": radius_from_annotations(embeddings, labels, smoothing=USUAL_SMOOTHING)
    }
    if network.config.pixel_classes:
        known = [context.class_scores for context in contexts]
        probabilities = [class_probabilities(own, USUAL_SMOOTHING, scale=card.voxel_size) for own in known]
        best = best_class_settings(probabilities, labels, object_size=card.median_object_size or 0.0)
        found |= {"class_threshold": best.threshold, "smallest_share": best.smallest_share}
        found |= _best_readout(card.model_copy(update=found), embeddings, contexts, labels)
    return found


def _best_readout(
    card: ModelCard,
    embeddings: Sequence[NDArray[np.float32]],
    contexts: Sequence[ReadoutContext],
    labels: Sequence[NDArray[np.int32]],
) -> dict[str, Any]:
    """Return the method, and whether pixel classes tell the outside, that agree best with what was painted.

    The first of equals; the classes tell no outside to a model that was shown none. Where there are no strokes, nothing
    that was painted tells that all of a background became one object, but its size does.
    """

    def judge(choice: dict[str, Any], handicap: float) -> float:
        chosen = card.model_copy(update=choice)
        pairs = zip(embeddings, contexts, strict=True)
        found = [read_out(own, chosen, SegmentationConfig(), about).labels for own, about in pairs]
        return agreement(found, labels) * (1 - _share_of_giants(found, card.median_object_size or 0.0)) - handicap

    choices = [
        ({"method": method, "knows_outside": card.knows_outside and by_classes}, handicap)
        for method, by_classes, handicap in _READOUTS[card.network.ndim]
    ]
    best, _ = max(choices, key=lambda choice: judge(*choice))
    return best


def _share_of_giants(found: Sequence[NDArray[np.uint32]], object_size: float) -> float:
    """Return how much of the images lies in objects that are far larger than the median annotated one."""
    sizes = [np.bincount(labels.ravel())[1:] for labels in found]
    in_giants = sum(int(own[own > _GIANT * object_size].sum()) for own in sizes)
    return in_giants / sum(labels.size for labels in found)
