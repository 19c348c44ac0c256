"""Embeddings on disk: predicted once for an image and a model, there again after napari was closed.

They take half precision, and are mapped into memory rather than read. No Qt, no torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

MAX_BYTES = 8 << 30
"""What the folder may take; what has not been used for the longest time goes first."""

_UNFINISHED = ".part"


class EmbeddingStore:
    """A folder of embeddings by key.

    Parameters
    ----------
    folder
        Where they are kept; made when it is needed. Where it cannot be written, embeddings are kept in memory.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(
        self, key: str, shape: tuple[int, ...], predict: Callable[[NDArray[np.float16]], object]
    ) -> NDArray[np.float16]:
        """Return the embeddings of a key, (E, *spatial), to be read only; they are predicted if they are not there.

        Parameters
        ----------
        key
            A digest of all that the embeddings depend on (`digest`).
        shape
            Of the embeddings.
        predict
            Fills the array it is given. What it raises passes through, and nothing is kept.
        """
        from napari_spoco.segmentation.reclustering import half_precision

        kept = self.find(key)
        if kept is not None and kept.shape == shape:
            return kept
        path = self._folder / f"{key}.npy"
        temporary = path.with_name(f"{uuid.uuid4().hex}{_UNFINISHED}")
        try:
            self._make_room(2 * math.prod(shape))
            out = half_precision(shape, temporary)
        except OSError:
            logger.warning("Embeddings are kept in memory: %s cannot be written.", self._folder, exc_info=True)
            out = half_precision(shape)
            predict(out)
            return out
        try:
            predict(out)
            del out  # a file that is mapped cannot be renamed everywhere
            temporary.replace(path)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        kept = np.load(path, mmap_mode="r")
        return kept

    def find(self, key: str) -> NDArray[np.float16] | None:
        """Return the embeddings of a key, (E, *spatial), to be read only; None where they are not kept any more."""
        path = self._folder / f"{key}.npy"
        with contextlib.suppress(OSError, ValueError, EOFError):  # not there, or no array of ours
            kept: NDArray[np.float16] = np.load(path, mmap_mode="r")
            if kept.dtype == np.float16:
                os.utime(path)
                return kept
        return None

    def _make_room(self, n_bytes: int) -> None:
        """Make the folder, and delete what was used the longest time ago until there is room."""
        self._folder.mkdir(parents=True, exist_ok=True)
        kept = []
        for path in (*self._folder.glob("*.npy"), *self._folder.glob(f"*{_UNFINISHED}")):
            with contextlib.suppress(OSError):
                kept.append((path.stat().st_mtime, path.stat().st_size, path))
        total = n_bytes + sum(size for _, size, _ in kept)
        for _, size, path in sorted(kept):
            if total <= MAX_BYTES:
                return
            with contextlib.suppress(OSError):  # mapped by another window
                path.unlink()
                total -= size


def digest(*parts: Any) -> str:
    """Return a name for what arrays and plain values hold."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            state.update(f"{part.dtype.str}{part.shape}".encode())
            state.update(np.ascontiguousarray(part).data)
        else:
            state.update(repr(part).encode())
    return state.hexdigest()
