"""Every parameter that a person may set, with its default, bounds, unit and help.

Forms, the command line and model files all read these models; no default stands anywhere else.
What a parameter does to the data is the business of the module that takes it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Ndim = Literal[2, 3]
Norm = Literal["batch", "group"]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


def setting(default: Any, title: str, description: str, *, unit: str = "", **bounds: Any) -> Any:
    """Declare a parameter: `title` labels it in forms, `description` is its tooltip, `unit` stands behind it."""
    return Field(default, title=title, description=description, json_schema_extra={"unit": unit}, **bounds)


class Parameters(BaseModel):
    """Base of all parameter models: immutable, and unknown names are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Normalization(Parameters):
    """Per image and channel: `lower` percentile to 0, `upper` percentile to 1, without clipping."""

    lower: float = setting(1.0, "Dark percentile", "Mapped to 0.", unit="%", ge=0, lt=100)
    upper: float = setting(99.8, "Bright percentile", "Mapped to 1.", unit="%", gt=0, le=100)


class NetworkConfig(Parameters):
    """Architecture of the U-Net that maps an image to embeddings."""

    ndim: Ndim = setting(2, "Dimensions", "2 for planes, 3 for stacks.")
    in_channels: int = setting(1, "Channels", "Image channels.", ge=1)
    embedding_dim: int = setting(16, "Embedding size", "Length of the vector of each pixel.", ge=2)
    feature_maps: tuple[int, ...] = setting(
        (16, 32, 64, 128), "Feature maps", "Per level, from full resolution down.", min_length=2
    )
    norm: Norm = setting("batch", "Normalisation", "Batch for natural images, group for EM and 3D.")
    groups: int = setting(8, "Groups", "Groups of the group normalisation.", ge=1)

    @property
    def stride(self) -> int:
        """Pixels of the image per pixel of the lowest level, along each axis."""
        return int(2 ** (len(self.feature_maps) - 1))


class LossConfig(Parameters):
    """The SPOCO loss (docs/method.md); the defaults are the paper's."""

    delta_var: float = setting(0.5, "Pull margin", "Pixels closer to their instance mean are left alone.", gt=0)
    delta_dist: float = setting(2.0, "Push margin", "Half the distance that instance means must keep.", gt=0)
    kernel_threshold: float = setting(0.9, "Kernel threshold", "Soft mask at the pull margin.", gt=0, lt=1)
    pull_weight: float = setting(1.0, "Pull", "Weight of the pull term.", ge=0)
    push_weight: float = setting(1.0, "Push", "Weight of the push term.", ge=0)
    regularizer_weight: float = setting(0.001, "Regularizer", "Weight of the length of the means.", ge=0)
    instance_weight: float = setting(1.0, "Instance", "Weight of the soft Dice of the objects.", ge=0)
    unlabeled_push_weight: float = setting(1.0, "Unlabeled push", "Weight of the push of unlabeled pixels.", ge=0)
    consistency_weight: float = setting(1.0, "Consistency", "Weight of the student-teacher agreement.", ge=0)
    instance_anchor: Literal["pixel", "mean"] = setting(
        "pixel", "Anchor", "What stands for an object: one of its pixels (paper) or its mean (released code)."
    )
    instance_dice: Literal["per_object", "pooled"] = setting(
        "per_object", "Dice", "One Dice per object (paper) or one over all objects (released code)."
    )
    unlabeled_push_over: Literal["all", "ball"] = setting(
        "all", "Unlabeled push over", "Average over all unlabeled pixels (paper) or those inside the push margin."
    )
    max_anchors: int = setting(20, "Anchors", "Most anchors of the consistency term per image.", ge=1)
    min_unlabeled: Fraction = setting(0.05, "Least unlabeled", "Share of the image below which anchors stop.")


class AugmentationConfig(Parameters):
    """Random changes of the patches: geometry is shared by the two views, appearance is drawn for each."""

    flip: bool = setting(True, "Flip", "Mirror each axis with probability 1/2.")
    rotate: bool = setting(True, "Rotate", "Turn in the plane by any angle.")
    scaling: float = setting(0.2, "Scaling", "Largest relative change of size.", ge=0, lt=1)
    noise: float = setting(0.05, "Noise", "Largest standard deviation, in normalised intensity.", ge=0)
    blur: float = setting(1.0, "Blur", "Largest standard deviation.", unit="pixels", ge=0)
    gamma: float = setting(0.0, "Gamma", "Exponents are drawn between 1 / (1 + this) and 1 + this.", ge=0)
    contrast: float = setting(0.25, "Contrast", "Largest relative change of contrast and brightness.", ge=0, lt=1)


