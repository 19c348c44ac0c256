"""The course of a training, and presets of all that it is made of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from napari_spoco.config.examples import AnnotationConfig, AugmentationConfig, ValidationConfig
from napari_spoco.config.loss import DISCRIMINATIVE_LOSS, AdversarialConfig, LossConfig
from napari_spoco.config.network import Norm, Normalization
from napari_spoco.config.parameters import Channels, Parameters, setting


class TrainingConfig(Parameters):
    """One training run. What is None is chosen for the data and the device when the run starts.

    The defaults are for a run of minutes: a higher rate than the paper's, more weight on the agreement with the
    teacher, without which the background falls into several clusters (benchmarks/demo_settings.py), and strokes of
    background that are pulled to one embedding, with a rim around objects, and pixels that are classified beside
    (docs/benchmarks.md).
    `TRAINING_PRESETS` has others, the paper's among them.
    """

    max_steps: int = setting(
        1500,
        "Steps",
        "The training ends after so many steps, or minutes, whichever comes first. More make a better model, less "
        "and less so.",
        ge=1,
    )
    max_minutes: float | None = setting(
        4.0,
        "Minutes",
        "The training ends after so many minutes, or steps, whichever comes first. Five minutes show whether it "
        "works; an hour pays for difficult images.",
        unit="min",
        gt=0,
    )
    channels: Channels | None = setting(
        None,
        "Channels",
        "Channels of the images to train on, counted from 0; all, or those of the model it starts from, if empty. "
        "The model remembers them; an image that has just as many channels, but not these, is taken as it is.",
        min_length=1,
    )
    patch_shape: tuple[int, ...] | None = setting(
        None,
        "Patch",
        "Size of the pieces that the network is shown, (Z)YX: larger than an object with its neighbours; smaller "
        "takes less memory. 128 x 128 or 24 x 64 x 64 if empty.",
        unit="pixels",
    )
    batch_size: int | None = setting(
        None,
        "Batch",
        "Patches per step and device: more makes steps steadier, but takes more memory and time. 4 in planes and 2 "
        "in stacks if empty.",
        ge=1,
    )
    learning_rate: float = setting(
        1e-3,
        "Learning rate",
        "How much the network changes per step (peak rate of Adam): lower it if the loss leaps or grows, raise it if "
        "it falls too slowly.",
        gt=0,
    )
    fine_tuning_factor: float = setting(
        0.1,
        "Fine-tuning factor",
        "Where the run starts from a trained model, the learning rate is multiplied by this: lower keeps more of "
        "what the model knows, higher adapts faster.",
        gt=0,
    )
    replay: float | None = setting(
        None,
        "Replay",
        "Share (0 to 1) of what the network sees that comes from the images that the model it starts from was "
        "trained on, so that it does not forget them; 0 if only your images count. Half if empty, where the model "
        "has such images.",
        ge=0,
        lt=1,
    )
    voxel_size: tuple[Annotated[float, Field(gt=0)], ...] | None = setting(
        None,
        "Voxel size",
        "Size of a pixel, (Z)YX, that all images are brought to, so that objects are as large as the model knows "
        "them. That of the model it starts from, or of the first image, if empty.",
        unit="µm",
    )
    background_rim: int | None = setting(
        None,
        "Background around objects",
        "So many pixels of the plane around a painted object are background too, in images in which some background "
        "is painted: 0 where cells lie wall to wall. 2 in planes and 0 in stacks if empty.",
        unit="pixels",
        ge=0,
    )
    weight_decay: float = setting(
        1e-5, "Weight decay", "Keeps the weights of the network small (of Adam); rarely changed.", ge=0
    )
    schedule: Literal["cosine", "constant", "plateau"] = setting(
        "cosine",
        "Schedule",
        "Course of the learning rate: cosine falls to the end of the run, for short ones; constant stays; plateau "
        "falls when the left-out score stops rising, for long ones.",
    )
    plateau_factor: float = setting(
        0.2,
        "Plateau factor",
        "What the learning rate is multiplied by on a plateau; closer to 1 is more patient.",
        gt=0,
        lt=1,
    )
    plateau_patience: int = setting(
        10, "Plateau patience", "So many scores in a row without a better one are a plateau.", ge=1
    )
    min_learning_rate: float = setting(
        1e-6, "Least rate", "On plateaus, the run ends when the learning rate falls below this.", ge=0
    )
    gradient_clip: float | None = setting(
        None,
        "Gradient clip",
        "Limits how much one step may change the network (norm of the gradient); set it if the loss leaps. No limit "
        "if empty.",
        gt=0,
    )
    teacher: Literal["momentum", "shared", "dropout", "trained"] = setting(
        "momentum",
        "Teacher",
        "What the student is to agree with: its own moving average (momentum, the steadiest), itself (shared), "
        "itself with dropout, or a network that is trained beside it.",
    )
    momentum: float = setting(
        0.999,
        "Teacher momentum",
        "How slowly the teacher follows the student: the share (0 to 1) of itself that it keeps per step. Lower it "
        "for short runs without the ramp.",
        ge=0,
        lt=1,
    )
    momentum_ramp: bool = setting(
        True,
        "Momentum ramp",
        "Let the teacher follow faster at first: better for runs of minutes, of no matter in long ones.",
    )
    teacher_dropout: float = setting(
        0.5,
        "Teacher dropout",
        "Share (0 to 1) of the feature maps at the bottom of the network that a teacher with dropout is denied; more "
        "makes the two views differ more.",
        ge=0,
        lt=1,
    )
    embedding_dim: int = setting(
        16,
        "Embedding size",
        "How many numbers describe a pixel: more can tell more objects apart, but take more memory.",
        ge=2,
    )
    feature_maps: tuple[int, ...] | None = setting(
        None,
        "Feature maps",
        "Width of the network per level, from full resolution down: wider learns more, but takes more memory and "
        "time. 16, 32, 64, 128 if empty.",
    )
    norm: Norm | None = setting(
        None,
        "Normalisation of maps",
        "How values are evened out within the network: by batch, which suits natural images, or by group of maps, "
        "which suits EM and stacks. Batch in planes and group in stacks if empty.",
    )
    device: str = setting(
        "auto",
        "Device",
        "What trains: auto takes a graphics card (cuda, cuda:1, mps) if there is one, else the processor (cpu).",
    )
    devices: int = setting(1, "Devices", "How many of them train together, per machine.", ge=1)
    num_nodes: int = setting(1, "Machines", "How many machines train together.", ge=1)
    precision: Literal["auto", "float32", "bfloat16"] = setting(
        "auto",
        "Precision",
        "Of the numbers in the network: bfloat16 is faster and takes less memory where the hardware knows it, "
        "float32 is finer; auto chooses. The loss is always computed in float32.",
    )
    channels_last: bool = setting(
        True,
        "Channels last",
        "How the numbers of 2D networks with batch normalisation lie in memory: nothing but the speed changes, for "
        "the better on most devices.",
    )
    threads: int | None = setting(
        None,
        "Threads",
        "Cores of the processor that train: fewer leave more to other programs. All but one if empty.",
        ge=1,
    )
    preview_seconds: float = setting(
        5.0,
        "Preview",
        "Least time between two pictures of the embeddings: longer leaves more time to the training.",
        unit="s",
        ge=0,
    )
    autosave_seconds: float = setting(
        60.0,
        "Autosave",
        "Time between two savings of the run, from which it can be resumed after a crash.",
        unit="s",
        ge=0,
    )
    seed: int = setting(
        0, "Seed", "Same seed, same run (on the CPU); with another one you see how much is chance.", ge=0
    )
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
    normalization=Normalization(kind="standard"),
    loss=LossConfig(),
    validation=ValidationConfig(every=1000),
)
"""The paper's loss, optimizer, course of the rate and normalisation, for runs of many hours.

Its networks are larger and differ by data set (`feature_maps`: 16 to 512 on leaves, 16 to 1024 on EM, 64 to 512 in 3D
with patches of 40 x 64 x 64); those are left to the user and the device.
"""

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
