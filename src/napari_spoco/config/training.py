"""Training: the loss, the patches, what is painted, the course of a run, and presets of all that."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from napari_spoco.config.network import Norm, Normalization
from napari_spoco.config.parameters import Channels, Fraction, Parameters, setting


class LossConfig(Parameters):
    """The SPOCO loss (docs/method.md); the defaults are the paper's."""

    supervision: Literal["sparse", "dense", "dense_consistency"] = setting(
        "sparse",
        "What is not annotated",
        "sparse: unknown. dense: background, since every object is annotated. dense consistency: background, and "
        "student and teacher agree on the whole image.",
    )
    delta_var: float = setting(0.5, "Pull margin", "Pixels closer to their instance mean are left alone.", gt=0)
    delta_dist: float = setting(2.0, "Push margin", "Half the distance that instance means must keep.", gt=0)
    kernel_threshold: float = setting(0.9, "Kernel threshold", "Soft mask at the pull margin.", gt=0, lt=1)
    pull_weight: float = setting(1.0, "Pull", "Weight of the pull term.", ge=0)
    push_weight: float = setting(1.0, "Push", "Weight of the push term.", ge=0)
    regularizer_weight: float = setting(0.001, "Regularizer", "Weight of the length of the means.", ge=0)
    instance_weight: float = setting(1.0, "Instance", "Weight of the soft masks of the objects.", ge=0)
    unlabeled_push_weight: float = setting(1.0, "Unlabeled push", "Weight of the push of unlabeled pixels.", ge=0)
    consistency_weight: float = setting(1.0, "Consistency", "Weight of the student-teacher agreement.", ge=0)
    pixel_classes_weight: float = setting(
        0.0,
        "Pixel classes",
        "Weight of telling outside, inside and border of painted objects apart; a new network does so if it is above 0 "
        "(not in the paper).",
        ge=0,
    )
    instance_anchor: Literal["pixel", "mean"] = setting(
        "pixel", "Anchor", "What stands for an object: one of its pixels (paper) or its mean (released code)."
    )
    instance_loss: Literal["dice", "bce"] = setting(
        "dice", "Instance loss", "How soft masks are compared with painted masks: Dice or binary cross-entropy."
    )
    instance_dice: Literal["per_object", "pooled"] = setting(
        "per_object", "Dice", "One Dice per object (paper) or one over all objects (released code)."
    )
    background_embedding: Literal["mean", "origin"] = setting(
        "mean",
        "Background's embedding",
        "Where painted background is pulled to: the mean of its pixels in a patch (paper), or zero, which is the same "
        "in all patches and images, and from which objects keep away. As in the model that a training starts from.",
    )
    background_instance: bool = setting(
        True,
        "Background as object",
        "Where a patch is annotated throughout, its background has a soft mask too (paper; not in the released code).",
    )
    unlabeled_push_over: Literal["all", "ball"] = setting(
        "all", "Unlabeled push over", "Average over all unlabeled pixels (paper) or those inside the push margin."
    )
    max_anchors: int = setting(20, "Anchors", "Most anchors of the consistency term per image.", ge=1)
    min_unlabeled: Fraction = setting(0.05, "Least unlabeled", "Share of the image below which anchors stop.")


DISCRIMINATIVE_LOSS = LossConfig(instance_weight=0.0, unlabeled_push_weight=0.0, consistency_weight=0.0)
"""Pull, push and regularizer alone: the baseline of the paper (De Brabandere et al., 2017)."""


class AugmentationConfig(Parameters):
    """Random changes of the patches: geometry is shared by the two views, appearance is drawn for each."""

    flip: bool = setting(True, "Flip", "Mirror each axis with probability 1/2.")
    rotate: bool = setting(True, "Rotate", "Turn in the plane by any angle.")
    scaling: float = setting(0.2, "Scaling", "Largest relative change of size.", ge=0, lt=1)
    elastic: float = setting(
        2.0, "Elastic", "Largest displacement of a smooth random deformation.", unit="pixels", ge=0
    )
    elastic_spacing: int = setting(32, "Elastic spacing", "Distance over which it changes.", unit="pixels", ge=4)
    noise: float = setting(0.05, "Noise", "Largest standard deviation, in normalised intensity.", ge=0)
    blur: float = setting(1.0, "Blur", "Largest standard deviation.", unit="pixels", ge=0)
    gamma: float = setting(0.0, "Gamma", "Exponents are drawn between 1 / (1 + this) and 1 + this.", ge=0)
    contrast: float = setting(0.25, "Contrast", "Largest relative change of contrast and brightness.", ge=0, lt=1)
    colour: float = setting(
        0.1, "Colour jitter", "Largest relative change of a single channel, where there are several.", ge=0, lt=1
    )
    grayscale: Fraction = setting(0.0, "Grayscale", "Probability of equal channels, where there are several.")


