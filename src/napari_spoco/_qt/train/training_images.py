"""Which images the next training is made on, and how many objects are painted in them.

The objects of the image on show are counted in Annotate; those of the others here, once they can be ticked.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_spoco._qt.annotate.counting import Counting
from napari_spoco._qt.layers import layers
from napari_spoco._qt.train.train_on import TrainableImage

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
    from napari_spoco._qt.annotate.annotated_images import AnnotatedImage, AnnotatedImages
    from napari_spoco._qt.jobs.files_job import AnnotationSummary
    from napari_spoco._qt.train.train_on import TrainOnForm
    from napari_spoco._qt.train.training_settings import TrainingSettings


class TrainingImages(QObject):
    """Between what is annotated and the choice of what is trained on."""

    changed = Signal()

    def __init__(
        self,
        images: AnnotatedImages,
        annotate: AnnotateTab,
        form: TrainOnForm,
        settings: TrainingSettings,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._images, self._annotate, self._form, self._settings = images, annotate, form, settings
        self._n_objects: dict[str, int] = {}  # by the identity of annotations
        self._countings: dict[str, Counting] = {}
        images.changed.connect(self.refresh)
        annotate.counted.connect(self._on_counted)
        form.changed.connect(self._on_wished)
        settings.changed.connect(self._on_settings_changed)

    @property
    def is_chosen(self) -> bool:
        """Whether anything is: not where all images are left out."""
        return not self._form.takes_several or bool(self._form.ticked)

    @property
    def is_one_of_several(self) -> bool:
        """Whether one image alone is trained on, though others are annotated, too."""
        return self._form.offers_several and not self._form.takes_several

    @property
    def n_objects(self) -> int:
        """Number of objects that are painted in what is trained on, as far as they are counted."""
        if not self._form.takes_several:
            return self._annotate.summary.n_objects
        return sum(self._n_objects.get(layers.identity(pair.annotations), 0) for pair in self.pairs())

    def pairs(self) -> list[AnnotatedImage]:
        """Return what is trained on: the chosen pair, or those that are ticked."""
        if self._form.takes_several:
            return [pair for pair in self._images.one_each() if layers.identity(pair.image) in self._form.ticked]
        current = self._images.current()
        return [current] if current else []

    def largest(self) -> Layer | None:
        """Return the largest image that is trained on; the chosen one, annotated or not, where that is one alone."""
        if self._form.takes_several:
            images = [pair.image for pair in self.pairs()]
            return max(images, key=lambda image: math.prod(layers.spatial_shape(image)), default=None)
        return self._annotate.image.layer()

    def refresh(self) -> None:
        """Offer what is annotated now."""
        pairs, image = self._images.one_each(), self._annotate.image.layer()
        offered = [
            TrainableImage(
                layers.identity(pair.image), pair.image.name, self._n_objects.get(layers.identity(pair.annotations))
            )
            for pair in pairs
        ]
        self._form.offer(offered, "" if image is None else image.name)
        self._count([pair.annotations for pair in pairs] if self._form.takes_several else [])

    def release(self) -> None:
        """Let go of the layers."""
        self._count([])

    def _count(self, annotations: list[Layer]) -> None:
        """Follow these layers, but for the one that is counted in Annotate, and no others."""
        here = self._annotate.annotations.layer()
        wanted = {layers.identity(layer): layer for layer in annotations if layer is not here}
        for key in self._countings.keys() - wanted:
            counting = self._countings.pop(key)
            counting.follow(None)
            counting.deleteLater()
        new = {key: Counting(self) for key in wanted.keys() - self._countings}
        self._countings |= new
        for key, counting in new.items():
            counting.counted.connect(partial(self._note, key))
            counting.interpret(self._settings.annotations())
            counting.follow(wanted[key])
            counting.count()

    def _note(self, key: str, summary: AnnotationSummary) -> None:
        self._n_objects[key] = summary.n_objects
        self.refresh()
        self.changed.emit()

    def _on_counted(self) -> None:
        here = self._annotate.annotations.layer()
        if here is not None:
            self._n_objects[layers.identity(here)] = self._annotate.summary.n_objects
        self.refresh()

    def _on_wished(self) -> None:
        self.refresh()
        self.changed.emit()

    def _on_settings_changed(self) -> None:
        meaning = self._settings.annotations()
        for counting in self._countings.values():
            if counting.interpret(meaning):
                counting.count()
