"""What a training asks of the network: the loss, and the critic that may judge beside it."""

from __future__ import annotations

from typing import Literal

from napari_spoco.config.parameters import Fraction, Parameters, setting


class LossConfig(Parameters):
    """What the network learns to avoid, the SPOCO loss (docs/method.md); the defaults are the paper's."""

    supervision: Literal["sparse", "dense", "dense_consistency"] = setting(
        "sparse",
        "What is not annotated",
        "What unpainted pixels are: unknown (sparse), or background, since every object is painted (dense); with "
        "dense consistency student and teacher must agree on the whole image, too. Keep sparse unless your images "
        "are painted throughout.",
    )
    delta_var: float = setting(
        0.5,
        "Pull margin",
        "How alike the pixels of an object must become: those closer than this to its mean embedding are left alone. "
        "Smaller makes objects more even, but is harder to learn.",
        gt=0,
    )
    delta_dist: float = setting(
        2.0,
        "Push margin",
        "How different objects must become: means of two objects are pushed apart if they are closer than twice "
        "this. Larger keeps neighbours further apart, but is harder to learn.",
        gt=0,
    )
    kernel_threshold: float = setting(
        0.9,
        "Kernel threshold",
        "How wide the soft mask around an object's embedding is: its value (0 to 1) at the pull margin. Rarely "
        "changed.",
        gt=0,
        lt=1,
    )
    pull_weight: float = setting(
        1.0,
        "Pull",
        "Weight of the pull, which makes the pixels of an object alike; raise it if objects are cut into pieces.",
        ge=0,
    )
    push_weight: float = setting(
        1.0, "Push", "Weight of the push, which makes objects different; raise it if neighbours are merged.", ge=0
    )
    regularizer_weight: float = setting(
        0.001,
        "Regularizer",
        "Weight of the regularizer, which keeps the numbers of the embeddings small; rarely changed.",
        ge=0,
    )
    instance_weight: float = setting(
        1.0,
        "Instance",
        "Weight of the comparison of soft masks with painted objects; raise it if outlines are poor.",
        ge=0,
    )
    unlabeled_push_weight: float = setting(
        1.0,
        "Unlabeled push",
        "Weight of what keeps unpainted pixels away from painted objects; raise it if objects leak into what is "
        "around them.",
        ge=0,
    )
    consistency_weight: float = setting(
        1.0,
        "Consistency",
        "Weight of the agreement of student and teacher on what is not painted; raise it if unpainted objects are "
        "poor, or the background falls into pieces.",
        ge=0,
    )
    pixel_classes_weight: float = setting(
        0.0,
        "Pixel classes",
        "Weight of telling outside, inside and border of painted objects apart, for the method and the foreground of "
        "that name; a new network learns it only if this is above 0 (not in the paper).",
        ge=0,
    )
    instance_anchor: Literal["pixel", "mean"] = setting(
        "pixel",
        "Anchor",
        "What stands for an object in its soft mask: one of its pixels (paper), as in a click on it, or its mean "
        "(released code).",
    )
    instance_loss: Literal["dice", "bce"] = setting(
        "dice",
        "Instance loss",
        "How soft masks are compared with painted ones: Dice, by overlap, or binary cross-entropy (bce), pixel by "
        "pixel.",
    )
    instance_dice: Literal["per_object", "pooled"] = setting(
        "per_object",
        "Dice",
        "One Dice per object (paper), so that small ones count as much as large ones, or one over all objects "
        "(released code).",
    )
    background_embedding: Literal["mean", "origin"] = setting(
        "mean",
        "Background's embedding",
        "Where painted background is pulled to: the mean of its pixels in a patch (paper), or zero (origin), which "
        "is the same in all images, and from which objects keep away. As in the model that a training starts from.",
    )
    background_instance: bool = setting(
        True,
        "Background as object",
        "Where a patch is annotated throughout, its background is compared as an object is (paper; not in the "
        "released code).",
    )
    unlabeled_push_over: Literal["all", "ball"] = setting(
        "all",
        "Unlabeled push over",
        "What the unlabeled push is the average of: all unpainted pixels (paper), or those inside of the push margin "
        "(ball), where it does not fade while most pixels are far away.",
    )
    max_anchors: int = setting(
        20,
        "Anchors",
        "Consistency: at how many places of an image, at most, student and teacher are compared; more sees more of "
        "it, and takes longer.",
        ge=1,
    )
    min_unlabeled: Fraction = setting(
        0.05,
        "Least unlabeled",
        "Consistency: no more places are looked for where less than this share (0 to 1) of the image is left.",
    )


DISCRIMINATIVE_LOSS = LossConfig(instance_weight=0.0, unlabeled_push_weight=0.0, consistency_weight=0.0)
"""Pull, push and regularizer alone: the baseline of the paper (De Brabandere et al., 2017)."""


class AdversarialConfig(Parameters):
    """A second network that tells soft masks from painted ones (WGAN-GP, appendix A.1 of the paper)."""

    enabled: bool = setting(
        False,
        "Adversarial",
        "Train a critic of the masks beside the network, so that outlines look more like painted ones; for runs of "
        "many hours.",
    )
    weight: float = setting(0.1, "Weight", "How much the critic's verdict counts in the loss.", ge=0)
    critic_steps: int = setting(
        5,
        "Critic steps",
        "Steps of the critic per step of the network: more makes it a better judge, and the training slower.",
        ge=1,
    )
    gradient_penalty: float = setting(
        10.0, "Gradient penalty", "Weight of what keeps the critic's verdict smooth; rarely changed.", ge=0
    )
    warm_up: int = setting(
        50_000,
        "Warm-up",
        "Steps before the critic is listened to: until then masks are too poor to be judged.",
        unit="steps",
        ge=0,
    )
    learning_rate: float = setting(1e-4, "Learning rate", "How much the critic changes per step; rarely changed.", gt=0)
    beta1: float = setting(
        0.5, "Beta 1", "How long Adam remembers its direction, for network and critic; rarely changed.", ge=0, lt=1
    )
    beta2: float = setting(
        0.9, "Beta 2", "How long Adam remembers how far it goes, for network and critic; rarely changed.", ge=0, lt=1
    )
    feature_maps: tuple[int, ...] = setting(
        (64, 128, 256, 512),
        "Feature maps",
        "Width of the critic per level, from full resolution down: wider judges better, and takes more memory and "
        "time.",
        min_length=1,
    )
