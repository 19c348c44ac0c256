"""From embeddings to objects, in one image and in many."""

from __future__ import annotations

from typing import Literal

from napari_spoco.config.parameters import Channels, Parameters, setting

Method = Literal[
    "mutex_watershed",
    "pixel_classes",
    "watershed",
    "components",
    "edges",
    "supervoxels",
    "hdbscan",
    "mean_shift",
    "consistency",
]
"""How embeddings become objects."""

Foreground = Literal["none", "intensity", "embedding", "pixel_classes"]
"""Where objects may be."""


class SegmentationConfig(Parameters):
    """From embeddings to objects; a method reads what concerns it (docs/command-line.md)."""

    method: Method | None = setting(
        None,
        "Method",
        "Mutex watershed; pixel classes: what is surely inside, grown over the border; watershed or components: the "
        "foreground, split by shape alone; edges: what is between jumps "
        "of the embedding, for tissue without background; supervoxels: a watershed of the image, for bright membranes, "
        "merged by embedding; HDBSCAN or mean-shift; consistency: mean-shift of what student and teacher "
        "agree on. What suits the model if empty, which is mutex watershed for most.",
    )
    foreground: Foreground | None = setting(
        None,
        "Foreground",
        "Where objects may be: anywhere, where the image is bright, where embeddings are far from the background's, or "
        "where pixels are not classified as outside. What suits the model if empty. A mask layer goes before it.",
    )
    class_threshold: float | None = setting(
        None,
        "Certainty",
        "What is inside of an object with a higher probability is surely so, by pixel classes: the higher, the fewer "
        "objects, and the better apart. What agreed best with what was painted for the training if empty.",
        gt=0,
        lt=1,
        slider=(0.2, 0.95),
    )
    foreground_radius: float | None = setting(
        None,
        "Foreground radius",
        "Embeddings farther than this from the background's are foreground; taken from the annotated objects if empty.",
        gt=0,
        slider=(0.5, 6.0),
    )
    foreground_quantile: float | None = setting(
        None,
        "Outside",
        "Share of the pixels of annotated objects that may lie nearer to the background than a radius taken from them. "
        "If empty, what leaves the fewest mistakes by the strokes of background, or a tenth without strokes.",
        ge=0,
        lt=1,
    )
    intensity_threshold: Literal["local", "otsu"] = setting(
        "local",
        "Threshold",
        "What is bright, for the foreground by intensity: brighter than around it, or than one threshold (Otsu).",
    )
    intensity_neighbourhood: float = setting(
        12.0, "Neighbourhood", "Of the local threshold: more than half of an object's diameter.", unit="pixels", gt=0
    )
    fragment_size: int | None = setting(
        None,
        "Fragment size",
        "Smaller segments grow into a neighbour; a third of the median annotated object if empty.",
        unit="pixels",
        ge=0,
        slider=(0, 20_000),
    )
    min_size: int | None = setting(
        None,
        "Smallest object",
        "Smaller objects are removed; an eighth of the median annotated object if empty.",
        unit="pixels",
        ge=0,
        slider=(0, 20_000),
    )
    background: Literal["none", "largest", "mode"] | None = setting(
        None,
        "Background",
        "Which segments are background, where there is no foreground: none, the largest, or all near its embedding "
        "(mode), which is that of the background's strokes or of a clicked pixel, else the most frequent one. Mode if "
        "empty; between edges, which is for tissue without background, only where some was shown.",
    )
    background_radius: float | None = setting(
        None,
        "Background radius",
        "Segments whose mean embedding is closer to the background's are background; taken from the annotated objects "
        "if empty.",
        gt=0,
        slider=(0.5, 6.0),
    )
    smoothing: float | None = setting(
        None,
        "Smoothing",
        "Gaussian smoothing of the embeddings, in pixels of the last axis; 1 if empty, half of it between edges.",
        unit="pixels",
        ge=0,
        slider=(0.0, 4.0),
    )
    edge_threshold: float | None = setting(
        None,
        "Edge height",
        "Edges: objects are parted where the embedding changes by more from pixel to pixel; 1.6 times the pull margin "
        "of the training if empty.",
        gt=0,
        slider=(0.1, 2.0),
    )
    edge_smoothing: float = setting(1.2, "Edge smoothing", "Gaussian smoothing of the edges.", unit="pixels", ge=0)
    edge_spacing: int = setting(
        3, "Spacing between edges", "Edges: least distance between the middles of two objects.", unit="pixels", ge=1
    )
    delta_dist: float | None = setting(
        None,
        "Delta",
        "Push margin: in a mutex watershed, embeddings twice this far apart are surely of different objects; that of "
        "the training if empty.",
        gt=0,
        slider=(0.5, 4.0),
    )
    mutex_distances: tuple[int, ...] = setting(
        (3, 9, 27), "Mutex distances", "Lengths in pixels of the edges that keep objects apart.", min_length=1
    )
    mutex_stride: int = setting(
        1, "Mutex stride", "Only every n-th pixel has such edges: faster, but less keeps objects apart.", ge=1
    )
    min_distance: int = setting(
        5, "Object spacing", "Watershed: least distance between the middles of two objects.", unit="pixels", ge=1
    )
    distance_smoothing: float = setting(
        1.0, "Shape smoothing", "Watershed: Gaussian smoothing of the distance to the border.", unit="pixels", ge=0
    )
    boundaries: Literal["image", "gradient"] = setting(
        "image", "Boundaries", "What is bright between supervoxels: the image itself, or its gradient."
    )
    boundary_smoothing: float = setting(
        1.4,
        "Boundary smoothing",
        "Gaussian smoothing of the image for supervoxels, in pixels of the finest axis; the noisier, the more.",
        unit="pixels",
        ge=0,
    )
    merge_distance: float | None = setting(
        None,
        "Merge distance",
        "Of mean embeddings, below which supervoxels or clusters become one object; if empty three quarters of the "
        "push margin for supervoxels, and never for clusters.",
        gt=0,
        slider=(0.1, 4.0),
    )
    bandwidth: float | None = setting(
        None,
        "Bandwidth",
        "Radius of mean-shift's kernel; the pull margin of the training if empty.",
        gt=0,
        slider=(0.1, 2.0),
    )
    n_samples: int | None = setting(
        None,
        "Clustered pixels",
        "Clusters are found among so many pixels, which the others join; all of small images, else 5,000 to 8,000, if "
        "empty. The time grows with their square.",
        ge=1,
        le=300_000,
    )
    split_disconnected: bool = setting(
        True, "Split parts", "Parts of a cluster that do not touch are objects of their own."
    )
    iou_threshold: float = setting(
        0.6, "Agreement", "Overlap (IoU) of student and teacher above which consistency keeps a cluster.", ge=0, lt=1
    )
    n_anchors: int = setting(20, "Anchors", "Pixels of a cluster from which the teacher's overlap is measured.", ge=1)
    seed: int = setting(0, "Seed", "Same seed, same clustered pixels.", ge=0)


class BatchConfig(Parameters):
    """Many images, one model, one setting; model, images and folder have no default."""

    model: str = setting("", "Model", "Model file, folder of a training, or name of a shipped model.", min_length=1)
    inputs: tuple[str, ...] = setting((), "Images", "Files, folders, or patterns such as data/**/*.tif.", min_length=1)
    out: str = setting("", "Results", "Folder for the results; folders of the images come back in it.", min_length=1)
    formats: tuple[Literal["tiff", "ome_tiff", "ome_zarr", "objects"], ...] = setting(
        ("tiff", "objects"), "Formats", "What is written for each image; objects: a table (CSV).", min_length=1
    )
    channels: Channels | None = setting(
        None,
        "Channels",
        "Channels of the images to segment, counted from 0, where they are others than those that the model was "
        "trained on.",
        min_length=1,
    )
    overwrite: bool = setting(False, "Overwrite", "Replace results; otherwise images that have them are left out.")
    device: str = setting("auto", "Device", "auto, cpu, cuda, cuda:1, mps.")
    segmentation: SegmentationConfig = SegmentationConfig()
