"""The network of a model that has not embedded an image: embeds it when the two are to be compared. No Qt.

What it says takes as much room as what the first one said. It is kept on disk and mapped, as that is; where that cannot
be, or both would not stay there together, it is refused in words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_spoco._qt.embeddings.embedding_source import find_model
from napari_spoco._qt.embeddings.embedding_store import MAX_BYTES
from napari_spoco._qt.embeddings.prediction_job import Predictor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_spoco._qt.embeddings.embedding_source import ModelFile
    from napari_spoco._qt.embeddings.embedding_store import EmbeddingStore
    from napari_spoco._qt.jobs.worker import JobContext

_IN_MEMORY = 256 << 20
"""Bytes that they may take where they cannot be kept on disk."""


@dataclass(frozen=True, eq=False)
class OtherNetwork:
    """Embeds what the first network has embedded.

    Attributes
    ----------
    key : str
        As `EmbeddedImage.key`, of this network.
    image : ndarray
        (C, *spatial) at the model's voxel size, of the channels that it takes.
    model : ModelFile
        As it was when the first network embedded the image.
    n_dims : int
        Of an embedding; what else the network says does not count.
    device : str
        Where it predicts.
    store : EmbeddingStore
        What has been predicted.
    is_on_disk : bool
        Whether the embeddings of the first network are kept there.
    """

    key: str
    image: NDArray[Any]
    model: ModelFile
    n_dims: int
    device: str
    store: EmbeddingStore
    is_on_disk: bool

    def find(self) -> NDArray[np.float16] | None:
        """Return its embeddings (E, *spatial), if they are known; to be read only."""
        kept = self.store.find(self.key)
        return None if kept is None else kept[: self.n_dims]

    def embed(self, job: JobContext) -> NDArray[np.float16]:
        """Return its embeddings (E, *spatial), to be read only; they are predicted if they are not known.

        Raises
        ------
        ValueError, OSError
            The file of the model holds another one now, or the image is too large; a sentence for the user.
        PredictionStopped
            The job was cancelled.
        """
        from napari_spoco.models.checkpoint import load_model

        kept = self.find()
        if kept is not None:
            return kept
        if find_model(self.model.path) != self.model:
            raise ValueError("the file of the model has changed since the image was embedded")
        assert self.model.path is not None
        model = load_model(self.model.path).with_channels(None)
        n_bytes = 2 * model.config.n_outputs * math.prod(self.image.shape[1:])
        if n_bytes > (MAX_BYTES // 2 if self.is_on_disk else _IN_MEMORY):
            raise ValueError(f"the image is too large to keep the embeddings of both ({n_bytes / 1e9:.1f} GB each)")
        return Predictor(job, self.store, model, self.device).predict(self.key, self.image)[: self.n_dims]
