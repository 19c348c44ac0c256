"""Embeddings as colours: the three principal components as RGB, steady from one picture to the next.

Principal components are free in sign and, where their variances are close, in rotation; a live view that fits
them anew each time flickers. Here each new basis is turned within its own subspace onto the last one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spoco.segmentation.arguments import check_embeddings

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FIT_PIXELS = 50_000
_PERCENTILES = (1.0, 99.0)


class PcaProjection:
    """Project embeddings to RGB and remember the basis, so that colours keep their meaning.

    The first fit fixes the sign of each component (its largest entry is positive); every later one is rotated by
    the orthogonal Procrustes solution onto the basis before it. Embeddings of another size start afresh.
    """

    def __init__(self) -> None:
        self._basis: NDArray[np.float64] | None = None  # (E, 3), orthonormal columns
        self._lower: NDArray[np.float64] = np.zeros(3)
        self._upper: NDArray[np.float64] = np.ones(3)

    @property
    def basis(self) -> NDArray[np.float64] | None:
        """Components as columns (E, 3), or None before the first fit."""
        return None if self._basis is None else self._basis.copy()

    def fit(self, embeddings: NDArray[Any]) -> None:
        """Fit basis and colour limits (1st and 99th percentile) to an evenly spaced sample of the pixels.

        Parameters
        ----------
        embeddings
            (E, *spatial), 2D or 3D, floating point, E >= 1. With E < 3 the colours left over stay constant.

        Raises
        ------
        TypeError, ValueError
            `embeddings` is no finite floating-point array of these axes.
        """
        self._fit(check_embeddings(embeddings))

    def transform(self, embeddings: NDArray[Any]) -> NDArray[np.uint8]:
        """Project with the last fitted basis and limits.

        Parameters
        ----------
        embeddings
            (E, *spatial) with the fitted E.

        Returns
        -------
        numpy.ndarray
            (*spatial, 3) uint8.

        Raises
        ------
        TypeError, ValueError
            As `fit`, or nothing was fitted yet, or E differs from the fitted one.
        """
        return self._transform(check_embeddings(embeddings))

    def fit_transform(self, embeddings: NDArray[Any]) -> NDArray[np.uint8]:
        """Fit, then project: `fit` and `transform` on the same embeddings."""
        embeddings = check_embeddings(embeddings)
        self._fit(embeddings)
        return self._transform(embeddings)

    def _fit(self, embeddings: NDArray[np.float32]) -> None:
        sample = _sample_pixels(embeddings)  # (N, E)
        centred = sample - sample.mean(axis=0)
        basis = _principal_components(centred)
        if self._basis is not None and self._basis.shape == basis.shape:
            basis = _rotate_onto(basis, self._basis)
        else:
            basis = _fix_signs(basis)
        self._basis = basis
        self._lower, self._upper = np.percentile(sample @ basis, _PERCENTILES, axis=0)

    def _transform(self, embeddings: NDArray[np.float32]) -> NDArray[np.uint8]:
        n_fitted = None if self._basis is None else self._basis.shape[0]
        if self._basis is None or n_fitted != embeddings.shape[0]:
            raise ValueError(
                f"embeddings: expected the size that was fitted ({n_fitted}), got {embeddings.shape[0]} per pixel."
            )
        span = self._upper - self._lower
        varies = span > 1e-6
        gain = np.where(varies, 255.0 / np.where(varies, span, 1.0), 0.0)
        offset = np.where(varies, -self._lower * gain, 127.5)
        scaled = (self._basis * gain).astype(np.float32)  # colour limits folded into the basis: one product per pixel
        colours = embeddings.reshape(embeddings.shape[0], -1).T @ scaled + offset.astype(np.float32)
        np.clip(colours, 0.0, 255.0, out=colours)
        rgb: NDArray[np.uint8] = np.rint(colours).astype(np.uint8).reshape(*embeddings.shape[1:], 3)
        return rgb


def _sample_pixels(embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
    flat = embeddings.reshape(embeddings.shape[0], -1)
    # Evenly spaced positions that are no multiple of a row, so that every column of the image is seen.
    count = min(flat.shape[1], _FIT_PIXELS)
    chosen = np.linspace(0, flat.shape[1] - 1, count).astype(np.intp)
    return flat[:, chosen].T.astype(np.float64)


def _principal_components(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the three components of largest variance as columns (E, 3), zero columns where E < 3."""
    _, vectors = np.linalg.eigh(centred.T @ centred)  # ascending
    basis = np.zeros((centred.shape[1], 3))
    components = vectors[:, ::-1][:, :3]
    basis[:, : components.shape[1]] = components
    return basis


def _fix_signs(basis: NDArray[np.float64]) -> NDArray[np.float64]:
    largest = basis[np.abs(basis).argmax(axis=0), np.arange(basis.shape[1])]
    return basis * np.where(largest < 0, -1.0, 1.0)


def _rotate_onto(basis: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn the columns of `basis` within their span to be closest to `target` (orthogonal Procrustes)."""
    left, _, right = np.linalg.svd(basis.T @ target)
    turned: NDArray[np.float64] = basis @ (left @ right)
    return turned
