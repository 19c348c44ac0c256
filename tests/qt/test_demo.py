"""`napari-spoco demo --gui`: the mosaic holds every image and every annotated object once."""

from __future__ import annotations

import numpy as np

from napari_spoco._qt import demo
from napari_spoco._qt.demo import add_demo_layers
from napari_spoco.data.annotations import keep_fraction
from napari_spoco.data.samples import load_nuclei


def test_layers_hold_the_demo(make_napari_viewer_proxy) -> None:
    viewer = make_napari_viewer_proxy()
    add_demo_layers(viewer, fraction=0.1, seed=3)
    held_out, training, annotations = viewer.layers
    assert held_out.data.shape == (2 * 256, 4 * 256)
    assert training.data.shape == annotations.data.shape == (4 * 256, 6 * 256)
    samples = load_nuclei("train")
    np.testing.assert_array_equal(training.data[256:512, :256], samples[6].image)
    kept = keep_fraction([s.labels for s in samples], 0.1, np.random.default_rng(3))
    n_kept = sum(len(np.unique(labels)) - 1 for labels in kept)
    assert len(np.unique(annotations.data)) - 1 == n_kept
    assert viewer.layers.selection.active == annotations  # behind a proxy


def test_dock_opens_with_image_and_annotations_chosen(make_napari_viewer, monkeypatch) -> None:
    viewer = make_napari_viewer()
    shown = []
    monkeypatch.setattr(demo.napari, "Viewer", lambda **_: viewer)
    monkeypatch.setattr(demo.napari, "run", lambda: shown.append(True))
    demo.open_demo(fraction=0.1, seed=0)
    dock = viewer.window.dock_widgets["SPOCO (napari-spoco)"]
    assert shown
    assert dock.annotate.image.layer().name == "nuclei to train on"
    assert dock.annotate.annotations.layer().name == "10% of the nuclei"
