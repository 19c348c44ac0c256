"""What surrounds a painted object: whoever outlines an object says where it ends."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_spoco.data.annotations import BACKGROUND, UNLABELED, SparseAnnotations

_STEP = ndimage.generate_binary_structure(2, 1)


def with_rim(annotations: SparseAnnotations, width: int) -> SparseAnnotations:
    """Turn unlabeled pixels around objects into background, where some background is painted at all.

    Parameters
    ----------
    annotations
        (*spatial).
    width
        In pixels, in the planes (Y, X): planes of a stack may be far apart, and an object may be painted in some only.

    Returns
    -------
    SparseAnnotations
        Of the same version; the very same where there is no background, no object or no width.
    """
    labels = annotations.labels
    if width == 0 or not annotations.n_objects or not (labels == BACKGROUND).any():
        return annotations
    step = _STEP.reshape((1,) * (labels.ndim - 2) + _STEP.shape)
    is_near = ndimage.binary_dilation(labels > 0, step, iterations=width)
    rimmed = np.where(is_near & (labels == UNLABELED), BACKGROUND, labels)
    return SparseAnnotations(rimmed, version=annotations.version, in_planes=annotations.in_planes)
