"""The review of a segmentation: its queue, its corrections and their undoing. Shows all in the Review tab.

The cycle of a correction:

1. What the user wishes waits until no job is running, so that it always meets the objects it was meant for.
2. A job finds out what the correction changes (`LabelChange`); the layer is as it was.
3. The change is made, on the event loop, unless the user has painted there meanwhile: it is then refused.
4. A job measures the objects that have changed, and puts them into a new queue.
"""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.keys import KeyChoice
from napari_spoco._qt.layers import MAKER, identity
from napari_spoco._qt.notices import Notice
from napari_spoco._qt.review import review_job
from napari_spoco._qt.review.review_job import Subject
from napari_spoco._qt.review.review_layer import ReviewedLayer
from napari_spoco._qt.review.review_status import ACTIONS, ReviewStatus, locked
from napari_spoco._qt.review.review_turns import Turns
from napari_spoco.review.editing import LockedError
from napari_spoco.review.history import EditHistory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import napari.viewer
    import numpy as np
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_spoco._qt.controller import SessionController
    from napari_spoco._qt.notices import Tone
    from napari_spoco._qt.review.review_job import MeasuringProgress
    from napari_spoco._qt.review.review_tab import ReviewTab
    from napari_spoco._qt.review.review_turns import Body
    from napari_spoco.data.label_change import LabelChange
    from napari_spoco.review.queue import ReviewQueue

_GONE = "The layer under review was removed or has got new contents; the review has ended."
_PAINTED = "Pixels of that object have been painted over since; nothing was changed."


