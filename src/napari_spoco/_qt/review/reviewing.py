"""Begins and ends reviews of segmentations, one at a time, and shows in the Review tab how the present one stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.keys import KeyChoice
from napari_spoco._qt.layers.layers import MAKER, identity, labels_layers
from napari_spoco._qt.review.agreement import Agreement
from napari_spoco._qt.review.review import Review
from napari_spoco._qt.review.review_job import Subject
from napari_spoco._qt.review.review_layer import ReviewedLayer
from napari_spoco._qt.review.review_notes import is_reviewed, noted
from napari_spoco._qt.review.review_status import ACTIONS, ReviewStatus, others_reviewed, refusal, reviewed_before
from napari_spoco._qt.review.review_turns import Turns
from napari_spoco.review.locks import LockedError

if TYPE_CHECKING:
    from collections.abc import Collection

    import napari.viewer
    import numpy as np
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_spoco._qt.controller import SessionController
    from napari_spoco._qt.notices import Notice
    from napari_spoco._qt.review.agreement_job import ComparedObjects
    from napari_spoco._qt.review.review_job import MeasuringProgress
    from napari_spoco._qt.review.review_tab import ReviewTab
    from napari_spoco.review.queue import ReviewQueue

_REPLACED = "The review has ended: its layer has got new contents."
_REMOVED = "The review has ended: its layer was removed."
_KEPT = "It is kept, and the review with it; the menu on top brings it back."


class Reviewing(QObject):
    """Reviews one Labels layer at a time.

    `noticed` brings sentences for the user, `withdrawn` one of them that holds no longer; `accepted` the objects that
    are to be annotations; `decided` says that there is something new to be kept at the layer (`review_notes`).

    Parameters
    ----------
    viewer
        Whose layers.
    session
        Knows the embeddings of the last image.
    tab
        What the user sees.
    """

    noticed = Signal(object)  # Notice
    withdrawn = Signal(object)  # Notice
    accepted = Signal(object)  # AcceptedObjects
    decided = Signal()
    progressed = Signal(int, int)  # objects measured, and in all; 0 of 0 once they are

    def __init__(
        self, viewer: napari.viewer.Viewer, session: SessionController, tab: ReviewTab, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer, self._session, self._tab = viewer, session, tab
        self.keys = KeyChoice({action.name: action.key for action in ACTIONS}, parent=self)
        self.keys.changed.connect(self._on_keys_changed)
        self._embedded: str | None = None  # identity of the layer whose embeddings the session has
        self._review: Review | None = None
        self._said: Notice | None = None
        self._ended = ""
        self._removed = ""  # identity of the layer with which a review has ended
        self._kept: frozenset[str] = frozenset()
        self._turns = Turns(self)
        self._turns.reported.connect(self._on_reported)
        self._turns.failed.connect(self._on_failed)
        self._turns.changed.connect(self._on_turned)
        self._agreement = Agreement(self)
        self._agreement.changed.connect(self._on_agreement_changed)
        self._agreement.found.connect(self._on_compared)
        tab.start_requested.connect(self._on_start_requested)
        tab.end_requested.connect(self._on_end_requested)
        tab.action_requested.connect(self.act)
        tab.object_requested.connect(self._on_object_requested)
        tab.annotations_requested.connect(self._on_annotations_requested)
        tab.stop_requested.connect(self._agreement.stop)
        tab.labels.chosen.connect(self._on_layer_chosen)

    @property
    def layer(self) -> Layer | None:
        """The layer under review."""
        return None if self._review is None else self._review.view.layer

    @property
    def queue(self) -> ReviewQueue | None:
        """The objects and decisions; None while there is no review, or they are being measured."""
        return None if self._review is None else self._review.queue

    @property
    def chosen(self) -> tuple[int, ...]:
        """The current object, and those that the user has added to it."""
        return () if self._review is None else self._review.chosen

    @property
    def is_busy(self) -> bool:
        """Whether a job is running; what the user wishes waits for its end."""
        return self._turns.is_busy

    def note_embedded(self, image: Layer) -> None:
        """Take note of the layer whose embeddings the session has now."""
        self._embedded = identity(image)

    def note_kept(self, removed: Collection[str]) -> None:
        """Take note of the identities of removed layers that are kept; one may have been under review."""
        self._kept = frozenset(removed)
        self._show()

    def act(self, name: str) -> None:
        """Do one of `review_status.ACTIONS`, by its name."""
        self._withdraw()
        if self._review is not None:
            self._review.act(name)

    def end(self) -> None:
        """End the review; the layer stays as it is, and what was decided is noted there."""
        self._turns.drop()
        self._agreement.end()
        if self._review is not None:
            self._review.view.end()
            self._review.view.deleteLater()
        self._review = None
        self.progressed.emit(0, 0)

    # What the user wants

    def _on_start_requested(self) -> None:
        layer = self._tab.labels.layer()
        if layer is None:
            return
        self.end()
        self._withdraw()
        self._ended = ""
        try:
            view = ReviewedLayer(self._viewer, layer, self.keys, parent=self)
        except ValueError as error:
            self._on_failed(error)
            return
        view.wished.connect(self.act)
        view.clicked.connect(self._on_clicked)
        view.stroked.connect(self._on_stroked)
        view.gone.connect(self._on_gone)
        view.lock.refused.connect(self._on_paint_refused)
        self._review = Review(view, self._subject(view), self._turns, self._agreement, self._say)
        self._review.begin()
        self._show()

    def _on_layer_chosen(self) -> None:
        if self._review is None:
            self._show()

    def _on_keys_changed(self) -> None:
        self._tab.show_keys(self.keys)

    def _on_end_requested(self) -> None:
        self.end()
        self._withdraw()
        self._show()

    def _on_object_requested(self, instance_id: int) -> None:
        self._withdraw()
        if self._review is not None:
            self._review.go_to(instance_id)

    def _on_clicked(self, instance_id: int, is_added: bool) -> None:
        self._withdraw()
        if self._review is not None:
            self._review.choose(instance_id, is_added)

    def _on_stroked(self, strokes: tuple[NDArray[np.integer], ...]) -> None:
        self._withdraw()
        if self._review is not None:
            self._review.split(strokes)

    def _on_paint_refused(self, ids: tuple[int, ...]) -> None:
        self._withdraw()
        self._say(refusal(LockedError(ids)))

    def _on_annotations_requested(self) -> None:
        if self._review is not None:
            self._review.hand_over(self.accepted.emit)

    def _on_gone(self) -> None:
        is_removed = self.layer not in self._viewer.layers
        self._ended = _REMOVED if is_removed else _REPLACED
        self._removed = identity(self.layer) if is_removed else ""
        self._on_end_requested()

    # What comes of it

    def _on_reported(self, message: MeasuringProgress | None) -> None:
        if self._review is not None:
            self._review.show_progress(message)
            self._show()
        if message is not None:
            self.progressed.emit(message.n_done, max(message.n_objects, 1))

    def _on_compared(self, compared: ComparedObjects) -> None:
        if self._review is not None:
            self._review.note_compared(compared)

    def _on_agreement_changed(self) -> None:
        if self._review is not None:
            self._tab.show_order(self._review.status)

    def _on_failed(self, error: Exception) -> None:
        self._say(refusal(error))
        if self.queue is None:
            self.end()
        else:
            self._review.go_on_after_failure()

    def _on_turned(self) -> None:
        if not self.is_busy:
            self.progressed.emit(0, 0)
        if self._review is not None and self._review.note():
            self.decided.emit()
        self._show()
        if self._review is not None:
            self._review.take_agreement()

    def _show(self) -> None:
        if self._review is None:
            kept = f" {_KEPT}" if self._ended and self._removed in self._kept else ""
            self._tab.show_status(ReviewStatus(ended=f"{self._ended}{kept}", before=self._before()))
        else:
            self._review.show_chosen()
            self._tab.show_status(self._review.status)

    def _before(self) -> str:
        """Say what is decided of the layer that is chosen, or else of others that were found in the same image."""
        layer = self._tab.labels.layer()
        if layer is None:
            return ""
        if is_reviewed(layer) and (known := noted(layer)) is not None:
            return reviewed_before(known.decisions)
        reviewed = (one for one in labels_layers(self._viewer) if is_reviewed(one))
        alike = (one for one in reviewed if one.metadata.get(MAKER, one) == layer.metadata.get(MAKER))
        return next((others_reviewed(one.name) for one in alike), "")

    def _say(self, notice: Notice) -> None:
        self._said = notice
        self.noticed.emit(notice)

    def _withdraw(self) -> None:
        """Take back what was said of the last wish: there is another one."""
        said, self._said = self._said, None
        if said is not None:
            self.withdrawn.emit(said)

    def _subject(self, view: ReviewedLayer) -> Subject:
        """Return what is reviewed, with embeddings of its image: those at hand, or those that it was reviewed by."""
        if self._is_embedded(view.layer):
            return Subject.of(view.pixels, view.layer.scale, self._session.embedded_image)
        known = noted(view.layer)
        source = None if known is None else known.decisions.embeddings
        return Subject.again(view.pixels, view.layer.scale, source, self._session.find_embeddings)

    def _is_embedded(self, layer: Layer) -> bool:
        """Return whether the session's embeddings are of the image that a Labels layer belongs to."""
        return self._embedded is not None and layer.metadata.get(MAKER, self._embedded) == self._embedded
