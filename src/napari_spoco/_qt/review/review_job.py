"""The bodies of the jobs of a review: measure objects, find out what a correction changes. No Qt, and no layers.

Nothing is changed here: a job looks at the labels and says what is to become of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_spoco.project.file import ReviewEmbeddings
from napari_spoco.review.queue import ReviewQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_spoco._qt.embeddings.embedding_job import EmbeddedImage
    from napari_spoco._qt.embeddings.other_network import OtherNetwork
    from napari_spoco._qt.jobs.worker import JobContext
    from napari_spoco.data.label_change import Box, LabelChange
    from napari_spoco.review.measures import ObjectMeasures
    from napari_spoco.review.queue import Decision

Tool = Literal["merge", "delete", "fill_holes", "smooth", "grow"]

_N_REPORTS = 100
"""Of the progress, however many objects there are."""


@dataclass(frozen=True)
class MeasuringProgress:
    """Objects measured, and in all."""

    n_done: int
    n_objects: int


@dataclass(frozen=True, eq=False)
class Subject:
    """What is under review.

    Attributes
    ----------
    labels : ndarray
        (*spatial), the array that the layer shows.
    scale : tuple of float
        Of a pixel.
    embeddings, other_embeddings : ndarray or None
        (E, *grid) of the network that has embedded the image, and of the other one, student or teacher; where the model
        looks with another pixel size, on another grid than the labels.
    delta_var, kernel_threshold : float
        Of the training.
    measured_by : ReviewEmbeddings or None
        Where another session finds these embeddings.
    other : OtherNetwork or None
        Has the other network embed the image.
    is_again : bool
        Whether the embeddings are those of an earlier review, so that there are no more of them than there were.
    """

    labels: NDArray[Any]
    scale: tuple[float, ...]
    embeddings: NDArray[np.float16] | None = None
    other_embeddings: NDArray[np.float16] | None = None
    delta_var: float = 0.5
    kernel_threshold: float = 0.9
    measured_by: ReviewEmbeddings | None = None
    other: OtherNetwork | None = None
    is_again: bool = False

    @property
    def own_embeddings(self) -> NDArray[np.float16] | None:
        """The embeddings if they are on the grid of the labels: a border between pixels cannot be seen on others."""
        is_own = self.embeddings is not None and self.embeddings.shape[1:] == self.labels.shape
        return self.embeddings if is_own else None

    @classmethod
    def of(cls, labels: NDArray[Any], scale: Sequence[float], image: EmbeddedImage) -> Subject:
        """Take labels and, if they are of this shape, the embeddings of their image, of both networks if known."""
        sizes = tuple(map(float, scale))
        if image.resampling.shape != labels.shape:
            return cls(labels, sizes)
        kernel = {"delta_var": image.card.delta_var, "kernel_threshold": image.card.kernel_threshold}
        source = ReviewEmbeddings(key=image.key, n_dims=len(image.embeddings), **kernel)
        subject = cls(labels, sizes, image.embeddings, **kernel, measured_by=source, other=image.other)
        if image.other is None:
            return subject
        at_hand = image.context.teacher_embeddings  # of consistency clustering
        known = image.other.find() if at_hand is None else at_hand
        return subject if known is None else subject.with_other(known)

    @classmethod
    def again(
        cls,
        labels: NDArray[Any],
        scale: Sequence[float],
        source: ReviewEmbeddings | None,
        find: Callable[[str], NDArray[np.float16] | None],
    ) -> Subject:
        """Take labels, and the embeddings by which they were measured before, if `find` still has them by their keys.

        The labels alone are taken where it has not: half of the measures would order the objects in yet another way.
        """
        sizes = tuple(map(float, scale))
        keys = () if source is None else filter(None, (source.key, source.teacher_key))
        found = [find(key) for key in keys]
        if source is None or any(one is None or one.ndim != labels.ndim + 1 for one in found):
            return cls(labels, sizes)
        first, *other = (one[: source.n_dims] for one in found if one is not None)
        kernel = source.model_dump(include={"delta_var", "kernel_threshold"})
        return cls(labels, sizes, first, *other, **kernel, measured_by=source, is_again=True)

    def with_other(self, embeddings: NDArray[np.float16]) -> Subject:
        """Return the same with the embeddings of the other network, which `other` has made."""
        assert self.other is not None
        assert self.measured_by is not None
        source = self.measured_by.model_copy(update={"teacher_key": self.other.key})
        return replace(self, other_embeddings=embeddings, measured_by=source)


@dataclass(frozen=True, eq=False)
class AcceptedObjects:
    """Objects that the user has accepted: a copy of the labels (*spatial) that is 0 everywhere else.

    Each lies in its box.
    """

    labels: NDArray[Any]
    boxes: Mapping[int, Box]

    @property
    def ids(self) -> tuple[int, ...]:
        """Which they are."""
        return tuple(self.boxes)


def run_measuring(
    job: JobContext, subject: Subject, decisions: Mapping[int, Decision] | None = None
) -> Generator[MeasuringProgress, None, ReviewQueue | None]:
    """Measure all objects, about which there may be decisions; None where nobody waits for it any more.

    Raises
    ------
    TypeError, ValueError
        The labels are no objects.
    """
    yield MeasuringProgress(0, 0)
    _get_colours_ready(subject.labels.dtype)
    measures = _measure(job, subject, None)
    return None if measures is None else in_order(ReviewQueue.of(measures, decisions))


def run_measuring_again(
    job: JobContext, subject: Subject, queue: ReviewQueue, ids: Sequence[int], rejected: Sequence[int]
) -> Generator[None, None, ReviewQueue | None]:
    """Measure objects that have changed, some of which were rejected; else as `run_measuring`."""
    yield
    measures = _measure(job, subject, ids)
    return None if measures is None else in_order(queue.after_change(ids, measures, rejected=rejected))


def run_edit(
    _job: JobContext, subject: Subject, tool: Tool, ids: tuple[int, ...], locked: Collection[int]
) -> Generator[None, None, LabelChange]:
    """Find out what a correction of objects would change.

    Raises
    ------
    ValueError
        The correction is not possible; a sentence for the user.
    """
    from napari_spoco.review import editing

    yield
    if tool in ("smooth", "grow"):
        return getattr(editing, tool)(subject.labels, ids, scale=subject.scale, locked=locked)
    return getattr(editing, tool)(subject.labels, ids, locked=locked)


def run_split(
    _job: JobContext, subject: Subject, strokes: Sequence[NDArray[np.integer]], locked: Collection[int]
) -> Generator[None, None, LabelChange]:
    """Find out how the object under two strokes (N, ndim) of pixels falls into two.

    Raises
    ------
    ValueError
        No object is under both strokes, or it is locked.
    """
    from napari_spoco.review.splitting import split

    yield
    first, second = strokes
    under_first, under_second = (subject.labels[tuple(stroke.T)] for stroke in strokes)
    candidates = np.intersect1d(under_first[under_first > 0], under_second)
    if not len(candidates):
        raise ValueError("Both strokes have to lie on one object: there is none that both are on.")
    under_both = np.concatenate([under_first, under_second])
    target = max(candidates.tolist(), key=lambda one: np.count_nonzero(under_both == one))
    return split(
        subject.labels,
        target,
        first,
        second,
        embeddings=subject.own_embeddings,
        delta_var=subject.delta_var,
        scale=subject.scale,
        locked=locked,
    )


def run_keeping(
    _job: JobContext, labels: NDArray[Any], boxes: Mapping[int, Box]
) -> Generator[None, None, AcceptedObjects]:
    """Copy some of the objects, each of which lies in its box, as ids of the type of annotations."""
    yield
    kept = dict(sorted(boxes.items()))
    return AcceptedObjects(np.where(np.isin(labels, [*kept]), labels, 0).astype(np.int32, copy=False), kept)


def _get_colours_ready(dtype: np.dtype[Any]) -> None:
    """Have napari compile its colours by label for ids of a type, here, so that the event loop does not wait for it."""
    from napari.utils.colormaps import DirectLabelColormap

    DirectLabelColormap(color_dict={None: "transparent", 0: "transparent", 1: "white"}).map(np.zeros((1, 1), dtype))


def _measure(job: JobContext, subject: Subject, ids: Sequence[int] | None) -> tuple[ObjectMeasures, ...] | None:
    from napari_spoco.review.measures import MeasuringStopped, measure_objects

    try:
        return measure_objects(
            subject.labels,
            ids,
            embeddings=subject.embeddings,
            other_embeddings=subject.other_embeddings,
            scale=subject.scale,
            delta_var=subject.delta_var,
            kernel_threshold=subject.kernel_threshold,
            stop=job.is_cancelled,
            on_progress=reporter(job),
        )
    except MeasuringStopped:
        return None


def reporter(job: JobContext) -> Callable[[int, int], None]:
    """Return a function that takes (objects done, objects in all) after every object, and reports now and then."""

    def report(n_done: int, n_objects: int) -> None:
        if n_done * _N_REPORTS // n_objects > (n_done - 1) * _N_REPORTS // n_objects:
            job.report(MeasuringProgress(n_done, n_objects))

    return report


def in_order(queue: ReviewQueue) -> ReviewQueue:
    """Order a queue here, so that it is not ordered on the event loop."""
    _ = queue.pending
    return queue
