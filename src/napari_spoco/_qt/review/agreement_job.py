"""The bodies of the jobs that compare student and teacher in a review. No Qt, and no layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_spoco._qt.review.review_job import MeasuringProgress, in_order, reporter

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_spoco._qt.jobs.worker import JobContext
    from napari_spoco._qt.review.review_job import Subject
    from napari_spoco.review.measures import ObjectMeasures
    from napari_spoco.review.queue import ReviewQueue


@dataclass(frozen=True, eq=False)
class ComparedObjects:
    """What student and teacher agree on.

    Attributes
    ----------
    other_embeddings : ndarray
        (E, *grid) of the other network.
    measures : mapping of int to ObjectMeasures
        The objects as they were.
    agreement : mapping of int to float
        Of those of them that can be seen.
    """

    other_embeddings: NDArray[np.float16]
    measures: Mapping[int, ObjectMeasures]
    agreement: Mapping[int, float]


def run_comparing(
    job: JobContext, subject: Subject, measures: Mapping[int, ObjectMeasures]
) -> Generator[MeasuringProgress, None, ComparedObjects | None]:
    """Compare student and teacher, one of which may have to embed the image first, in objects that are measured.

    Raises
    ------
    ValueError, OSError
        As `OtherNetwork.embed`.
    """
    from napari_spoco.review.agreement import measure_agreement
    from napari_spoco.review.measures import MeasuringStopped

    yield MeasuringProgress(0, 0)
    assert subject.other is not None
    other = subject.other.embed(job)
    try:
        agreement = measure_agreement(
            subject.labels,
            measures.values(),
            embeddings=subject.embeddings,
            other_embeddings=other,
            delta_var=subject.delta_var,
            kernel_threshold=subject.kernel_threshold,
            stop=job.is_cancelled,
            on_progress=reporter(job),
        )
    except MeasuringStopped:
        return None
    return ComparedObjects(other, measures, agreement)


def run_ordering(_job: JobContext, queue: ReviewQueue, compared: ComparedObjects) -> Generator[None, None, ReviewQueue]:
    """Order the objects anew, now that student and teacher are compared."""
    yield
    return in_order(queue.with_agreement(compared.measures, compared.agreement))