class TrainingConfig(Parameters):
    """One training run. What is None is chosen for the data and the device when the run starts.

    The defaults are for a run of minutes: a higher rate than the paper's, and more weight on the agreement with the
    teacher, without which the background falls into several clusters (benchmarks/demo_settings.py). `PAPER_TRAINING`
    has the paper's values.
    """

    max_steps: int = setting(1500, "Steps", "The run ends after so many steps ...", ge=1)
    max_minutes: float | None = setting(4.0, "Minutes", "... or after so many minutes.", unit="min", gt=0)
    patch_shape: tuple[int, ...] | None = setting(None, "Patch", "Shape of a training patch, (Z)YX.", unit="pixels")
    batch_size: int | None = setting(None, "Batch", "Patches per step.", ge=1)
    learning_rate: float = setting(1e-3, "Learning rate", "Peak rate of Adam.", gt=0)
    weight_decay: float = setting(1e-5, "Weight decay", "Of Adam.", ge=0)
    schedule: Literal["cosine", "constant"] = setting("cosine", "Schedule", "Course of the learning rate.")
    momentum: float = setting(0.999, "Teacher momentum", "Share of itself that the teacher keeps per step.", ge=0, lt=1)
    embedding_dim: int = setting(16, "Embedding size", "Length of the vector of each pixel.", ge=2)
    feature_maps: tuple[int, ...] | None = setting(None, "Feature maps", "Per level, from full resolution down.")
    norm: Norm | None = setting(None, "Normalisation", "Batch for natural images, group for EM and 3D.")
    device: str = setting("auto", "Device", "auto, cpu, cuda, cuda:1, mps.")
    precision: Literal["auto", "float32", "bfloat16"] = setting(
        "auto", "Precision", "Of the network; the loss is always computed in float32."
    )
    threads: int | None = setting(None, "Threads", "CPU threads of the training.", ge=1)
    preview_seconds: float = setting(
        5.0, "Preview", "Least time between two pictures of the embeddings.", unit="s", ge=0
    )
    seed: int = setting(0, "Seed", "Same seed, same run (on the CPU).", ge=0)
    normalization: Normalization = Normalization()
    loss: LossConfig = LossConfig(consistency_weight=3.0)
    augmentation: AugmentationConfig = AugmentationConfig()


PAPER_TRAINING = TrainingConfig(max_steps=80_000, max_minutes=None, learning_rate=2e-4, loss=LossConfig())
"""The paper's settings, for runs of many hours."""


class SegmentationConfig(Parameters):
    """From embeddings to objects by mutex watershed."""

    foreground: Literal["none", "intensity", "embedding"] = setting(
        "none",
        "Foreground",
        "Where objects may be: anywhere, where the image is bright, or where embeddings are far from the "
        "background's. A mask layer goes before it.",
    )
    foreground_radius: float | None = setting(
        None,
        "Foreground radius",
        "Embeddings farther than this from the background's are foreground; taken from the annotated objects if empty.",
        gt=0,
    )
    fragment_size: int | None = setting(
        None,
        "Fragment size",
        "Smaller segments grow into a neighbour; a third of the median annotated object if empty.",
        unit="pixels",
        ge=0,
    )
    min_size: int | None = setting(
        None,
        "Smallest object",
        "Smaller objects are removed; an eighth of the median annotated object if empty.",
        unit="pixels",
        ge=0,
    )
    background: Literal["none", "largest", "mode"] = setting(
        "mode", "Background", "Which segments are background: none, the largest, or all near its embedding."
    )
    background_radius: float | None = setting(
        None,
        "Background radius",
        "Segments whose mean embedding is closer to the background's are background; taken from the annotated objects "
        "if empty.",
        gt=0,
    )
    smoothing: float = setting(1.0, "Smoothing", "Gaussian smoothing of the embeddings.", unit="pixels", ge=0)
