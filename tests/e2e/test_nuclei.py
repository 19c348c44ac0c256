"""The main job in 2D, on real nuclei, in a real viewer with a real child process."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

N_PAINTED = 6


@pytest.mark.slow
def test_from_six_painted_nuclei_to_a_file_of_all(person, heart, typical, count_found) -> None:
    viewer, widget = person.viewer, person.widget
    viewer.open_sample("napari-spoco", "nuclei")
    viewer.layers["nuclei"].scale = (0.5, 0.25)
    viewer.layers["nuclei"].units = ("micrometer", "micrometer")
    truth = viewer.layers["nuclei truth"].data

    widget.annotate.new_button.click()
    annotations = viewer.layers["nuclei annotations"]
    annotations.brush_size = 1
    for label, instance_id in enumerate(typical(truth, N_PAINTED), start=1):
        for pixel in np.argwhere(truth == instance_id):
            annotations.paint(pixel, label, refresh=False)
    person.wait(lambda: widget.annotate.summary.n_objects == N_PAINTED)

    person.set_training(
        max_minutes=None,
        learning_rate=2e-3,
        feature_maps=(8, 16, 32),
        patch_shape=(64, 64),
        batch_size=2,
        preview_seconds=0.0,
    )
    heart.start()
    person.train_until(n_pictures=3, n_steps=150)  # one picture, refreshed twice
    assert heart.stop() > 150  # the event loop went on between the steps
    widget.segment.foreground.choose("intensity")
    heart.start()
    objects = person.segment()
    assert heart.stop() > 1  # on the event loop, loading, prediction and clustering would be a single pause

    found, n_objects = count_found(objects.data, truth)
    assert found > n_objects / 2
    assert tuple(objects.scale) == (0.5, 0.25)

    path = person.save("nuclei.tif")
    with tifffile.TiffFile(path) as file:
        np.testing.assert_array_equal(file.asarray(), objects.data)
        tags = file.pages[0].tags
        pixels_per_unit = [tags[name].value[0] / tags[name].value[1] for name in ("YResolution", "XResolution")]
        assert pixels_per_unit == pytest.approx([1 / 0.5, 1 / 0.25])
        assert file.imagej_metadata["unit"] == "micron"

    again = person.segment()
    assert again is objects  # nobody has edited it
    np.testing.assert_array_equal(again.data, tifffile.imread(path))
