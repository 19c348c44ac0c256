"""How objects are told from background: by which method, within what, and which pieces are left out of them.

Settings, model and a mask decide it, and no pixel does: so the window can say beforehand what a read-out will do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from napari_spoco.config import Foreground, Method, SegmentationConfig
    from napari_spoco.models.checkpoint import ModelCard

_WITHOUT_PIECES = ("watershed", "components", "pixel_classes")
"""Methods by which all that is found in the foreground is an object."""


class BackgroundChoice(NamedTuple):
    """What was decided.

    Attributes
    ----------
    method : str
        How embeddings become objects.
    foreground : str
        What says where objects may be: the user's mask before anything else.
    pieces : str
        Which pieces are background: a `BackgroundMode`, or "shown" for those that are like what somebody has shown to
        be background, and none where nobody has.
    """

    method: Method
    foreground: Foreground | Literal["mask"]
    pieces: Literal["none", "largest", "mode", "shown"]

    @property
    def heeds_shown(self) -> bool:
        """Whether it makes a difference what somebody has shown to be background."""
        return self.foreground == "embedding" or self.pieces in ("mode", "shown")


def choose_background(
    settings: SegmentationConfig, card: ModelCard | None, *, has_mask: bool, has_classes: bool
) -> BackgroundChoice:
    """Decide it.

    Parameters
    ----------
    settings
        What the user set; what is empty is what suits model and method.
    card
        Of the model; None where none is known.
    has_mask
        Whether the user says where objects may be.
    has_classes
        Whether the network classifies pixels.
    """
    method: Method = settings.method or (card.method if card else None) or "mutex_watershed"
    foreground: Foreground | Literal["mask"] = "mask" if has_mask else _foreground(settings, card, method, has_classes)
    if method in _WITHOUT_PIECES or foreground != "none":  # Within a foreground the largest piece is an object.
        return BackgroundChoice(method, foreground, "none")
    return BackgroundChoice(method, foreground, settings.background or ("shown" if method == "edges" else "mode"))


def _foreground(settings: SegmentationConfig, card: ModelCard | None, method: Method, has_classes: bool) -> Foreground:
    if settings.foreground or method == "edges" or card is None:
        return settings.foreground or "none"
    return "pixel_classes" if has_classes and card.knows_outside else card.foreground or "none"
