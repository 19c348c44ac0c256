"""What a click on the background is good for under some settings, and what to set where it is not. No Qt.

It says in a sentence what `segmentation/background_choice.py` decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from napari_spoco.segmentation.background_choice import choose_background

if TYPE_CHECKING:
    from napari_spoco.config import SegmentationConfig
    from napari_spoco.models.checkpoint import ModelCard

_CURE = "choose “far from the background's embedding” under Objects lie."
_MASK = f"Objects lie where the chosen layer says, and a click changes nothing; {_CURE}"
_CLASSES = (
    "The model itself tells objects from background by its pixel classes, and a click changes nothing. If background "
    f"is taken for objects, raise Certainty; or {_CURE}"
)
_BRIGHT = f"Objects lie where the image is bright, and a click changes nothing; {_CURE}"
_SHAPES = f"This method divides what is given under Objects lie, and a click changes nothing; {_CURE}"
_SET = "Background (Advanced settings) is “{}”, and a click changes nothing; choose “mode” there."


class BackgroundUse(NamedTuple):
    """Why what is shown to be background is not looked at, empty where it is; and how like it, set by which field."""

    ignored: str = ""
    radius: str = "Background radius (Advanced settings)"


def find_use(config: SegmentationConfig, card: ModelCard | None, *, has_mask: bool) -> BackgroundUse:
    """Say what becomes of a click on the background.

    Parameters
    ----------
    config
        Settings of the segmentation.
    card
        Of the model in use; where it is None and would decide, a click is taken to be looked at.
    has_mask
        Whether a layer says where objects may lie.
    """
    has_classes = card is not None and card.network.pixel_classes
    choice = choose_background(config, card, has_mask=has_mask, has_classes=has_classes)
    if choice.heeds_shown:
        return BackgroundUse(radius="Foreground radius") if choice.foreground == "embedding" else BackgroundUse()
    if choice.foreground == "mask":
        return BackgroundUse(_MASK)
    if "pixel_classes" in (choice.foreground, choice.method):
        return BackgroundUse(_CLASSES)
    if choice.foreground == "intensity":
        return BackgroundUse(_BRIGHT)
    if choice.method in ("watershed", "components"):
        return BackgroundUse("" if card is None and config.foreground is None else _SHAPES)
    return BackgroundUse(_SET.format(choice.pieces))
