"""A project: a folder that keeps images, what was painted into them, trainings and results.

    project.toml          name, format version, and per image its file, annotations, boxes and what labels mean
    images/               copies; images may also stay where they are
    annotations/NAME.tif  what was painted, int32 ids (*spatial)
    runs/YYYY-MM-DD-NN/   one folder per training (`training/run_folder.py`)
    results/NAME.tif      objects that were found, and whatever else was made with the models
    reviews/NAME/         corrections of these objects that can be undone and redone (`review/step_files.py`)

Every question looks whether `project.toml` is still the file that was read last (`project.kept_file`), and every change
replaces it at once, so that the window and the command line may work on one project. No file of an earlier project or
image is ever overwritten.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_spoco.config import AnnotationConfig
from napari_spoco.data.annotations import SparseAnnotations
from napari_spoco.data.images import as_channels_first, read_image, read_labels
from napari_spoco.data.writers import check_folder, write_labels
from napari_spoco.project.file import ProjectFile, ProjectImage, ProjectWork, ReviewDecisions, write_project_file
from napari_spoco.project.images import check_name, copy_image, free_name, write_image
from napari_spoco.project.kept_file import KeptFile
from napari_spoco.project.runs import list_runs, new_run
from napari_spoco.review.history import Steps
from napari_spoco.review.step_files import read_steps, write_steps

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_spoco.data.images import SourceImage

    Box = tuple[slice, ...]

_FILE = "project.toml"
_IMAGES, _ANNOTATIONS, _RUNS, _RESULTS, _REVIEWS = "images", "annotations", "runs", "results", "reviews"


class Project:
    """A project folder; made by `create` or `open`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = KeptFile(path / _FILE)
        self._read()

    @classmethod
    def create(cls, path: str | os.PathLike[str], name: str | None = None) -> Self:
        """Make an empty project in a folder that does not exist, or holds nothing.

        Raises
        ------
        FileExistsError
            There is something already.
        OSError
            The folder cannot be made or written.
        """
        path = Path(path).resolve()
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise FileExistsError(f"path: expected a new or an empty folder, got {path}, which holds something")
        path.mkdir(parents=True, exist_ok=True)
        check_folder(path)
        for folder in (_IMAGES, _ANNOTATIONS, _RUNS, _RESULTS):
            (path / folder).mkdir()
        write_project_file(path / _FILE, ProjectFile(name=name or path.name))
        return cls(path)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open the project in a folder.

        Raises
        ------
        FileNotFoundError
            There is no project.
        ValueError
            `project.toml` is broken, or made by a newer version.
        """
        path = Path(path).resolve()
        if not cls.is_at(path):
            raise FileNotFoundError(f"path: there is no project in {path} (no {_FILE}).")
        return cls(path)

    @staticmethod
    def is_at(path: str | os.PathLike[str]) -> bool:
        """Say whether a folder holds a project."""
        return (Path(path) / _FILE).is_file()

    @property
    def path(self) -> Path:
        """The folder."""
        return self._path

    @property
    def name(self) -> str:
        """What the project is called."""
        return self._read().name

    @property
    def images(self) -> tuple[ProjectImage, ...]:
        """The images, in the order in which they were added."""
        return self._read().images

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(image.name for image in self.images)

    def image(self, name: str) -> ProjectImage:
        """Return what is known of an image; ValueError where there is none of that name."""
        images = {image.name: image for image in self.images}
        if name not in images:
            known = ", ".join(images) or "none yet"
            raise ValueError(f"name: expected an image of the project ({known}), got {name!r}")
        return images[name]

    def add_image(
        self,
        image: str | os.PathLike[str] | NDArray[Any],
        name: str | None = None,
        *,
        ndim: int | None = None,
        copy: bool = False,
        scale: Sequence[float] | None = None,
        units: Sequence[str] | None = None,
        meaning: AnnotationConfig | None = None,
    ) -> ProjectImage:
        """Add an image.

        Parameters
        ----------
        image
            A TIFF file, which stays where it is unless `copy`; or an array (*spatial) or (C, *spatial), which is
            written into the project.
        name
            Names its files; the file's own name by default.
        ndim
            Number of spatial axes, 2 or 3; by default what the file says, all axes of an array.
        copy
            Keep a copy of the file in the project.
        scale, units
            Of an array, per spatial axis; files have their own.
        meaning
            What painted values state.

        Raises
        ------
        ValueError
            No valid image, a name that is taken or cannot name a file on every system, or an array without a name.
        OSError
            The file cannot be read, or the project cannot be written.
        """
        if isinstance(image, np.ndarray):
            ndim = ndim or image.ndim
            channels = as_channels_first(image, ndim=ndim)
            name = check_name(name, self._names)
            file = self._path / _IMAGES / f"{name}.tif"
            write_image(file, channels, scale or (1.0,) * ndim, units or ("pixel",) * ndim)
        else:
            file = Path(image).resolve()
            channels = read_image(file, ndim=ndim).data
            name = check_name(name or file.stem, self._names)
            if copy:
                file = copy_image(file, self._path / _IMAGES / f"{name}{file.suffix}")
        meaning, shape = meaning or AnnotationConfig(), channels.shape[1:]
        return self.add_entry(ProjectImage(name=name, file=self._relative(file), shape=shape, meaning=meaning))

    def add_entry(self, image: ProjectImage) -> ProjectImage:
        """Add what is known of an image, whose file may be that of another one; ValueError for a name as above."""
        check_name(image.name, self._names)
        self._write(images=(*self.images, image))
        return image

    def keep_pixels(self, image: NDArray[Any], name: str, *, scale: Sequence[float], units: Sequence[str]) -> str:
        """Write an image, (*spatial) or (C, *spatial), without an entry of its own.

        Returns
        -------
        str
            Its file, as an entry has it: of that name, or one like it where there is a file of that name already.

        Raises
        ------
        ValueError
            No valid image.
        OSError
            The file cannot be written.
        """
        channels = as_channels_first(image, ndim=len(scale))
        folder = self._path / _IMAGES
        file = folder / f"{free_name(name, (path.stem for path in folder.iterdir()))}.tif"
        write_image(file, channels, scale, units)
        return self._relative(file)

    def change_image(self, name: str, **changes: Any) -> None:
        """Change what is known of an image; ValueError where there is none of that name."""
        image = self.image(name)
        changed = image.model_copy(update=changes)
        if changed != image:
            self._write(images=tuple(changed if image.name == name else image for image in self.images))

    def read_image(self, name: str) -> SourceImage:
        """Read an image with its scale; errors as `napari_spoco.read_image`, and ValueError if it is not kept."""
        image = self.image(name)
        if not image.file:
            raise ValueError(f"name: expected an image whose pixels are kept, got {name}; they were too large to copy.")
        return read_image(self._path / image.file, ndim=len(image.shape))

    def annotations(self, name: str) -> NDArray[np.int32]:
        """Return what was painted into an image, as painted, (*spatial); zeros where nothing was.

        Raises
        ------
        ValueError
            There is no such image, or its annotations have another shape.
        OSError
            The file cannot be read.
        """
        image = self.image(name)
        if image.annotation_file is None:
            return np.zeros(image.shape, np.int32)
        file = self._path / image.annotation_file
        labels = read_labels(file)
        if labels.shape != image.shape:
            raise ValueError(f"{file}: expected the shape of the image {name}, {image.shape}, got {labels.shape}")
        return labels.astype(np.int32, copy=False)

    def set_annotations(
        self,
        name: str,
        labels: ArrayLike,
        *,
        boxes: Sequence[Box] | None = None,
        meaning: AnnotationConfig | None = None,
    ) -> None:
        """Keep what is painted in an image; the earlier state is replaced at once, or not at all.

        Parameters
        ----------
        name
            Of the image.
        labels
            Integers (*spatial), as painted.
        boxes
            Regions in which everything is annotated, a slice per axis; as before if None.
        meaning
            What painted values state; as before if None.

        Raises
        ------
        ValueError
            There is no such image, or `SparseAnnotations.from_labels` refuses the labels.
        OSError
            The files cannot be written.
        """
        image = self.image(name)
        array = np.asarray(labels)
        if array.shape != image.shape:
            raise ValueError(f"labels: expected the shape of the image {name}, {image.shape}, got {array.shape}")
        meaning, slices = meaning or image.meaning, image.slices if boxes is None else tuple(boxes)
        annotations = SparseAnnotations.from_labels(array, boxes=slices, config=meaning)
        file = f"{_ANNOTATIONS}/{name}.tif"
        write_labels(self._path / file, array)
        bounds = tuple(tuple(part.indices(n)[:2] for part, n in zip(box, image.shape, strict=True)) for box in slices)
        n_painted = annotations.n_objects
        self.change_image(name, annotation_file=file, boxes=bounds, meaning=meaning, n_painted=n_painted)

    def result(self, name: str) -> NDArray[Any] | None:
        """Return the objects that were found in an image, (*spatial), of 32 bits or more; None where none were.

        Errors as above.
        """
        image = self.image(name)
        if image.result_file is None:
            return None
        labels = read_labels(self._path / image.result_file)
        # The file has the smallest type for its ids; corrections may bring greater ones.
        return labels.astype(np.promote_types(labels.dtype, np.uint32), copy=False)

    def set_result(
        self, name: str, labels: ArrayLike, review: ReviewDecisions | None = None, steps: Steps | None = None
    ) -> None:
        """Keep objects that were found in an image, uint (*spatial), with what is decided about them and their steps.

        Without decisions or steps, those of earlier objects are forgotten. Whenever this is interrupted, no object is
        kept as decided that was not, and the steps that led to the labels are kept: they are written first, and
        `Steps.fitting` finds the place in them at which the labels are. Errors as `write_labels`.
        """
        image, review = self.image(name), review or ReviewDecisions()
        file = f"{_RESULTS}/{name}.tif"
        place = {} if image.placement is None else image.placement.model_dump(include={"scale", "units"})
        self.set_steps(name, steps or Steps())
        self.change_image(name, review=review.common(image.review))
        write_labels(self._path / file, labels, **place)
        self.change_image(name, result_file=file, review=review, n_found=_count_objects(np.asarray(labels)))

    def steps(self, name: str) -> Steps:
        """Return the corrections of the objects of an image, for `Steps.fitting`; errors as `read_steps`."""
        return read_steps(self._path / _REVIEWS / self.image(name).name)

    def set_steps(self, name: str, steps: Steps) -> None:
        """Keep the corrections of the objects of an image; raises OSError."""
        write_steps(self._path / _REVIEWS / self.image(name).name, steps)

    @property
    def work(self) -> ProjectWork:
        """What is worked with."""
        known = self._read()
        paths = (known.model, known.run, known.start)
        model, run, start = (None if path is None else self._path / path for path in paths)
        return ProjectWork(model, run, known.chosen, start, known.is_training)

    def set_work(self, work: ProjectWork) -> None:
        """Keep what is worked with; raises OSError."""
        paths = {"model": work.model, "run": work.run, "start": work.start}
        known = {name: None if path is None else self._relative(path) for name, path in paths.items()}
        self._write(**known, chosen=work.chosen, is_training=work.is_training)

    @property
    def runs(self) -> tuple[Path, ...]:
        """Folders of the trainings, oldest first."""
        return list_runs(self._path / _RUNS)

    @property
    def newest_run(self) -> Path | None:
        """Folder of the last training."""
        return next(reversed(self.runs), None)

    def new_run(self) -> Path:
        """Make the empty folder of the next training and return it."""
        return new_run(self._path / _RUNS)

    @property
    def results(self) -> Path:
        """Folder of what was made with the models."""
        return self._path / _RESULTS

    def _read(self) -> ProjectFile:
        return self._file.read()

    def _write(self, **changes: Any) -> None:
        known = self._read()
        if (changed := known.model_copy(update=changes)) != known:
            self._file.write(changed)

    def _relative(self, path: Path) -> str:
        """Return a path as it is written down: relative if it lies in the project, which may be moved."""
        return path.relative_to(self._path).as_posix() if path.is_relative_to(self._path) else str(path)


def _count_objects(labels: NDArray[Any]) -> int:
    """Return the number of ids but 0, plane by plane: a whole volume would be sorted at once."""
    ids: set[int] = set()
    for plane in labels:
        ids.update(np.unique(plane).tolist())
    return len(ids - {0})
