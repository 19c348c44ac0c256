"""Every parameter that a person may set, with its default, bounds, unit and help.

Forms, the command line and model files all read these models; no default stands anywhere else.
What a parameter does to the data is the business of the module that takes it.
"""

from napari_spoco.config.examples import (
    AnnotationConfig,
    AugmentationConfig,
    ValidationConfig,
)
from napari_spoco.config.loss import (
    DISCRIMINATIVE_LOSS,
    AdversarialConfig,
    LossConfig,
)
from napari_spoco.config.network import (
    PIXEL_CLASSES,
    Activation,
    Ndim,
    NetworkConfig,
    Norm,
    Normalization,
)
from napari_spoco.config.parameters import (
    Channels,
    Fraction,
    Parameters,
    setting,
)
from napari_spoco.config.segmentation import (
    BatchConfig,
    Foreground,
    Method,
    SegmentationConfig,
)
from napari_spoco.config.training import (
    PAPER_TRAINING,
    TRAINING_PRESETS,
    TrainingConfig,
)

__all__ = [
    "DISCRIMINATIVE_LOSS",
    "PAPER_TRAINING",
    "PIXEL_CLASSES",
    "TRAINING_PRESETS",
    "Activation",
    "AdversarialConfig",
    "AnnotationConfig",
    "AugmentationConfig",
    "BatchConfig",
    "Channels",
    "Foreground",
    "Fraction",
    "LossConfig",
    "Method",
    "Ndim",
    "NetworkConfig",
    "Norm",
    "Normalization",
    "Parameters",
    "SegmentationConfig",
    "TrainingConfig",
    "ValidationConfig",
    "setting",
]
