"""The main actions as commands of napari: in its command palette, and in the menu Layers.

A command opens the dock if need be, shows where the action belongs, and does what pressing its button does. What is not
possible at the moment is said in the foot of the dock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari import current_viewer
from napari.plugins import menu_item_template

from napari_spoco._qt.widget import SpocoWidget

if TYPE_CHECKING:
    from qtpy.QtWidgets import QPushButton

_NAME = menu_item_template.format("SPOCO", "SPOCO")
"""Of the dock, as the entry in the menu Plugins has it: that one then closes it again."""


def open_dock() -> None:
    """Open the dock, or bring it to the front."""
    _open()


def new_object() -> None:
    """Begin the next object; make annotations first where there are none."""
    spoco = _open()
    if spoco.annotate.annotations.layer() is None:
        _press(spoco, spoco.annotate.new_button)
    else:
        spoco.tabs.reveal(spoco.annotate)
        spoco.annotating.new_object()


def train() -> None:
    """Start a training, from what the tab Train says."""
    spoco = _open()
    _press(spoco, spoco.train.train_button)


def stop() -> None:
    """Stop the training so that it can be resumed; the second time at once."""
    spoco = _open()
    _press(spoco, spoco.train.stop_button)


def show_embeddings() -> None:
    """Compute the embeddings of the whole image and show them as colours."""
    spoco = _open()
    _press(spoco, spoco.embeddings.embed_button)


def segment() -> None:
    """Find the objects of the whole image."""
    spoco = _open()
    _press(spoco, spoco.segment.segment_button)


def review_next() -> None:
    """Go on to the next object of the review; start one where there is none."""
    spoco = _open()
    is_open = spoco.reviewing.layer is not None
    _press(spoco, spoco.review.action_buttons["next"] if is_open else spoco.review.start_button)


def export() -> None:
    """Ask where to write the labels, and write them."""
    spoco = _open()
    _press(spoco, spoco.export.save_button)


def _open() -> SpocoWidget:
    """Open the dock of the current viewer, or bring it to the front; return what is in it.

    Raises
    ------
    RuntimeError
        There is no viewer.
    """
    viewer = current_viewer()
    if viewer is None:
        raise RuntimeError("There is no napari window to open SPOCO in.")
    docked = [widget for widget in viewer.window.dock_widgets.values() if isinstance(widget, SpocoWidget)]
    widget = docked[0] if docked else SpocoWidget(viewer)
    dock = widget.parent() if docked else viewer.window.add_dock_widget(widget, name=_NAME)
    dock.show()
    dock.raise_()
    return widget


def _press(spoco: SpocoWidget, button: QPushButton) -> None:
    spoco.tabs.reveal(button)
    if button.isEnabled():
        button.click()
    else:
        spoco.session.refuse(ValueError(f"{button.text()}: {button.toolTip()}"))
