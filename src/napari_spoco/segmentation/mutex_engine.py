"""Who computes the mutex watershed: our compiled kernel, or bioimage-cpp while that is not there.

The rule: a call uses the kernel if it is compiled. If it is not, the call compiles it first, unless another thread is
at it (the window starts one when it opens, see `warm_up`): then bioimage-cpp serves, slower, so that nobody waits.
Without numba, or where compiling fails, bioimage-cpp always serves. Compiled code is kept on disk; from then on it is
loaded in well under a second.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from bioimage_cpp.segmentation import mutex_watershed

from napari_spoco.segmentation.affinities import Offset, embedding_affinities
from napari_spoco.segmentation.cleanup import remove_small

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_LOG = logging.getLogger(__name__)
_compiling = threading.Lock()
_is_ready: bool | None = None
"""None = nobody has tried yet; False = it cannot be had in this process."""


def is_kernel_ready() -> bool:
    """Return whether the compiled kernel serves from now on."""
    return _is_ready is True


def compile_kernel(*, wait: bool = True, before: Callable[[], object] | None = None) -> bool:
    """Compile the kernel, or load it from the disk, and return whether it is ready.

    The first time on a machine takes some ten seconds, and nothing else runs meanwhile; `warm_up` has it done by
    another process. Later calls return at once.

    Parameters
    ----------
    wait
        Whether to wait for another thread that is compiling; if not, return False at once.
    before
        Called first if there is something to compile; other threads' calls are served by the library meanwhile. If it
        raises, the library serves for good.
    """
    global _is_ready
    if _is_ready is None and _compiling.acquire(blocking=wait):
        try:
            if _is_ready is None:
                _is_ready = _try_kernel(before)
        finally:
            _compiling.release()
    return is_kernel_ready()


def _try_kernel(before: Callable[[], object] | None) -> bool:
    """Run the kernel on a tiny image, which compiles it; whatever goes wrong there must not stop anybody's work."""
    try:
        if before is not None:
            before()
        segment_by_kernel(np.zeros((1, 2, 4), dtype=np.float32), ((0, 1),), ((0, 2),))
    except ImportError as error:
        _LOG.info("Mutex watershed runs on bioimage-cpp, slower: numba cannot be imported (%s).", error)
        return False
    except Exception:  # noqa: BLE001 - numba and LLVM raise all sorts of things, and the work can go on
        _LOG.exception("Mutex watershed runs on bioimage-cpp, slower: numba could not compile.")
        return False
    return True


def segment_edges(
    embeddings: NDArray[np.float32],
    attractive: tuple[Offset, ...],
    mutex: tuple[Offset, ...],
    *,
    delta_dist: float = 2.0,
    foreground: NDArray[np.bool_] | None = None,
    mutex_stride: int = 1,
    n_threads: int = 1,
) -> NDArray[np.uint32]:
    """Run the mutex watershed on checked arguments, by whoever is there.

    Parameters
    ----------
    embeddings
        (E, *spatial) finite C-contiguous float32.
    attractive, mutex
        Offsets that have at least one edge in the image, at least one of them attractive.
    delta_dist
        Embeddings twice this far apart repel with priority 1.
    foreground
        (*spatial): only these pixels are segmented; the others get label 0.
    mutex_stride
        Mutex edges start only at pixels whose coordinates are multiples of it.
    n_threads
        Threads that share the priorities and the contraction; the library uses one.

    Returns
    -------
    numpy.ndarray
        (*spatial) labels 1..n without gaps, 0 outside of the foreground.
    """
    if compile_kernel(wait=False):
        return segment_by_kernel(
            embeddings,
            attractive,
            mutex,
            delta_dist=delta_dist,
            foreground=foreground,
            mutex_stride=mutex_stride,
            n_threads=n_threads,
        )
    return segment_by_library(
        embeddings, attractive, mutex, delta_dist=delta_dist, foreground=foreground, mutex_stride=mutex_stride
    )


