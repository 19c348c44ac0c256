"""The images of a training with their annotations as they are now: people paint while the network learns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_spoco.data.annotations import AnnotationStore
from napari_spoco.data.rim import with_rim
from napari_spoco.training.defaults import choose_rim
from napari_spoco.training.inputs import at_scale, prepare_images

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_spoco.config import Normalization, TrainingConfig
    from napari_spoco.training.inputs import Annotations, TrainingImage
    from napari_spoco.training.scale import TrainingScale


class TrainingPool:
    """Normalised images, and the newest snapshot of their annotations.

    Parameters
    ----------
    images, annotations
        As in `train`; an `AnnotationStore` is asked for a newer version before every step.
    normalization
        Of the images.
    config
        What the values of painted labels state, and how much of what is around an object is background.
    scale
        To which voxel size images and annotations are resampled; stores keep the user's pixels.

    Raises
    ------
    ValueError
        An image or an annotation cannot be trained on; the message names it.
    """

    def __init__(
        self,
        images: Sequence[NDArray[Any]],
        annotations: Sequence[Annotations | AnnotationStore],
        normalization: Normalization,
        config: TrainingConfig,
        scale: TrainingScale | None = None,
    ) -> None:
        self._stores = [item if isinstance(item, AnnotationStore) else None for item in annotations]
        self._is_dense = config.loss.supervision != "sparse"
        self.images = prepare_images(
            images,
            annotations,
            normalization,
            config=config.annotations,
            dense=self._is_dense,
            scale=scale,
            channels=config.channels,
        )
        self._versions = [image.annotations.version for image in self.images]
        self._rim = 0 if self._is_dense else choose_rim(config, self.images[0].image.ndim - 1)
        self._shown: dict[int, tuple[TrainingImage, frozenset[int], TrainingImage]] = {}

    @property
    def n_objects(self) -> int:
        """Annotated objects of all images."""
        return sum(image.annotations.n_objects for image in self.images)

    def refresh(self) -> bool:
        """Take in what has been painted since; returns whether anything was.

        Objects that are still too small to be meant, and a moment in which every object is erased, change nothing.
        """
        images = [self._newest(index) for index in range(len(self.images))]
        versions = [image.annotations.version for image in images]
        if versions == self._versions:
            return False
        self._versions = versions
        if not any(image.annotations.n_objects for image in images):
            return False
        self.images = images
        return True

    def without(self, left_out: Sequence[frozenset[int]]) -> list[TrainingImage]:
        """Return the images to train on, with some objects of each unlabeled; an empty sequence leaves none out.

        Objects that are shown have their rim of background, others have none that would tell of them.
        """
        ids = left_out or [frozenset[int]()] * len(self.images)
        return [self._show(index, image, out) for index, (image, out) in enumerate(zip(self.images, ids, strict=True))]

    def _show(self, index: int, image: TrainingImage, left_out: frozenset[int]) -> TrainingImage:
        before, out, shown = self._shown.get(index, (None, None, image))
        if before is not image or out != left_out:
            annotations = image.annotations.without(left_out) if left_out else image.annotations
            annotations = with_rim(annotations, self._rim)
            shown = image if annotations is image.annotations else replace(image, annotations=annotations)
            self._shown[index] = image, left_out, shown
        return shown

    def _newest(self, index: int) -> TrainingImage:
        image, store = self.images[index], self._stores[index]
        if store is None:
            return image
        snapshot = store.snapshot()
        if snapshot.version == self._versions[index]:
            return image
        newest = snapshot.as_dense() if self._is_dense else snapshot
        return replace(image, annotations=at_scale(newest, image.resampling))
