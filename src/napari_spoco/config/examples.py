"""What a training learns from: what painted labels mean, which objects are left out, how patches are changed."""

from __future__ import annotations

from typing import Literal

from napari_spoco.config.parameters import Fraction, Parameters, setting


class AnnotationConfig(Parameters):
    """What painted labels mean, beside objects: every other label from 1 is an object, and 0 is unknown."""

    background_label: int | None = setting(
        None,
        "Background label",
        "Label with which background is painted; Background in Annotate chooses a free one.",
        ge=1,
        le=2**31 - 1,
    )
    ignore_label: int | None = setting(
        None,
        "Ignore label",
        "Label of regions that are to take no part in the training, such as dirt; Ignore in Annotate chooses a free "
        "one.",
        ge=1,
        le=2**31 - 1,
    )
    painted_in_planes: bool = setting(
        False,
        "Painted in planes",
        "Tick it if objects of a stack are painted in some planes only: in the others they are unknown then, and not "
        "at an end.",
    )


class ValidationConfig(Parameters):
    """Painted objects that the network is not shown, to score how well it finds them."""

    left_out: Literal["none", "fraction", "in_turn"] = setting(
        "fraction",
        "Left out",
        "Which painted objects are kept from the network, to score it: none, a fraction, always the same, or all in "
        "turn. With none all are trained on, but nothing tells whether the model gets better.",
    )
    fraction: float = setting(
        0.1,
        "Fraction",
        "Share (0 to 0.5) of the objects that is left out; where that is a single one, none is. Larger makes the "
        "score steadier, smaller leaves more to train on.",
        gt=0,
        le=0.5,
    )
    every: int = setting(
        100,
        "Every",
        "Steps between two scores: fewer shows sooner how it goes, but each score takes a while.",
        unit="steps",
        ge=1,
    )
    early_stopping: int | None = setting(
        None, "Early stopping", "End after so many scores in a row without a better one; never if empty.", ge=1
    )


class AugmentationConfig(Parameters):
    """Random changes of patches, so that few objects teach more: both views share place and shape, not appearance."""

    flip: bool = setting(True, "Flip", "Mirror each axis with probability 1/2; untick it where left and right differ.")
    rotate: bool = setting(
        True, "Rotate", "Turn in the plane by any angle; untick it where all objects point the same way."
    )
    scaling: float = setting(
        0.2,
        "Scaling",
        "Largest change of size, as a share: 0.2 is a fifth. Raise it if other objects are much larger or smaller "
        "than the painted ones.",
        ge=0,
        lt=1,
    )
    elastic: float = setting(
        2.0,
        "Elastic",
        "Largest displacement of a smooth random deformation: raise it for soft shapes, 0 for rigid ones.",
        unit="pixels",
        ge=0,
    )
    elastic_spacing: int = setting(
        32,
        "Elastic spacing",
        "Distance over which the deformation changes: the larger, the gentler the bends.",
        unit="pixels",
        ge=4,
    )
    noise: float = setting(
        0.05,
        "Noise",
        "Strongest noise that is added, as a share of the image's range; raise it if other images are noisier than "
        "the painted ones.",
        ge=0,
    )
    blur: float = setting(
        1.0,
        "Blur",
        "Strongest blur (sigma); raise it if other images are less sharp than the painted ones.",
        unit="pixels",
        ge=0,
    )
    gamma: float = setting(
        0.0,
        "Gamma",
        "Grey values are bent by exponents between 1 / (1 + this) and 1 + this; raise it from 0 if dark and bright "
        "parts differ from image to image.",
        ge=0,
    )
    contrast: float = setting(
        0.25,
        "Contrast",
        "Largest change of contrast and brightness, as a share; raise it if staining or exposure vary.",
        ge=0,
        lt=1,
    )
    colour: float = setting(
        0.1,
        "Colour jitter",
        "Largest change of a single channel, as a share, where there are several; raise it if stains vary against "
        "each other.",
        ge=0,
        lt=1,
    )
    grayscale: Fraction = setting(
        0.0,
        "Grayscale",
        "Probability (0 to 1) that all channels are made equal, where there are several; raise it if their colours "
        "mean little.",
    )
