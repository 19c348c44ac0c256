"""Train pixel embeddings from masks of a few objects and cluster them into instances (SPOCO).

The names below are imported when they are first used, so that neither torch nor a window is loaded before
it is needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_spoco.batch.batch import read_batch_config, run_batch
    from napari_spoco.config import (
        TRAINING_PRESETS,
        AnnotationConfig,
        BatchConfig,
        LossConfig,
        SegmentationConfig,
        TrainingConfig,
    )
    from napari_spoco.config_files import read_segmentation_config, read_training_config
    from napari_spoco.data.annotations import BACKGROUND, IGNORE, UNLABELED, AnnotationStore, SparseAnnotations
    from napari_spoco.data.images import read_image, read_labels
    from napari_spoco.data.interpolation import interpolate_planes
    from napari_spoco.data.nuclei import NucleusAppearance, place_nuclei, render_nuclei
    from napari_spoco.data.ome_zarr import write_ome_zarr_labels
    from napari_spoco.data.synthetic import SyntheticStack
    from napari_spoco.data.tissue import nuclei_stack, tissue_stack
    from napari_spoco.data.tissue_geometry import TissueGeometry, grow_cells
    from napari_spoco.data.tissue_rendering import MEMBRANE_PRESETS, MembraneAppearance, render_membranes
    from napari_spoco.data.writers import write_labels
    from napari_spoco.models.bioimageio import export_package
    from napari_spoco.models.checkpoint import EmbeddingModel, load_model, save_model
    from napari_spoco.models.foreign import import_checkpoint
    from napari_spoco.models.package_import import import_package
    from napari_spoco.project.project import Project
    from napari_spoco.segmentation.affinities import embedding_affinities
    from napari_spoco.segmentation.clustering import segment_consistency, segment_hdbscan, segment_mean_shift
    from napari_spoco.segmentation.edges import segment_between_edges
    from napari_spoco.segmentation.foreground import segment_foreground
    from napari_spoco.segmentation.instance import InstancePicker, instance_around, select_instance
    from napari_spoco.segmentation.metrics import evaluate_segmentation, match_objects, score_by_threshold
    from napari_spoco.segmentation.mutex_watershed import segment_mutex_watershed
    from napari_spoco.segmentation.pixel_classes import class_probabilities, segment_pixel_classes
    from napari_spoco.segmentation.prediction import predict_embeddings, predict_outputs, split_outputs
    from napari_spoco.segmentation.readout import read_out
    from napari_spoco.segmentation.reclustering import Reclustering
    from napari_spoco.segmentation.supervoxels import segment_supervoxels
    from napari_spoco.training.run import train
    from napari_spoco.training.trainer import TrainingResult

    __version__: str

__all__ = [
    "BACKGROUND",
    "IGNORE",
    "MEMBRANE_PRESETS",
    "TRAINING_PRESETS",
    "UNLABELED",
    "AnnotationConfig",
    "AnnotationStore",
    "BatchConfig",
    "EmbeddingModel",
    "InstancePicker",
    "LossConfig",
    "MembraneAppearance",
    "NucleusAppearance",
    "Project",
    "Reclustering",
    "SegmentationConfig",
    "SparseAnnotations",
    "SyntheticStack",
    "TissueGeometry",
    "TrainingConfig",
    "TrainingResult",
    "__version__",
    "class_probabilities",
    "embedding_affinities",
    "evaluate_segmentation",
    "export_package",
    "grow_cells",
    "import_checkpoint",
    "import_package",
    "instance_around",
    "interpolate_planes",
    "load_model",
    "match_objects",
    "nuclei_stack",
    "place_nuclei",
    "predict_embeddings",
    "predict_outputs",
    "read_batch_config",
    "read_image",
    "read_labels",
    "read_out",
    "read_segmentation_config",
    "read_training_config",
    "render_membranes",
    "render_nuclei",
    "run_batch",
    "save_model",
    "score_by_threshold",
    "segment_between_edges",
    "segment_consistency",
    "segment_foreground",
    "segment_hdbscan",
    "segment_mean_shift",
    "segment_mutex_watershed",
    "segment_pixel_classes",
    "segment_supervoxels",
    "select_instance",
    "split_outputs",
    "tissue_stack",
    "train",
    "write_labels",
    "write_ome_zarr_labels",
]

_HOMES = {
    "batch.batch": ("read_batch_config", "run_batch"),
    "config": (
        "TRAINING_PRESETS",
        "AnnotationConfig",
        "BatchConfig",
        "LossConfig",
        "SegmentationConfig",
        "TrainingConfig",
    ),
    "config_files": ("read_segmentation_config", "read_training_config"),
    "data.annotations": ("BACKGROUND", "IGNORE", "UNLABELED", "AnnotationStore", "SparseAnnotations"),
    "data.images": ("read_image", "read_labels"),
    "data.interpolation": ("interpolate_planes",),
    "data.nuclei": ("NucleusAppearance", "place_nuclei", "render_nuclei"),
    "data.ome_zarr": ("write_ome_zarr_labels",),
    "data.synthetic": ("SyntheticStack",),
    "data.tissue": ("nuclei_stack", "tissue_stack"),
    "data.tissue_geometry": ("TissueGeometry", "grow_cells"),
    "data.tissue_rendering": ("MEMBRANE_PRESETS", "MembraneAppearance", "render_membranes"),
    "data.writers": ("write_labels",),
    "models.bioimageio": ("export_package",),
    "models.checkpoint": ("EmbeddingModel", "load_model", "save_model"),
    "models.foreign": ("import_checkpoint",),
    "models.package_import": ("import_package",),
    "project.project": ("Project",),
    "segmentation.affinities": ("embedding_affinities",),
    "segmentation.clustering": ("segment_consistency", "segment_hdbscan", "segment_mean_shift"),
    "segmentation.edges": ("segment_between_edges",),
    "segmentation.foreground": ("segment_foreground",),
    "segmentation.instance": ("InstancePicker", "instance_around", "select_instance"),
    "segmentation.metrics": ("evaluate_segmentation", "match_objects", "score_by_threshold"),
    "segmentation.mutex_watershed": ("segment_mutex_watershed",),
    "segmentation.pixel_classes": ("class_probabilities", "segment_pixel_classes"),
    "segmentation.prediction": ("predict_embeddings", "predict_outputs", "split_outputs"),
    "segmentation.readout": ("read_out",),
    "segmentation.reclustering": ("Reclustering",),
    "segmentation.supervoxels": ("segment_supervoxels",),
    "training.run": ("train",),
    "training.trainer": ("TrainingResult",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name from its module and keep it."""
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("napari-spoco")
    elif name in _HOME_OF:
        value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names beside what is loaded."""
    return sorted({*globals(), *__all__})
