"""What is ticked for a training, and how channels look, after reopening."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from qtpy.QtCore import Qt
from tests.qt.test_kept_results import duplicate
from tests.qt.test_project_window import leave

from napari_spoco._qt.annotate.image_layers import parts_of
from napari_spoco._qt.layers.image_axes import voxel_size
from napari_spoco._qt.train.run_images import ImageWish
from napari_spoco._qt.widget import SpocoWidget
from napari_spoco.project.lock import is_locked
from napari_spoco.project.project import Project


def make_image(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (64, 64)).astype(np.uint8)


def is_kept(folder: Path, name: str, text: str) -> bool:
    return (folder / name).exists() and text in (folder / name).read_text()


def reopen(start, folder: Path, until) -> SpocoWidget:
    again = start()
    again.projects.bar.open_requested.emit(str(folder))
    until(lambda: again.projects.folder == folder and not again.session.state.is_busy)
    until(lambda: "restored" in again.footer.text)
    return again


def test_an_image_that_was_left_out_is_so_after_reopening(named, viewer, tmp_path, until, start) -> None:
    viewer.add_image(make_image(), name="other")
    named.annotate.image.choose(viewer.layers["other"])
    named.annotate.new_button.click()
    viewer.layers["other annotations"].data[5:9, 5:9] = 1
    viewer.layers["other annotations"].refresh()
    form = named.train.train_on
    form.choose_all(True)
    form.ticks.item(0).setCheckState(Qt.CheckState.Unchecked)
    until(lambda: is_kept(tmp_path / "my project", "train_on.json", '"cells"'))
    until(lambda: is_kept(tmp_path / "my project", "project.toml", '"other"'))
    named.release()
    again = reopen(start, tmp_path / "my project", until)
    assert again.train.train_on.wish == ImageWish(wants_all=True, left_out=("cells",))
    assert again.train.train_on.choice.currentText() == "1 of 2 annotated images"


def test_channels_of_a_combined_image_look_as_before_after_reopening(named, viewer, tmp_path, until, start) -> None:
    viewer.layers.remove("cells")
    looks = {"DAPI": ("cyan", (3.0, 90.0)), "GFP": ("#ff8000", (0.0, 200.0))}
    for index, (name, (colormap, limits)) in enumerate(looks.items()):
        viewer.add_image(make_image(index), name=name, colormap=colormap, contrast_limits=limits)
    named.annotate.image.choose(viewer.layers["GFP"])
    named.combining.combine()
    named.annotate.new_button.click()
    viewer.layers["DAPI + GFP annotations"].data[5:9, 5:9] = 1
    viewer.layers["DAPI + GFP annotations"].refresh()
    until(lambda: is_kept(tmp_path / "my project", "project.toml", "#ff8000"))
    named.release()
    again = reopen(start, tmp_path / "my project", until)
    image = viewer.layers["DAPI + GFP"]
    assert not image.visible
    parts = parts_of(viewer, image)
    assert {part.name: (part.colormap.name, tuple(part.contrast_limits)) for part in parts} == looks
    assert all(part.visible for part in parts)
    assert again.annotate.image.layer() == image
    again.projects.bar.close_requested.emit()
    until(lambda: not len(viewer.layers))


def test_a_duplicate_of_a_part_is_not_taken_for_objects_of_the_image(named, viewer, tmp_path, until, start) -> None:
    image, folder = viewer.layers["cells"].__wrapped__, tmp_path / "my project"
    named._results.show_preview(image, np.full((16, 16), 7, np.uint32), (32, 32))
    duplicate(viewer, "cells preview")
    leave(named, folder, until)
    assert Project.open(folder).image("cells").painted == ("annotations",)
    reopen(start, folder, until)
    assert [layer.name for layer in viewer.layers] == ["cells", "cells annotations"]


def set_size(widget, qtbot, size: str) -> None:
    form = widget.annotate.image_form.voxels
    for axis in "YX":
        form.fields[axis].selectAll()
        qtbot.keyClicks(form.fields[axis], size)
    qtbot.mouseClick(form.button, Qt.MouseButton.LeftButton)


def names_kept(folder: Path) -> dict[str, bool]:
    return {image.name: image.is_open for image in Project.open(folder).images}


def test_images_in_use_come_back_without_anything_painted(named, viewer, tmp_path, until, start, qtbot) -> None:
    folder = tmp_path / "my project"
    for number in range(3):
        viewer.add_image(make_image(number), name=f"z{number}")
    viewer.add_image(make_image()[:20], name="never used")
    named.annotate.image.choose(viewer.layers["z1"])
    set_size(named, qtbot, "0,5")
    until(lambda: names_kept(folder) == dict.fromkeys(("cells", "z0", "z1", "z2"), True))
    viewer.layers.remove("z2")
    until(lambda: names_kept(folder)["z2"] is False)
    named.annotate.image.choose(viewer.layers["z0"])
    named.annotate.new_button.click()  # It goes into the entry that the image has.
    until(lambda: Project.open(folder).image("z0").annotation_file is not None)
    named.annotate.image.choose(viewer.layers["z1"])
    named.release()
    until(lambda: not is_locked(folder))
    viewer.layers.clear()
    again = reopen(start, folder, until)
    assert sorted(layer.name for layer in viewer.layers) == ["cells", "cells annotations", "z0", "z0 annotations", "z1"]
    assert voxel_size(viewer.layers["z1"]) == (0.5, 0.5)
    np.testing.assert_array_equal(viewer.layers["z1"].data, make_image(1))
    assert again.annotate.image.layer().name == "z1"
    assert len(names_kept(folder)) == 4