class AnnotationConfig(Parameters):
    """What the values of painted labels state; every other id from 1 is an object, 0 is unlabeled."""

    background_label: int | None = setting(
        None, "Background label", "Id with which background is painted.", ge=1, le=2**31 - 1
    )
    ignore_label: int | None = setting(
        None, "Ignore label", "Id of regions that are to take no part at all.", ge=1, le=2**31 - 1
    )
    painted_in_planes: bool = setting(
        False, "Painted in planes", "Objects are painted in some planes only; in the others they are unknown."
    )


class AdversarialConfig(Parameters):
    """A critic that tells soft masks from painted ones (WGAN-GP, appendix A.1 of the paper); off by default."""

    enabled: bool = setting(False, "Adversarial", "Train a critic of the masks beside the network.")
    weight: float = setting(0.1, "Weight", "Weight of the critic's verdict in the loss.", ge=0)
    critic_steps: int = setting(5, "Critic steps", "Steps of the critic per step of the network.", ge=1)
    gradient_penalty: float = setting(10.0, "Gradient penalty", "Weight of the critic's gradient penalty.", ge=0)
    warm_up: int = setting(50_000, "Warm-up", "Steps before the critic is listened to.", unit="steps", ge=0)
    learning_rate: float = setting(1e-4, "Learning rate", "Of the critic.", gt=0)
    beta1: float = setting(0.5, "Beta 1", "Of Adam, of network and critic.", ge=0, lt=1)
    beta2: float = setting(0.9, "Beta 2", "Of Adam, of network and critic.", ge=0, lt=1)
    feature_maps: tuple[int, ...] = setting(
        (64, 128, 256, 512), "Feature maps", "Of the critic, per level, from full resolution down.", min_length=1
    )


class ValidationConfig(Parameters):
    """Annotated objects that are left out of the training to score it (`training/validation.py`)."""

    left_out: Literal["none", "fraction", "in_turn"] = setting(
        "fraction",
        "Left out",
        "none; a fraction of the objects, always the same; or all of them in turn, one fraction after the other.",
    )
    fraction: float = setting(
        0.1, "Fraction", "Share of the objects that is left out; where that is a single one, none is.", gt=0, le=0.5
    )
    every: int = setting(100, "Every", "Steps between two scores.", unit="steps", ge=1)
    early_stopping: int | None = setting(None, "Early stopping", "End after so many scores without a better one.", ge=1)


