"""One call from images and masks of a few objects to a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_spoco.models.checkpoint import EmbeddingModel
from napari_spoco.models.reading import read_model
from napari_spoco.training.trainer import Trainer

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_spoco.config import TrainingConfig
    from napari_spoco.training.inputs import Annotations
    from napari_spoco.training.reports import TrainerMessage
    from napari_spoco.training.scale import Sizes, Units
    from napari_spoco.training.trainer import TrainingResult


def train(
    images: Sequence[NDArray[Any]],
    annotations: Sequence[Annotations],
    *,
    start_from: EmbeddingModel | str | os.PathLike[str] | None = None,
    config: TrainingConfig | None = None,
    stop: Callable[[], bool] | None = None,
    on_report: Callable[[TrainerMessage], None] | None = None,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
    more: bool = False,
    voxel_size: Sizes | Sequence[Sizes] | None = None,
    units: Units | Sequence[Units] | None = None,
) -> TrainingResult:
    """Train a model from masks of a few objects (SPOCO, Wolny et al., CVPR 2022).

    Parameters
    ----------
    images
        Images of shape (*spatial) or (C, *spatial), 2D or 3D, all with the same number of axes and of channels, of
        which those of `config.channels` are taken.
    annotations
        Per image an integer array (*spatial): 0 is unlabeled, every other id one object (`config.annotations` gives
        ids other meanings); or `SparseAnnotations`; or an `AnnotationStore`, into which may be painted meanwhile.
    start_from
        A model, or the path of one (as the function `load_model`, or a package or checkpoint of others), to fine-tune.
    config
        Settings; what is None there is chosen for the data and the device.
    stop
        Asked before every step; True ends the training early.
    on_report
        Called with every report, score, preview and notice.
    folder
        Where the run is kept with its models and logs; it is not kept if None.
    resume
        Go on with the run in `folder`, with the same images, as if it had never been stopped.
    more
        Go on with a resumed run that had come to its end, for the steps and minutes of `config` once more.
    voxel_size, units
        Distance of neighbouring pixels per spatial axis and its unit, of all images or of each. The images are
        resampled to the voxel size of the model, if both are known.

    Returns
    -------
    TrainingResult
        Model on the CPU (the best by the objects left out, else the last), one report per step, the scores, and
        whether the run was stopped.

    Raises
    ------
    ValueError
        An image or an annotation cannot be trained on; the message names it, what was expected and what came.
    MemoryError
        Neither the wanted patches nor half of them fit into the memory of the device.
    OSError
        The folder cannot be written, holds an earlier run, or holds none to resume.
    """
    model = start_from if isinstance(start_from, EmbeddingModel | None) else read_model(start_from)
    trainer = Trainer(
        images,
        annotations,
        start_from=model,
        config=config,
        voxel_size=voxel_size,
        units=units,
        folder=folder,
        resume=resume,
        more=more,
    )
    for report in trainer.run(stop):
        if on_report is not None:
            on_report(report)
    return trainer.result()
