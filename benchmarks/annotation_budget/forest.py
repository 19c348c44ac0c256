"""A random forest of pixels, the ilastik way: Gaussian, edge and texture features at several scales."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from benchmarks.annotation_budget.contestants import Fitted
from benchmarks.annotation_budget.pixel_classes import N_CLASSES, UNKNOWN, classify_pixels, readouts
from skimage.feature import multiscale_basic_features
from sklearn.ensemble import RandomForestClassifier

if TYPE_CHECKING:
    from benchmarks.annotation_budget.contestants import Task
    from numpy.typing import NDArray

_N_TREES = 50
_MOST_PIXELS = 20_000
"""Of each class."""
_SIGMAS = {2: (0.7, 10.0), 3: (0.7, 4.0)}


def fit(task: Task) -> Fitted:
    """Train the forest on the annotated pixels, as many of each class as there are, up to a bound."""
    rng = np.random.default_rng(task.seed)
    features = [_features(image) for image in task.images]
    classes = [classify_pixels(a.labels, is_tissue=task.is_tissue) for a in task.annotations]
    pooled = np.concatenate([c[c != UNKNOWN] for c in classes])
    points = np.concatenate([f[c != UNKNOWN] for f, c in zip(features, classes, strict=True)])
    chosen = np.concatenate([rng.permutation(np.flatnonzero(pooled == k))[:_MOST_PIXELS] for k in range(N_CLASSES)])
    forest = RandomForestClassifier(
        _N_TREES, min_samples_leaf=3, class_weight="balanced", random_state=task.seed, n_jobs=1
    )
    forest.fit(points[chosen], pooled[chosen])
    return Fitted(
        [_probabilities(forest, f) for f in features],
        lambda image: _probabilities(forest, _features(image)),
        readouts(task.annotations, is_tissue=task.is_tissue),
    )


def _features(image: NDArray[Any]) -> NDArray[np.float32]:
    """Return (*spatial, F) float32."""
    low, high = _SIGMAS[image.ndim]
    scaled = image.astype(np.float32) / max(float(image.max()), 1.0)
    return multiscale_basic_features(scaled, sigma_min=low, sigma_max=high, workers=1).astype(np.float32)


def _probabilities(forest: RandomForestClassifier, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (3, *spatial); a class that was never seen has probability 0."""
    out = np.zeros((N_CLASSES, *features.shape[:-1]), dtype=np.float32)
    predicted = forest.predict_proba(features.reshape(-1, features.shape[-1]))
    out[forest.classes_] = predicted.T.reshape(-1, *features.shape[:-1])
    return out
