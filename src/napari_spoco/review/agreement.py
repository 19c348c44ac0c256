"""On how much of each object student and teacher agree, for objects that have been measured without one of them.

The other network takes as long as the first one to look at an image, so that a review begins before it is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_spoco.review.embedding_fit import look_at_object
from napari_spoco.review.measures import MeasuringStopped, check_embeddings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

    from napari_spoco.review.measures import ObjectMeasures


def measure_agreement(
    labels: NDArray[Any],
    objects: Collection[ObjectMeasures],
    *,
    embeddings: NDArray[Any],
    other_embeddings: NDArray[Any],
    delta_var: float = 0.5,
    kernel_threshold: float = 0.9,
    stop: Callable[[], bool] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[int, float]:
    """Return `ObjectMeasures.agreement` by id, as `measure_objects` would with the embeddings of both networks.

    Parameters
    ----------
    labels
        (*spatial), in which somebody may change objects meanwhile: of those the values are of no use.
    objects
        As they were measured.
    embeddings, other_embeddings, delta_var, kernel_threshold, stop, on_progress
        As for `measure_objects`.

    Returns
    -------
    dict of int to float
        Without those that have no pixel on the grid of the embeddings, or none any more.

    Raises
    ------
    MeasuringStopped
        `stop` returned true.
    ValueError
        The shapes do not fit.
    """
    check_embeddings(labels, embeddings, other_embeddings)
    kernel = {"delta_var": delta_var, "kernel_threshold": kernel_threshold}
    agreement: dict[int, float] = {}
    for n_done, one in enumerate(objects, start=1):
        if stop is not None and stop():
            raise MeasuringStopped(f"Comparing was stopped after {n_done - 1} objects.")
        seen = look_at_object(labels, one.instance_id, one.box, embeddings, other_embeddings, kernel)
        if seen is not None and seen.agreement is not None:
            agreement[one.instance_id] = seen.agreement
        if on_progress is not None:
            on_progress(n_done, len(objects))
    return agreement
