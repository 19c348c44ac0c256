"""Many images, one model, one setting: the work of the batch tab and of `napari-spoco batch`.

One failing image does not stop the others; results that are there are left alone unless asked; a report tells of every
image. Nothing heavy is imported before it is needed, so that a window may know the messages.
"""

from __future__ import annotations

import glob
import logging
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_spoco.batch.images import find_images, holds_labels, is_pattern
from napari_spoco.batch.report import REPORT_NAME, former_count, make_row, read_report, write_report
from napari_spoco.config import BatchConfig
from napari_spoco.config_files import read_config, write_yaml
from napari_spoco.data.units import in_micrometers
from napari_spoco.data.writers import atomic_path, check_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from napari_spoco.data.images import SourceImage
    from napari_spoco.models.checkpoint import EmbeddingModel

SETTINGS_NAME = "batch_settings.yaml"
IN_PIXELS = "Its pixel size is not known, so sizes are in pixels."
"""Of an image whose file does not tell, where the batch does not either."""
_LABELS = "holds labels, it seems; add the file itself to segment it all the same"
_ENDINGS = {
    "tiff": "_labels.tif",
    "ome_tiff": "_labels.ome.tif",
    "ome_zarr": "_labels.ome.zarr",
    "objects": "_objects.csv",
}
logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())  # tracebacks are for those who ask; all others get a sentence


@dataclass(frozen=True)
class BatchItem:
    """An image and where its results go, by format; `beside` are the others of the folder that it was found in.

    Who names a file wants it segmented: it has no others then.
    """

    image: Path
    outputs: Mapping[str, Path]
    beside: tuple[Path, ...] = ()


@dataclass(frozen=True)
class ImageStarted:
    """Work on an image begins; `index` counts from 1."""

    image: Path
    index: int
    n_images: int


@dataclass(frozen=True)
class ImageDone:
    """What became of an image.

    `n_objects` of one that was skipped is what an earlier batch has reported. `message` is a sentence about what failed
    or why it was skipped; `notices` are about results one should look at.
    """

    image: Path
    state: Literal["done", "skipped", "failed", "stopped"]
    n_objects: int | None = None
    seconds: float = 0.0
    outputs: tuple[Path, ...] = ()
    message: str = ""
    notices: tuple[str, ...] = ()


def read_batch_config(path: str | os.PathLike[str]) -> BatchConfig:
    """Read a batch from YAML, TOML or JSON; paths in it are relative to the folder of the file.

    Raises
    ------
    OSError, ValueError
        As `config_files.read_config`.
    """
    config = read_config(path, BatchConfig())
    folder = Path(path).resolve().parent
    is_path = (folder / config.model).exists()  # and no name of a shipped model
    return config.model_copy(
        update={
            "model": str(folder / config.model) if is_path else config.model,
            "inputs": tuple(os.path.join(_escape(folder, text), text) for text in config.inputs),
            "out": str(folder / config.out),
        }
    )


def plan_batch(config: BatchConfig) -> tuple[BatchItem, ...]:
    """Find the images, in order and each once, and name their results.

    Results keep the folders of their images below the one that all have in common. What the batch itself writes, as
    when results lie beside the images, is no image.

    Raises
    ------
    ValueError
        A folder or a pattern holds no image, or two images would have the same results.
    """
    found = {text: [Path(os.path.abspath(path)) for path in _find_images(text)] for text in config.inputs}
    images = list(dict.fromkeys(path for paths in found.values() for path in paths))
    named = {path for text, paths in found.items() if paths == [Path(os.path.abspath(text))] for path in paths}
    siblings: dict[Path, list[Path]] = {}
    for image in images:
        siblings.setdefault(image.parent, []).append(image)
    common = os.path.commonpath([path.parent for path in images])
    items = []
    for image in images:
        folder = Path(config.out) / image.parent.relative_to(common)
        stem = image.stem.removesuffix(".ome")
        outputs: dict[str, Path] = {kind: folder / f"{stem}{_ENDINGS[kind]}" for kind in config.formats}
        items.append(BatchItem(image, outputs, () if image in named else tuple(siblings[image.parent])))
    written = {Path(os.path.abspath(path)): item.image for item in items for path in item.outputs.values()}
    items = [item for item in items if item.image not in written]
    for item in items:
        for path in item.outputs.values():
            if (other := written[Path(os.path.abspath(path))]) != item.image:
                raise ValueError(f"inputs: {item.image} and {other} would both become {path}")
    return tuple(items)