class Reviewing(QObject):
    """Reviews one Labels layer at a time.

    `noticed` brings sentences for the user; `accepted` the objects that are to be annotations.

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
    accepted = Signal(object)  # AcceptedObjects

    def __init__(
        self, viewer: napari.viewer.Viewer, session: SessionController, tab: ReviewTab, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer, self._session, self._tab = viewer, session, tab
        self.keys = KeyChoice({action.name: action.key for action in ACTIONS}, parent=self)
        self.keys.changed.connect(self._on_keys_changed)
        self._embedded: str | None = None  # identity of the layer whose embeddings the session has
        self._turns = Turns(self)
        self._turns.reported.connect(self._on_reported)
        self._turns.failed.connect(self._on_failed)
        self._turns.changed.connect(self._show)
        self._clear()
        tab.start_requested.connect(self._on_start_requested)
        tab.end_requested.connect(self._on_end_requested)
        tab.action_requested.connect(self.act)
        tab.object_requested.connect(self._on_object_requested)
        tab.annotations_requested.connect(self._on_annotations_requested)

    @property
    def layer(self) -> Layer | None:
        """The layer under review."""
        return None if self._view is None else self._view.layer

    @property
    def queue(self) -> ReviewQueue | None:
        """The objects and decisions; None while there is no review, or they are being measured."""
        return self._queue

    @property
    def chosen(self) -> tuple[int, ...]:
        """The current object, and those that the user has added to it."""
        return self._chosen

    @property
    def is_busy(self) -> bool:
        """Whether a job is running; what the user wishes waits for its end."""
        return self._turns.is_busy

    def note_embedded(self, image: Layer) -> None:
        """Take note of the layer whose embeddings the session has now."""
        self._embedded = identity(image)

    def act(self, name: str) -> None:
        """Do one of `review_status.ACTIONS`, by its name."""
        self._wish(partial(self._act, name))

    def end(self) -> None:
        """End the review; the layer stays as it is."""
        self._turns.drop()
        if self._view is not None:
            self._view.end()
            self._view.deleteLater()
        self._clear()

    # What the user wants

    def _on_start_requested(self) -> None:
        layer = self._tab.labels.layer()
        if layer is None:
            return
        self.end()
        try:
            self._view = view = ReviewedLayer(self._viewer, layer, self.keys, parent=self)
        except ValueError as error:
            self._on_failed(error)
            return
        image = self._session.embedded_image if self._is_embedded(layer) else None
        self._subject = Subject.of(view.pixels, layer.scale, image)
        view.wished.connect(self.act)
        view.clicked.connect(self._on_clicked)
        view.stroked.connect(self._on_stroked)
        view.gone.connect(self._on_gone)
        self._turns.start(self._on_first_measured, review_job.run_measuring, self._subject)
        self._show()

    def _on_keys_changed(self) -> None:
        self._tab.show_keys(self.keys)

    def _on_end_requested(self) -> None:
        self.end()
        self._show()

    def _on_object_requested(self, instance_id: int) -> None:
        self._wish(partial(self._go_to, instance_id))

    def _on_clicked(self, instance_id: int, is_added: bool) -> None:
        self._wish(partial(self._choose, instance_id, is_added))

    def _on_stroked(self, strokes: tuple[NDArray[np.integer], ...]) -> None:
        self._wish(partial(self._edit, review_job.run_split, strokes))

    def _on_annotations_requested(self) -> None:
        self._wish(self._keep)

    def _on_gone(self) -> None:
        self._on_end_requested()
        self._say(_GONE, "bad")

    def _wish(self, step: Callable[[], None]) -> None:
        if self._queue is not None:
            self._turns.wish(step)

    # What is done; only while no job is running

    def _act(self, name: str) -> None:
        was_drawing = self._view.is_drawing
        self._view.end_drawing()
        if name == "split":
            if not was_drawing:
                self._view.begin_drawing()
        elif name in ("undo", "redo"):
            self._step(name)
        elif name == "next":
            self._advance()
        elif not self._chosen:
            raise ValueError("Choose an object first: click on it.")
        elif name == "merge" and len(self._chosen) < 2:
            raise ValueError("Choose what to merge first: click on one object, Shift+click on the others.")
        elif name == "accept":
            self._accept()
        elif name == "reject":
            self._reject()
        else:
            self._edit(review_job.run_edit, name, self._chosen)

    def _accept(self) -> None:
        """Lock the chosen objects and go on; or unlock them where all are locked."""
        is_locked = self._queue.accepted.issuperset(self._chosen)
        for instance_id in self._chosen:
            self._queue = self._queue.decide(instance_id, None if is_locked else "accepted")
        if not is_locked:
            self._advance()

    def _reject(self) -> None:
        """Delete the chosen objects and go on."""
        rest = self._queue
        for instance_id in self._chosen:
            rest = rest.decide(instance_id, "rejected")
        following = rest.next_after(self._chosen[0])
        self._edit(review_job.run_edit, "delete", self._chosen, to_show=() if following is None else (following,))

    def _advance(self) -> None:
        following = self._queue.next_after(self._chosen[0] if self._chosen else None)
        if following is not None:
            self._go_to(following)
        else:
            self._say("All objects are reviewed.", "good")

    def _go_to(self, instance_id: int) -> None:
        if instance_id in self._queue.measures:
            self._chosen = (instance_id,)
            self._view.jump_to(self._queue.measures[instance_id])

    def _choose(self, instance_id: int, is_added: bool) -> None:
        """Choose an object, or, if it is added, put it to the chosen ones or take it from them."""
        if not is_added:
            self._chosen = (instance_id,)
        elif instance_id in self._chosen:
            self._chosen = tuple(other for other in self._chosen if other != instance_id)
        else:
            self._chosen = (*self._chosen, instance_id)
        if self._chosen:
            self._view.select(self._chosen[0])
        if instance_id not in self._queue.measures:  # The user has painted it since.
            self._measure((instance_id,))

    def _edit(self, body: Body, *args: object, to_show: tuple[int, ...] = ()) -> None:
        self._turns.start(partial(self._on_change_known, to_show), body, self._subject, *args, self._queue.accepted)

    def _step(self, name: str) -> None:
        with _in_words():
            change = getattr(self._history, name)(self._view.pixels, locked=self._queue.accepted)
        if change is not None:
            self._view.show_change()
            self._measure(change.ids, to_show=change.ids)

    def _keep(self) -> None:
        if self._queue.accepted:
            self._turns.start(self.accepted.emit, review_job.run_keeping, self._view.pixels, self._queue.accepted)

    def _measure(self, ids: tuple[int, ...], *, to_show: tuple[int, ...] = ()) -> None:
        on_measured = partial(self._on_measured, to_show)
        self._turns.start(on_measured, review_job.run_measuring, self._subject, self._queue, ids)

    # What the jobs say

    def _on_reported(self, message: MeasuringProgress | None) -> None:
        if self._queue is None:
            self._progress = message
            self._show()

    def _on_failed(self, error: Exception) -> None:
        if isinstance(error, LockedError):
            self._say(locked(error.ids), "bad")
        elif isinstance(error, ValueError):
            self._say(str(error), "bad")
        else:
            self._say(f"{type(error).__name__}: {error}", "bad", "".join(traceback.format_exception(error)))
        if self._queue is None:
            self.end()
        elif self._view.is_painted:  # Perhaps what was wished for is there no longer.
            self._view.is_painted = False
            self._wish(partial(self._measure, tuple(set(self._chosen) - self._queue.accepted)))

    def _on_first_measured(self, queue: ReviewQueue) -> None:
        self._queue = queue
        if self._subject.embeddings is None:
            self._say("The order is by shape and size alone: the embeddings of the image are not at hand.")
        if queue.measures:
            self._advance()

    def _on_change_known(self, to_show: tuple[int, ...], change: LabelChange) -> None:
        if not change:
            self._say("There is nothing to change.")
            return
        with _in_words():
            self._history.make(self._view.pixels, change)
        self._view.show_change()
        if not {*self._chosen} & {*change.ids}:
            self._chosen = change.ids[:1]
        self._measure(change.ids, to_show=to_show)

    def _on_measured(self, to_show: tuple[int, ...], queue: ReviewQueue) -> None:
        self._queue = queue
        self._chosen = tuple(one for one in self._chosen if one in queue.measures)
        if there := [one for one in to_show if one in queue.measures]:
            self._go_to(there[0])
        elif not self._chosen:
            self._advance()

    # What is on show

    def _show(self) -> None:
        view, history = self._view, self._history
        self._tab.show_status(
            ReviewStatus(
                is_open=view is not None,
                progress=self._progress,
                queue=self._queue,
                chosen=self._chosen,
                can_undo=history.can_undo,
                can_redo=history.can_redo,
                is_drawing=view is not None and view.is_drawing,
            )
        )

    def _clear(self) -> None:
        self._view: ReviewedLayer | None = None
        self._subject: Subject | None = None
        self._queue: ReviewQueue | None = None
        self._progress: MeasuringProgress | None = None
        self._chosen: tuple[int, ...] = ()
        self._history = EditHistory()

    def _is_embedded(self, layer: Layer) -> bool:
        """Return whether the session's embeddings are of the image that a Labels layer belongs to."""
        return self._embedded is not None and layer.metadata.get(MAKER, self._embedded) == self._embedded

    def _say(self, text: str, tone: Tone = "plain", details: str = "") -> None:
        self.noticed.emit(Notice(text, tone, details))


@contextmanager
def _in_words() -> Iterator[None]:
    """Say it in words where pixels are not what a change was made for."""
    try:
        yield
    except LockedError:
        raise
    except ValueError as error:
        raise ValueError(_PAINTED) from error
