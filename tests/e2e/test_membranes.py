"""The main job in 3D, on a small synthetic stack of cells with bright membranes."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_spoco.data.synthetic import membrane_stack

N_PAINTED = 6
SCALE = (2.0, 1.0, 1.0)
SMALLEST = 200
"""Voxels; smaller cells are slivers at the border of the stack."""


@pytest.mark.slow
def test_from_six_painted_cells_to_a_file_of_all(person, typical, count_found) -> None:
    viewer, widget = person.viewer, person.widget
    stack = membrane_stack(
        (16, 64, 64), rng=np.random.default_rng(1), cell_diameter=24.0, scale=SCALE, noise=2.0, photons=150.0
    )
    viewer.add_image(stack.image, name="stack", scale=SCALE, units=("micrometer",) * 3)

    widget.annotate.new_button.click()
    annotations = viewer.layers["stack annotations"]
    for label, instance_id in enumerate(typical(stack.labels, N_PAINTED, SMALLEST), start=1):
        annotations.data_setitem(np.nonzero(stack.labels == instance_id), label)
    person.wait(lambda: widget.annotate.summary.n_objects == N_PAINTED)

    person.set_training(
        max_steps=450,
        max_minutes=None,
        learning_rate=2e-3,
        feature_maps=(16, 32, 64),
        patch_shape=(16, 32, 32),
        batch_size=2,
        preview_seconds=0.0,
        augmentation={"scaling": 0.1, "noise": 0.02, "blur": 0.5, "contrast": 0.1},
        # Cells fill the stack: there is no background to hold together, and every neighbour touches.
        loss={"unlabeled_push_over": "ball", "consistency_weight": 1.0},
    )
    person.train_until(n_pictures=3, n_steps=400)
    assert person.pictures[-1].shape == (1, 64, 64, 3)
    widget.segment.advanced.editor("background").set_value("none")
    widget.segment.quick.editor("fragment_size").set_value(360)
    widget.segment.quick.editor("min_size").set_value(50)
    objects = person.segment()
    assert viewer.layers["stack embeddings"].data.shape == (16, 64, 64, 3)

    found, n_objects = count_found(objects.data, stack.labels, SMALLEST)
    assert found > n_objects / 2

    path = person.save("cells.tif")
    with tifffile.TiffFile(path) as file:
        np.testing.assert_array_equal(file.asarray(), objects.data)
        assert file.imagej_metadata["spacing"] == SCALE[0]
        assert file.imagej_metadata["unit"] == "micron"
        assert file.series[0].axes == "ZYX"