def run_batch(
    config: BatchConfig,
    *,
    stop: Callable[[], bool] | None = None,
    on_tile: Callable[[int, int], None] | None = None,
) -> Generator[ImageStarted | ImageDone, None, tuple[ImageDone, ...]]:
    """Segment all images.

    After every image the report (`REPORT_NAME`) in the folder of the results is brought up to date, in which earlier
    batches of that folder keep their rows; beside it lie the settings (`SETTINGS_NAME`), with which the same batch can
    be run again. A report that cannot be replaced, since another program shows it, does not stop the images.

    Parameters
    ----------
    config
        What to do.
    stop
        Asked before every image and every tile; true ends the batch. The image at hand has no results then.
    on_tile
        Called with (tiles done, tiles in all) of the image at hand.

    Yields
    ------
    ImageStarted or ImageDone

    Returns
    -------
    tuple of ImageDone
        One per image that was begun or skipped.

    Raises
    ------
    OSError, ValueError
        There is no such model or device, the pixel size has other axes than its images, the folder cannot be written,
        or `plan_batch` finds nothing to do; nothing was done then. Or, after the last image, the report still cannot be
        written.
    """
    from napari_spoco.models.reading import read_model
    from napari_spoco.training.devices import choose_device
    from napari_spoco.whole_image import check_method

    items = plan_batch(config)
    model = read_model(config.model).to(choose_device(config.device))
    if config.channels is not None:
        model = model.with_channels(config.channels)
    check_method(model, config.segmentation)
    if config.voxel_size is not None and len(config.voxel_size) not in (1, model.config.ndim):
        raise ValueError(f"voxel_size: expected 1 or {model.config.ndim} numbers, got {config.voxel_size}")
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    check_folder(out)
    with atomic_path(out / SETTINGS_NAME) as temporary:
        temporary.write_text(write_yaml(config), encoding="utf-8")
    done: list[ImageDone] = []
    former, is_reported = read_report(out / REPORT_NAME), True
    for index, item in enumerate(items, start=1):
        if stop is not None and stop():
            break
        yield ImageStarted(item.image, index, len(items))
        one = _run_item(model, item, config, stop, on_tile)
        done.append(replace(one, n_objects=former_count(former, one.image)) if one.state == "skipped" else one)
        try:
            write_report(out / REPORT_NAME, map(_row, done), former)
            is_reported = True
        except OSError:
            logger.warning("%s cannot be written now", out / REPORT_NAME, exc_info=True)
            is_reported = False
        yield done[-1]
        if done[-1].state == "stopped":
            break
    if not is_reported:
        write_report(out / REPORT_NAME, map(_row, done), former)
    return tuple(done)


def _row(done: ImageDone) -> dict[str, str]:
    said = (done.message, *done.notices)
    return make_row(done.image, done.state, done.n_objects, done.seconds, done.outputs, said)


def _run_item(
    model: EmbeddingModel,
    item: BatchItem,
    config: BatchConfig,
    stop: Callable[[], bool] | None,
    on_tile: Callable[[int, int], None] | None,
) -> ImageDone:
    """Segment one image; whatever goes wrong becomes a message."""
    from napari_spoco.segmentation.prediction import PredictionStopped

    if item.beside and holds_labels(item.image, item.beside):
        return ImageDone(item.image, "skipped", message=_LABELS)
    outputs = tuple(item.outputs.values())
    there = [path for path in outputs if path.exists()]
    if there and not config.overwrite:
        if len(there) == len(outputs):
            return ImageDone(item.image, "skipped", outputs=outputs, message="its results are there already")
        message = f"only a part of its results is there ({there[0].name}); remove it, or ask to overwrite"
        return ImageDone(item.image, "failed", message=message)
    began = time.monotonic()
    try:
        n_objects, notices = _segment_item(model, item, config, stop, on_tile)
    except PredictionStopped as error:
        return ImageDone(item.image, "stopped", message=str(error))
    except Exception as error:
        logger.exception("%s failed", item.image)
        return ImageDone(item.image, "failed", seconds=time.monotonic() - began, message=_sentence(error))
    return ImageDone(item.image, "done", n_objects, time.monotonic() - began, outputs, notices=notices)


def _segment_item(
    model: EmbeddingModel,
    item: BatchItem,
    config: BatchConfig,
    stop: Callable[[], bool] | None,
    on_tile: Callable[[int, int], None] | None,
) -> tuple[int, tuple[str, ...]]:
    from napari_spoco.data.images import read_image
    from napari_spoco.whole_image import score_found, segment_source, write_results

    source = _with_size(read_image(item.image, ndim=model.config.ndim), config.voxel_size)
    segmented = segment_source(model, source, config.segmentation, stop=stop, on_tile=on_tile)
    scores = score_found(segmented, model) if "objects" in item.outputs else None
    write_results(item.outputs, segmented.labels, source, scores)
    notices = (*segmented.notices, *([] if _knows_size(source) else [IN_PIXELS]))
    return segmented.n_objects, notices


def _with_size(source: SourceImage, voxel_size: Sequence[float] | None) -> SourceImage:
    """Return an image with this voxel size in micrometers, one for all axes or one each, if its file tells none."""
    if voxel_size is None or _knows_size(source):
        return source
    n = len(source.scale)
    sizes = tuple(voxel_size) * n if len(voxel_size) == 1 else tuple(voxel_size)
    return replace(source, scale=sizes, units=("micrometer",) * n)


def _knows_size(source: SourceImage) -> bool:
    try:
        return in_micrometers(source.scale, source.units, len(source.scale)) is not None
    except ValueError:
        return False


def _sentence(error: Exception) -> str:
    from napari_spoco.training.devices import is_out_of_memory

    if is_out_of_memory(error):
        return f"out of memory ({error})"
    return str(error) or type(error).__name__


def _find_images(text: str) -> Sequence[Path]:
    """Return what a file name, a folder or a pattern stands for; a file that is not there fails when its turn comes."""
    found = find_images(text)
    if not found:
        raise ValueError(f"inputs: expected images at {text}, found none")
    return found


def _escape(folder: Path, text: str) -> str:
    """Return a folder as it stands in front of a pattern."""
    return glob.escape(str(folder)) if is_pattern(text) else str(folder)
