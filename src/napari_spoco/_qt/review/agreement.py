"""Has student and teacher compared beside a review, and says how that stands.

The cycle:

1. Once the objects are measured, the review goes on, and a job has the other network embed the image, unless that is
   known, and compares both in every object.
2. What it finds waits until the review has nothing else to do; it holds for objects that are as they were
   (`ReviewQueue.with_agreement`). From then on, objects that change are measured by both networks.
3. Those that changed in between are compared in another round.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.embeddings.prediction_job import PredictionProgress
from napari_spoco._qt.notices import failure
from napari_spoco._qt.review import agreement_job, review_status
from napari_spoco._qt.review.review_job import MeasuringProgress
from napari_spoco._qt.review.review_turns import Turns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_spoco._qt.review.agreement_job import ComparedObjects
    from napari_spoco._qt.review.review_job import Subject
    from napari_spoco.review.measures import ObjectMeasures


class Agreement(QObject):
    """Compares one round after another; `found` brings what came of one, `changed` says that `text` is another one.

    Attributes
    ----------
    text : str
        Why the order of the objects is without the agreement of both networks; empty where it is with it.
    """

    found = Signal(object)  # ComparedObjects
    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.text = ""
        self._compared: Mapping[int, ObjectMeasures] = {}
        self._turns = Turns(self)
        self._turns.reported.connect(self._on_reported)
        self._turns.failed.connect(self._on_failed)

    @property
    def is_running(self) -> bool:
        """Whether both networks are being compared."""
        return self._turns.is_busy

    def compare(self, subject: Subject, measures: Mapping[int, ObjectMeasures]) -> None:
        """Compare both networks in the objects in which they have not been, if there are two."""
        is_first = not self._compared
        if subject.embeddings is None or (is_first and subject.other_embeddings is not None):
            return
        if subject.other is None:
            self._say(review_status.FROM_BEFORE if subject.is_again else review_status.NO_TEACHER)
            return
        unknown = {one: now for one, now in measures.items() if now.agreement is None}
        due = {one: now for one, now in unknown.items() if self._compared.get(one) is not now}
        if due:
            self._compared = due
            self._say(review_status.comparing())
            self._turns.wish(partial(self._turns.start, self._on_compared, agreement_job.run_comparing, subject, due))

    def stop(self) -> None:
        """Leave it; the order stays as it is."""
        if self.is_running:
            self._turns.drop()
            self._say(review_status.not_compared("it was stopped"))

    def end(self) -> None:
        """Forget the review; there may be another one."""
        self._turns.drop()
        self.text, self._compared = "", {}

    def _on_reported(self, message: object) -> None:
        if isinstance(message, PredictionProgress | MeasuringProgress):
            self._say(review_status.comparing(message))

    def _on_compared(self, compared: ComparedObjects) -> None:
        self._say("")
        self.found.emit(compared)

    def _on_failed(self, error: Exception) -> None:
        self._say(review_status.not_compared(failure(error).text))

    def _say(self, text: str) -> None:
        self.text = text
        self.changed.emit()
