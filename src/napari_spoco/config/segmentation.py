"""From embeddings to objects, in one image and in many."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

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
    """From embeddings to objects; a method reads what concerns it (docs/command-line.md).

    Sizes and distances of objects are in pixels of the image; all other lengths are in pixels of the grid on which the
    model sees it, to which it is resampled if its voxel size is another.
    """

    method: Method | None = setting(
        None,
        "Method",
        "How embeddings become objects; try another one where many are merged or cut. Mutex watershed: like "
        "neighbours join, unlike ones never; pixel classes: sure insides grow to their borders; watershed, "
        "components: the foreground, by shape alone; edges, supervoxels: for tissue without background, supervoxels "
        "with bright membranes; HDBSCAN, mean-shift, consistency: groups of like pixels. What suits the model if "
        "empty, a mutex watershed for most.",
    )
    foreground: Foreground | None = setting(
        None,
        "Foreground",
        "Where objects may lie: anywhere, where the image is bright, where embeddings are far from the background's, "
        "or where the model classifies pixels as objects; what suits the model if empty. Change it if the background "
        "is full of objects, or objects are missing; a mask layer goes before it.",
    )
    class_threshold: float | None = setting(
        None,
        "Certainty",
        "How sure (0 to 1) the model must be that a pixel is inside of an object, if it tells inside from outside: "
        "raise it if objects are merged or the background is full of them, lower it if they are missing or too "
        "small. If empty, what agreed best with the painted objects of the training.",
        gt=0,
        lt=1,
        slider=(0.2, 0.95),
    )
    foreground_radius: float | None = setting(
        None,
        "Foreground radius",
        "A pixel is of an object if its embedding is farther than this from the background's: lower it if objects "
        "are missing or too small, raise it if background becomes objects. Taken from the annotated objects if "
        "empty.",
        gt=0,
        slider=(0.5, 6.0),
    )
    foreground_quantile: float | None = setting(
        None,
        "Share left outside",
        "Share (0 to 1) of the annotated pixels that may be lost to the background when the radius is taken from "
        "them: raise it if background becomes objects, lower it if objects are too small. If empty, what makes the "
        "fewest mistakes by the strokes of background, or 0.1 without strokes.",
        ge=0,
        lt=1,
    )
    intensity_threshold: Literal["local", "otsu"] = setting(
        "local",
        "Threshold",
        "What is bright, where objects lie where the image is: brighter than around it (local, for uneven light), or "
        "than one value for the whole image (Otsu).",
    )
    intensity_neighbourhood: float = setting(
        12.0,
        "Neighbourhood",
        "How far the local threshold looks around a pixel: more than half of an object's diameter, or large objects "
        "become hollow.",
        unit="pixels",
        gt=0,
    )
    fragment_size: int | None = setting(
        None,
        "Fragment size",
        "Smaller pieces (in pixels of the image) are given to a neighbour: raise it if objects are cut into pieces, "
        "lower it if small objects vanish in large ones. A third of the median annotated object if empty, between "
        "edges an eighth.",
        unit="pixels",
        ge=0,
        slider=(0, 20_000),
    )
    min_size: int | None = setting(
        None,
        "Smallest object",
        "Smaller objects (in pixels of the image) are removed: raise it against specks, lower it if small objects are "
        "missing. If empty an eighth of the median annotated object, or a third where a training found that hardly "
        "any painted object is lost by it.",
        unit="pixels",
        ge=0,
        slider=(0, 20_000),
    )
    background: Literal["none", "largest", "mode"] | None = setting(
        None,
        "Background",
        "Which pieces are background, where nothing else says where objects lie: none, the largest, or those that "
        "are like the background (mode), which is that of the strokes or of a clicked pixel, else the most frequent. "
        "Mode if empty; between edges, for tissue without background, only where some was shown.",
    )
    background_radius: float | None = setting(
        None,
        "Background radius",
        "Pieces are background if their mean embedding is closer than this to the background's: raise it if "
        "background becomes objects, lower it if objects are missing. Taken from the annotated objects if empty.",
        gt=0,
        slider=(0.5, 6.0),
    )
    smoothing: float | None = setting(
        None,
        "Smoothing",
        "Blurs the embeddings first (sigma, in pixels of the model along the last axis): raise it against ragged "
        "outlines and specks, lower it if thin objects or narrow gaps are lost. 1 if empty, half of it between edges.",
        unit="pixels",
        ge=0,
        slider=(0.0, 4.0),
    )
    edge_threshold: float | None = setting(
        None,
        "Edge height",
        "Edges: objects are parted where the embedding changes by more than this from pixel to pixel; lower it if "
        "neighbours are merged, raise it if objects are cut. 1.6 times the pull margin of the training if empty.",
        gt=0,
        slider=(0.1, 2.0),
    )
    edge_smoothing: float = setting(
        1.2,
        "Edge smoothing",
        "Edges: blurs them (sigma) before they part objects; raise it if noise cuts objects, lower it if thin gaps "
        "are lost.",
        unit="pixels",
        ge=0,
    )
    edge_image_share: float = setting(
        0.5,
        "Image's share",
        "Edges: how much of what the image shows of boundaries is added to the edges of the embeddings, bright or dark "
        "ones; 0 for images that are noisier than the embeddings, more where the stain is good.",
        ge=0,
        slider=(0.0, 2.0),
    )
    edge_spacing: int = setting(
        3,
        "Spacing between edges",
        "Edges: least distance between the middles of two objects; raise it if objects are cut, lower it if small "
        "neighbours are merged.",
        unit="pixels",
        ge=1,
    )
    delta_dist: float | None = setting(
        None,
        "Push margin",
        "Mutex watershed: embeddings twice this far apart are surely of different objects; lower it if neighbours "
        "are merged, raise it if objects are cut. That of the training if empty.",
        gt=0,
        slider=(0.5, 4.0),
    )
    mutex_distances: tuple[int, ...] = setting(
        (3, 9, 27),
        "Mutex distances",
        "Mutex watershed: over which distances, in pixels of the model, pixels are compared to keep objects apart; "
        "longer ones for large objects, shorter ones for small.",
        min_length=1,
    )
    mutex_stride: int = setting(
        1,
        "Mutex stride",
        "Mutex watershed: only every n-th pixel is compared so; above 1 it is faster, but neighbours are merged more "
        "easily.",
        ge=1,
    )
    min_distance: int | None = setting(
        None,
        "Object spacing",
        "Watershed: least distance between the middles of two objects, in pixels of the image along its finest axis; "
        "raise it if objects are cut, lower it if small neighbours are merged. 5 pixels of the model if empty.",
        unit="pixels",
        ge=1,
    )
    distance_smoothing: float = setting(
        1.0,
        "Shape smoothing",
        "Watershed: blurs the shapes (sigma), so that a bumpy outline cuts no object; raise it if objects are cut, "
        "lower it if neighbours are merged.",
        unit="pixels",
        ge=0,
    )
    boundaries: Literal["image", "gradient"] = setting(
        "image",
        "Boundaries",
        "Supervoxels: what is bright between objects, the image itself, as with stained membranes, or its gradient, "
        "as around stained bodies.",
    )
    boundary_smoothing: float = setting(
        1.4,
        "Boundary smoothing",
        "Supervoxels: blurs the image first (sigma, in pixels of the finest axis); raise it for noisy images, lower "
        "it if thin membranes are lost.",
        unit="pixels",
        ge=0,
    )
    merge_distance: float | None = setting(
        None,
        "Merge distance",
        "Supervoxels or clusters become one object if their mean embeddings are closer than this: raise it if "
        "objects are cut, lower it if neighbours are merged. If empty, three quarters of the push margin for "
        "supervoxels, and never for clusters.",
        gt=0,
        slider=(0.1, 4.0),
    )
    bandwidth: float | None = setting(
        None,
        "Bandwidth",
        "Mean-shift, consistency: embeddings closer than this are of one object; raise it if objects are cut, lower "
        "it if different ones are merged. The pull margin of the training if empty.",
        gt=0,
        slider=(0.1, 2.0),
    )
    n_samples: int | None = setting(
        None,
        "Clustered pixels",
        "HDBSCAN, mean-shift, consistency: objects are looked for among so many pixels, which the others join; more "
        "find smaller objects, but the time grows with their square. If empty, all of small images, else 5,000 to "
        "8,000.",
        ge=1,
        le=300_000,
    )
    split_disconnected: bool = setting(
        True,
        "Split parts",
        "HDBSCAN, mean-shift, consistency: like pixels that do not touch are objects of their own; untick it if an "
        "object may lie in several parts.",
    )
    iou_threshold: float = setting(
        0.6,
        "Agreement",
        "Consistency: an object is kept if student and teacher agree on more than this share of it (IoU, 0 to 1); "
        "raise it to keep only what is sure, lower it if objects are missing.",
        ge=0,
        lt=1,
    )
    n_anchors: int = setting(
        20,
        "Anchors",
        "Consistency: from how many pixels of an object the agreement is measured; more is steadier, and takes longer.",
        ge=1,
    )
    seed: int = setting(
        0, "Seed", "Which pixels are drawn, where not all are clustered: the same seed gives the same objects.", ge=0
    )


class BatchConfig(Parameters):
    """Many images, one model, one setting; model, images and folder have no default."""

    model: str = setting(
        "",
        "Model",
        "Model file, folder of a training, or name of a shipped model; or a BioImage.IO package, or weights of others.",
        min_length=1,
    )
    inputs: tuple[str, ...] = setting((), "Images", "Files, folders, or patterns such as data/**/*.tif.", min_length=1)
    out: str = setting("", "Results", "Folder for the results; folders of the images come back in it.", min_length=1)
    formats: tuple[Literal["tiff", "ome_tiff", "ome_zarr", "objects"], ...] = setting(
        ("tiff", "objects"),
        "Formats",
        "What is written for each image: labels in one or several formats, and objects, a table of what they measure "
        "(CSV).",
        min_length=1,
    )
    channels: Channels | None = setting(
        None,
        "Channels",
        "Channels of the images to segment, counted from 0, where they are others than those that the model was "
        "trained on.",
        min_length=1,
    )
    voxel_size: tuple[Annotated[float, Field(gt=0)], ...] | None = setting(
        None,
        "Pixel size",
        "Size of a pixel in µm, one number or (Z)YX, of images whose files do not tell theirs. Without it, sizes of "
        "their objects are in pixels.",
        unit="µm",
        min_length=1,
    )
    overwrite: bool = setting(
        False, "Overwrite", "Replace results that are there; otherwise images that have some are left out."
    )
    device: str = setting(
        "auto",
        "Device",
        "What computes: auto takes a graphics card (cuda, cuda:1, mps) if there is one, else the processor (cpu).",
    )
    segmentation: SegmentationConfig = SegmentationConfig()