def segment_by_kernel(
    embeddings: NDArray[np.float32],
    attractive: tuple[Offset, ...],
    mutex: tuple[Offset, ...],
    *,
    delta_dist: float = 2.0,
    foreground: NDArray[np.bool_] | None = None,
    mutex_stride: int = 1,
    n_threads: int = 1,
) -> NDArray[np.uint32]:
    """Run the compiled kernel; arguments and result as in `segment_edges`."""
    from napari_spoco.segmentation import mutex_kernel as kernel
    from napari_spoco.segmentation.mutex_contraction import contract

    shape = embeddings.shape[1:]
    embeddings = _read_only(embeddings)
    mask = _read_only(np.ones(shape, dtype=np.bool_) if foreground is None else foreground)
    reach = 2.0 * delta_dist
    with ThreadPoolExecutor(n_threads) as pool:
        attraction, neighbours = _edges(embeddings, mask, attractive, reach, False, 1, n_threads, pool)
        repulsion, mutexes = _edges(embeddings, mask, mutex, reach, True, mutex_stride, n_threads, pool)
        first_pixels = contract(attraction, neighbours, repulsion, mutexes, n_threads, pool)

    nodes = np.empty_like(first_pixels)
    n_nodes = kernel.number_nodes(first_pixels, nodes)
    edges, edge_begins = kernel.sort_attractive(attraction, neighbours, nodes)
    # Room for the most there can be; the system gives only what is written to.
    others = np.empty(2 * repulsion.size + 1, dtype=nodes.dtype)
    priorities, begins = np.empty(others.size, dtype=np.uint16), np.zeros(n_nodes + 1, dtype=np.int64)
    kernel.gather_mutexes(repulsion, mutexes, nodes, others, priorities, begins)
    segments = np.empty(n_nodes, dtype=nodes.dtype)
    kernel.merge_nodes(edges, edge_begins, others, priorities, begins, segments)
    labels: NDArray[np.uint32] = kernel.number_segments(segments, nodes, mask.ravel()).reshape(shape)
    return labels


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a C-contiguous view or copy marked read-only: numba compiles anew for each kind of array."""
    view = np.ascontiguousarray(array)[:]
    view.flags.writeable = False
    return view


def _edges(
    embeddings: NDArray[np.float32],
    mask: NDArray[np.bool_],
    offsets: tuple[Offset, ...],
    reach: float,
    is_repulsion: bool,
    stride: int,
    n_threads: int,
    pool: ThreadPoolExecutor,
) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """Return priorities (K, n_pixels) and what to add to the number of a pixel; threads share the rows."""
    from napari_spoco.segmentation.mutex_priorities import fill_priorities

    shape = (1,) * (3 - mask.ndim) + mask.shape
    flat, mask = embeddings.reshape(len(embeddings), -1), mask.reshape(shape)
    steps = np.array([(0,) * (3 - len(offset)) + offset for offset in offsets], dtype=np.int64).reshape(-1, 3)
    priorities = np.empty((len(offsets), *shape), dtype=np.uint16)

    def fill(start: int, stop: int) -> None:
        fill_priorities(flat, mask, steps, reach, is_repulsion, stride, start, stop, priorities)

    bounds = np.linspace(0, shape[0] * shape[1], n_threads + 1).astype(int).tolist()
    list(pool.map(fill, bounds[:-1], bounds[1:]))
    return priorities.reshape(len(offsets), mask.size), steps @ (shape[1] * shape[2], shape[2], 1)


def segment_by_library(
    embeddings: NDArray[np.float32],
    attractive: tuple[Offset, ...],
    mutex: tuple[Offset, ...],
    *,
    delta_dist: float = 2.0,
    foreground: NDArray[np.bool_] | None = None,
    mutex_stride: int = 1,
) -> NDArray[np.uint32]:
    """Run bioimage-cpp; arguments and result as in `segment_edges`."""
    edges = attractive + mutex
    priorities = embedding_affinities(embeddings, edges, delta_dist=delta_dist)
    repulsion = priorities[len(attractive) :]
    np.subtract(np.float32(1.0), repulsion, out=repulsion)
    # bioimage-cpp sorts both kinds of edges together, strongest first, and leaves out edges that end outside of the
    # image or of the mask. It takes the repulsion itself, not the affinity, for the mutex channels.
    strides = None if mutex_stride == 1 else (mutex_stride,) * len(embeddings.shape[1:])
    return remove_small(mutex_watershed(priorities, edges, len(attractive), strides=strides, mask=foreground), 0)
