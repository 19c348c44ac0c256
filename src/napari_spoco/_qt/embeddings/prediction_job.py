"""What a network says of an image, or of a part of one: predicted in a job's thread, unless it is kept. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_spoco._qt.jobs.job_steps import JobStep

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_spoco._qt.embeddings.embedding_store import EmbeddingStore
    from napari_spoco._qt.jobs.worker import JobContext
    from napari_spoco.data.images import GreyValues
    from napari_spoco.models.checkpoint import EmbeddingModel


@dataclass(frozen=True)
class PredictionProgress:
    """Tiles done, and in all."""

    n_done: int
    n_tiles: int


@dataclass(frozen=True, eq=False)
class Predictor:
    """Predicts for a job, and tells it how far it is.

    Attributes
    ----------
    job : JobContext
        May be cancelled between tiles.
    store : EmbeddingStore
        What has been predicted, and where it is kept.
    model : EmbeddingModel
        For images of the channels that it takes.
    device : str
        Where it predicts.
    grey_values : tuple of tuple of float
        Of the whole image, where parts of it are predicted; None = those of what is predicted.
    """

    job: JobContext
    store: EmbeddingStore
    model: EmbeddingModel
    device: str
    grey_values: GreyValues | None = None

    def predict(self, key: str, image: NDArray[Any]) -> NDArray[np.float16]:
        """Return all that the network says of an image (C, *spatial): (n_outputs, *spatial), to be read only.

        The key tells images, models and networks apart; it ends with the name of the network.
        """
        from napari_spoco.segmentation.prediction import predict_outputs
        from napari_spoco.training.devices import choose_device

        def fill(out: NDArray[np.float16]) -> None:
            self.job.report(JobStep("Starting the model"))
            predict_outputs(
                self.model.to(choose_device(self.device)),
                image,
                teacher=key.endswith("teacher"),
                out=out,
                stop=self.job.is_cancelled,
                on_progress=self._on_progress,
                grey_values=self.grey_values,
            )

        return self.store.get(key, (self.model.config.n_outputs, *image.shape[1:]), fill)

    def _on_progress(self, n_done: int, n_tiles: int) -> None:
        if n_done == 1:
            self.job.report(JobStep("Computing the embeddings"))
        self.job.report(PredictionProgress(n_done, n_tiles))
