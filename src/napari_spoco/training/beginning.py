"""What a run begins with: nothing, a model, or what an earlier run has kept in its folder."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_spoco.config import TrainingConfig
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard
from napari_spoco.training.run_folder import RunFolder
from napari_spoco.training.scale import TrainingScale, choose_scale

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from napari_spoco.config import Normalization
    from napari_spoco.training.run_folder import State
    from napari_spoco.training.scale import VoxelSize


@dataclass(frozen=True, eq=False)
class Beginning:
    """The settings of a run, with what stays as its model has it.

    Attributes
    ----------
    config
        Of the run; channels and background are those of the model that it starts from, unless told otherwise.
    start_from
        A copy of the model, which the run may train; None for a new one. Its weights are those of `state` in a run that
        is resumed.
    folder, state
        Where the run is kept, if anywhere, and what it goes on from, if it was stopped.
    """

    config: TrainingConfig
    start_from: EmbeddingModel | None
    folder: RunFolder | None
    state: State | None

    @classmethod
    def find(
        cls,
        config: TrainingConfig | None,
        start_from: EmbeddingModel | None,
        folder: str | os.PathLike[str] | None,
        *,
        resume: bool,
    ) -> Beginning:
        """Read what there is; parameters and errors as those of the trainer."""
        if resume and folder is None:
            raise ValueError("folder: expected the folder of the training to resume, got None.")
        kept = RunFolder(folder, keep=resume) if folder is not None else None
        state = kept.load_state() if kept and resume else None
        if state is not None:
            config = config or TrainingConfig.model_validate_json(state["config"])
            model = EmbeddingModel.create(ModelCard.model_validate_json(state["card"]))
            # Its channels are the law for its own run.
            return cls(config.model_copy(update={"channels": model.card.channels}), model, kept, state)
        config = config or TrainingConfig()
        if start_from is None:
            return cls(config, None, kept, None)
        card = start_from.card
        # A training at a low rate does not move the background.
        loss = config.loss.model_copy(update={"background_embedding": card.background_embedding})
        config = config.model_copy(update={"channels": config.channels or card.channels, "loss": loss})
        return cls(config, copy.deepcopy(start_from), kept, None)

    @property
    def normalization(self) -> Normalization:
        """Of the images."""
        return self.start_from.card.normalization if self.start_from else self.config.normalization

    def scale(self, given: Sequence[VoxelSize | None]) -> TrainingScale:
        """Return to which voxel size the images, whose own is given if known, are resampled."""
        if self.state is not None:
            return TrainingScale.from_state(self.state.get("scale"), given)
        of_model = self.start_from.card.known_voxel_size if self.start_from else None
        return choose_scale(given, of_model=of_model, wanted=self.config.voxel_size)