class TrainingConfig(Parameters):
    """One training run. What is None is chosen for the data and the device when the run starts.

    The defaults are for a run of minutes: a higher rate than the paper's, more weight on the agreement with the
    teacher, without which the background falls into several clusters (benchmarks/demo_settings.py), and strokes of
    background that are pulled to one embedding, with a rim around objects, and pixels that are classified beside
    (docs/benchmarks.md).
    `TRAINING_PRESETS` has others, the paper's among them.
    """

    max_steps: int = setting(
        1500, "Steps", "The training ends after so many steps, or minutes, whichever comes first.", ge=1
    )
    max_minutes: float | None = setting(
        4.0, "Minutes", "The training ends after so many minutes, or steps, whichever comes first.", unit="min", gt=0
    )
    channels: Channels | None = setting(
        None,
        "Channels",
        "Channels of the images to train on, counted from 0; all, or those of the model it starts from, if empty. The "
        "model remembers them. An image that has just as many channels, but not these, is taken as it is.",
        min_length=1,
    )
    patch_shape: tuple[int, ...] | None = setting(None, "Patch", "Shape of a training patch, (Z)YX.", unit="pixels")
    batch_size: int | None = setting(None, "Batch", "Patches per step and device.", ge=1)
    learning_rate: float = setting(1e-3, "Learning rate", "Peak rate of Adam.", gt=0)
    fine_tuning_factor: float = setting(
        0.1, "Fine-tuning factor", "Times the learning rate, where the run starts from a trained model.", gt=0
    )
    replay: float | None = setting(
        None,
        "Replay",
        "Share of what the network sees that comes from the images that the model it starts from was trained on, so "
        "that it does not forget them; half if empty, where the model has such images.",
        ge=0,
        lt=1,
    )
    voxel_size: tuple[Annotated[float, Field(gt=0)], ...] | None = setting(
        None,
        "Voxel size",
        "What images are resampled to, (Z)YX; that of the model it starts from or of the first image if empty.",
        unit="µm",
    )
    background_rim: int | None = setting(
        None,
        "Background around objects",
        "So many pixels of the plane around a painted object are background too, in images in which some background is "
        "painted; pixels of other painted objects stay theirs. If empty 2 in planes and none in stacks, where cells "
        "often lie wall to wall.",
        unit="pixels",
        ge=0,
    )
    weight_decay: float = setting(1e-5, "Weight decay", "Of Adam.", ge=0)
    schedule: Literal["cosine", "constant", "plateau"] = setting(
        "cosine", "Schedule", "Course of the learning rate; plateau: lowered when the left-out score stops rising."
    )
    plateau_factor: float = setting(0.2, "Plateau factor", "Times the rate, on a plateau.", gt=0, lt=1)
    plateau_patience: int = setting(10, "Plateau patience", "Scores without a better one that make a plateau.", ge=1)
    min_learning_rate: float = setting(1e-6, "Least rate", "On plateaus, the run ends below this rate.", ge=0)
    gradient_clip: float | None = setting(None, "Gradient clip", "Largest norm of the gradient.", gt=0)
    teacher: Literal["momentum", "shared", "dropout", "trained"] = setting(
        "momentum",
        "Teacher",
        "Moving average of the student; the student itself, without or with dropout; or a network of its own.",
    )
    momentum: float = setting(0.999, "Teacher momentum", "Share of itself that the teacher keeps per step.", ge=0, lt=1)
    momentum_ramp: bool = setting(True, "Momentum ramp", "Let the teacher follow faster at first, for short runs.")
    teacher_dropout: float = setting(0.5, "Teacher dropout", "Share of bottleneck maps dropped.", ge=0, lt=1)
    embedding_dim: int = setting(16, "Embedding size", "Length of the vector of each pixel.", ge=2)
    feature_maps: tuple[int, ...] | None = setting(None, "Feature maps", "Per level, from full resolution down.")
    norm: Norm | None = setting(None, "Normalisation", "Batch for natural images, group for EM and 3D.")
    device: str = setting("auto", "Device", "auto, cpu, cuda, cuda:1, mps.")
    devices: int = setting(1, "Devices", "How many of them train together, per machine.", ge=1)
    num_nodes: int = setting(1, "Machines", "How many machines train together.", ge=1)
    precision: Literal["auto", "float32", "bfloat16"] = setting(
        "auto", "Precision", "Of the network; the loss is always computed in float32."
    )
    channels_last: bool = setting(
        True, "Channels last", "Memory layout of 2D networks with batch normalisation; faster on most devices."
    )
    threads: int | None = setting(None, "Threads", "CPU threads of the training.", ge=1)
    preview_seconds: float = setting(
        5.0, "Preview", "Least time between two pictures of the embeddings.", unit="s", ge=0
    )
    autosave_seconds: float = setting(60.0, "Autosave", "Time between two savings of the run.", unit="s", ge=0)
    seed: int = setting(0, "Seed", "Same seed, same run (on the CPU).", ge=0)
    normalization: Normalization = Normalization()
    annotations: AnnotationConfig = AnnotationConfig()
    loss: LossConfig = LossConfig(consistency_weight=3.0, background_embedding="origin", pixel_classes_weight=5.0)
    augmentation: AugmentationConfig = AugmentationConfig()
    validation: ValidationConfig = ValidationConfig()
    adversarial: AdversarialConfig = AdversarialConfig()


PAPER_TRAINING = TrainingConfig(
    max_steps=80_000,
    max_minutes=None,
    learning_rate=2e-4,
    schedule="plateau",
    momentum_ramp=False,
    background_rim=0,
    loss=LossConfig(),
    validation=ValidationConfig(every=1000),
)
"""The paper's settings, for runs of many hours."""

TRAINING_PRESETS = {
    "quick": TrainingConfig(),
    "normal": TrainingConfig(max_steps=8_000, max_minutes=20.0),
    "thorough": TrainingConfig(max_steps=50_000, max_minutes=120.0),
    "paper": PAPER_TRAINING,
    "paper-adversarial": PAPER_TRAINING.model_copy(
        update={"max_steps": 200_000, "learning_rate": 1e-4, "adversarial": AdversarialConfig(enabled=True)}
    ),
    "discriminative": TrainingConfig(loss=DISCRIMINATIVE_LOSS),
}
"""Starting points by name, for the window and `napari-spoco train --preset`."""
