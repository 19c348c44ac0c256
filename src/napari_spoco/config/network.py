"""The network, and what it is given."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from napari_spoco.config.parameters import Parameters, setting

Ndim = Literal[2, 3]
Norm = Literal["batch", "group"]
Activation = Literal["relu", "leaky_relu", "elu"]
PIXEL_CLASSES = ("outside", "inside", "border")
"""Of an object, as a network may tell them apart beside its embeddings; the border is on both sides of the outline."""


class Normalization(Parameters):
    """How grey values are evened out before the network sees them, per image and channel; nothing is clipped.

    The paper and the released code take z-scores, which imported models expect.
    """

    kind: Literal["percentile", "standard"] = setting(
        "percentile",
        "Kind",
        "percentile: the two grey values below become 0 and 1, whatever the exposure. standard: mean 0, standard "
        "deviation 1, as in the paper and in imported models.",
    )
    lower: float = setting(
        1.0,
        "Dark percentile",
        "This share of the pixels is darker than what becomes 0; raise it if the background is noisy.",
        unit="%",
        ge=0,
        lt=100,
    )
    upper: float = setting(
        99.8,
        "Bright percentile",
        "This share of the pixels is darker than what becomes 1; lower it if a few very bright spots make all else "
        "dark.",
        unit="%",
        gt=0,
        le=100,
    )

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.kind == "percentile" and self.lower >= self.upper:
            raise ValueError(
                "lower (dark percentile): expected less than upper (bright percentile), "
                f"got {self.lower:g} and {self.upper:g}"
            )
        return self


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
    activation: Activation = setting("relu", "Activation", "Behind every convolution.")
    pixel_classes: bool = setting(False, "Pixel classes", "Tell outside, inside and border of objects apart, too.")

    @property
    def n_outputs(self) -> int:
        """Numbers per pixel that come out: the embedding, and the scores of the pixel classes behind it."""
        return self.embedding_dim + (len(PIXEL_CLASSES) if self.pixel_classes else 0)

    @property
    def stride(self) -> int:
        """Pixels of the image per pixel of the lowest level, along each axis."""
        return int(2 ** (len(self.feature_maps) - 1))
