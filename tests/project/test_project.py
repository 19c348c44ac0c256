"""A project keeps images, annotations and runs; nothing is lost, and nothing wrong gets in."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_spoco.config import AnnotationConfig
from napari_spoco.data.images import read_image
from napari_spoco.project import project as project_module
from napari_spoco.project.file import Placement, ProjectImage, ProjectWork, ReviewDecisions, ReviewEmbeddings
from napari_spoco.project.images import free_name
from napari_spoco.project.project import Project
from napari_spoco.review.editing import delete, merge
from napari_spoco.review.history import EditHistory

PLACEMENT = Placement(
    scale=(0.5, 0.5),
    translate=(1.0, 2.0),
    rotate=((1.0, 0.0), (0.0, 1.0)),
    shear=(0.0,),
    affine=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    units=("micrometer", "micrometer"),
    axis_labels=("y", "x"),
)
SHAPES = {"2D": (20, 30), "3D": (5, 20, 30), "2D, channels": (3, 20, 30), "3D, channels": (2, 5, 20, 30)}


def image_of(shape: tuple[int, ...], dtype: type = np.float32) -> np.ndarray:
    return (np.random.default_rng(0).random(shape) * 100).astype(dtype)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with one image."""
    project = Project.create(tmp_path / "my project")
    project.add_image(image_of((20, 30)), "cells")
    return project


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_project_is_empty_and_opens(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "a" / "b", name='"He said: ä\x7f\\"\n')
    assert {path.name for path in project.path.iterdir()} == {
        "project.toml", "images", "annotations", "runs", "results",
    }  # fmt: skip
    opened = Project.open(tmp_path / "a" / "b")
    assert opened.name == '"He said: ä\x7f\\"\n'
    assert opened.images == opened.runs == ()
    assert opened.newest_run is None
    assert opened.results.is_dir()
    assert Project.create(tmp_path / "c").name == "c"


def test_nothing_that_exists_is_overwritten(project: Project, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    before = content(tmp_path)
    for path in (project.path, tmp_path / "full", tmp_path / "full" / "file"):
        with pytest.raises(FileExistsError, match="expected a new or an empty folder"):
            Project.create(path)
    (project.path / "images" / "other.tif").touch()
    with pytest.raises(FileExistsError, match="whose file is not there yet"):
        project.add_image(image_of((20, 30)), "other")
    with pytest.raises(ValueError, match="one that is not taken"):
        project.add_image(image_of((20, 30)), "CELLS")
    (project.path / "images" / "other.tif").unlink()
    assert content(tmp_path) == before


def test_pixels_are_kept_beside_a_file_of_that_name(project: Project) -> None:
    """As there may be of an image that cannot be read."""
    (project.path / "images" / "other.tif").write_bytes(b"broken")
    image = image_of((20, 30))
    file = project.keep_pixels(image, "other", scale=(1.0, 1.0), units=("pixel", "pixel"))
    assert file == "images/other 2.tif"
    np.testing.assert_array_equal(read_image(project.path / file).data[0], image)
    assert [entry.name for entry in project.images] == ["cells"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("kind", SHAPES)
def test_arrays_become_images(tmp_path: Path, kind: str, dtype: type) -> None:
    shape = SHAPES[kind]
    ndim = int(kind[0])
    image = image_of(shape, dtype)
    scale, units = (2.0, 0.5, 0.25)[-ndim:], ("um",) * ndim
    project = Project.create(tmp_path / "project")
    entry = project.add_image(image, "x", ndim=ndim, scale=scale, units=units)
    assert entry.shape == shape[-ndim:]
    source = Project.open(project.path).read_image("x")
    np.testing.assert_array_equal(source.data, image.reshape((-1, *shape[-ndim:])))
    assert source.data.dtype == dtype
    assert (source.scale, source.units) == (scale, units)
    assert tifffile.imread(project.path / entry.file).size == image.size


def test_files_stay_where_they_are_or_are_copied(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    file = tmp_path / "cells 1.ome.tif"
    tifffile.imwrite(file, image_of((20, 30), np.uint8), photometric="minisblack")
    assert project.add_image(file).file == str(file)
    copied = project.add_image(file, "copy", copy=True)
    assert copied.file == "images/copy.tif"
    moved = tmp_path / "elsewhere"
    project.path.rename(moved)
    file.unlink()
    project = Project.open(moved)
    assert [image.name for image in project.images] == ["cells 1.ome", "copy"]
    assert project.read_image("copy").data.shape == (1, 20, 30)
    with pytest.raises(FileNotFoundError):
        project.read_image("cells 1.ome")


@pytest.mark.parametrize("name", ["", None, "a/b", "a\\b", "..", ".a", "a.", "a ", "a:b", "a\n"])
def test_names_that_cannot_name_files(project: Project, name: str | None) -> None:
    before = content(project.path)
    with pytest.raises(ValueError, match="name: expected letters, digits"):
        project.add_image(image_of((20, 30)), name)
    assert content(project.path) == before


def test_only_images_become_images(project: Project, tmp_path: Path) -> None:
    before = content(project.path)
    with pytest.raises(ValueError, match="expected an image with contrast"):
        project.add_image(np.zeros((20, 30)), "flat")
    with pytest.raises(ValueError, match="expected one for each of 2 axes"):
        project.add_image(image_of((20, 30)), "other", scale=(1, 2, 3))
    with pytest.raises(FileNotFoundError):
        project.add_image(tmp_path / "none.tif")
    assert content(project.path) == before


def test_annotations_come_back_as_painted(project: Project) -> None:
    assert not project.annotations("cells").any()
    labels = np.zeros((20, 30), np.uint8)
    labels[2:6, 2:6], labels[8:12, 8:12] = 7, 3
    boxes = [(slice(0, 10), slice(None)), (slice(12, None), slice(3, 9))]
    project.set_annotations("cells", labels, boxes=boxes, meaning=AnnotationConfig(background_label=3))
    opened = Project.open(project.path)
    painted = opened.annotations("cells")
    np.testing.assert_array_equal(painted, labels)
    assert painted.dtype == np.int32
    entry = opened.image("cells")
    assert entry.boxes == (((0, 10), (0, 30)), ((12, 20), (3, 9)))
    assert entry.slices == ((slice(0, 10), slice(0, 30)), (slice(12, 20), slice(3, 9)))
    assert entry.meaning == AnnotationConfig(background_label=3)
    assert entry.n_painted == 1
    project.set_annotations("cells", labels.astype(np.int64) * 100_000)
    assert opened.annotations("cells").max() == 700_000
    assert opened.image("cells") == entry.model_copy(update={"n_painted": 2})  # 300000 is no background.
    project.set_annotations("cells", labels, boxes=[])
    assert opened.image("cells").boxes == ()


def test_annotations_that_are_refused_change_nothing(project: Project) -> None:
    labels = np.ones((20, 30), np.int32)
    project.set_annotations("cells", labels)
    before = content(project.path)
    for wrong, options, message in (
        (labels[1:], {}, r"labels: expected the shape of the image cells, \(20, 30\), got \(19, 30\)"),
        (labels * 0.5, {}, "expected integers"),
        (labels * -7, {}, "expected no negative ids"),
        (labels, {"boxes": [(slice(0, 50), slice(None))]}, "expected slices inside"),
        (labels, {"boxes": [(slice(0, 5),)]}, "expected one slice for each of the 2 axes"),
        (labels, {"meaning": AnnotationConfig(painted_in_planes=True)}, "expected 3D labels"),
    ):
        with pytest.raises(ValueError, match=message):
            project.set_annotations("cells", wrong, **options)
    with pytest.raises(ValueError, match=r"expected an image of the project \(cells\), got 'other'"):
        project.set_annotations("other", labels)
    assert content(project.path) == before


def test_annotations_of_another_shape_are_found(project: Project) -> None:
    project.set_annotations("cells", np.ones((20, 30), np.int32))
    tifffile.imwrite(project.path / "annotations" / "cells.tif", np.ones((4, 4), np.uint16))
    with pytest.raises(ValueError, match=r"expected the shape of the image cells, \(20, 30\), got \(4, 4\)"):
        project.annotations("cells")


def test_two_windows_on_one_project(project: Project) -> None:
    other = Project.open(project.path)
    other.add_image(image_of((8, 9)), "second")
    project.add_image(image_of((8, 9)), "third")
    project.set_annotations("second", np.ones((8, 9), int))
    assert [image.name for image in other.images] == ["cells", "second", "third"]
    assert other.annotations("second").all()


def test_runs_are_numbered(project: Project) -> None:
    first, second = project.new_run(), project.new_run()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-01", first.name)
    assert project.runs[0] == first
    assert project.newest_run == second
    (project.path / "runs" / "2020-02-02-100").mkdir()
    (project.path / "runs" / "2020-02-02-99").mkdir()
    (project.path / "runs" / "notes").mkdir()
    assert [run.name for run in project.runs[:2]] == ["2020-02-02-99", "2020-02-02-100"]
    assert len(project.runs) == 4


def test_results_come_back(project: Project) -> None:
    assert project.result("cells") is None
    labels = np.zeros((20, 30), np.uint32)
    labels[3:9, 3:9] = 70_000
    project.set_result("cells", labels)
    np.testing.assert_array_equal(Project.open(project.path).result("cells"), labels)
    project.change_image("cells", placement=PLACEMENT)
    project.set_result("cells", labels // 70_000)
    with tifffile.TiffFile(project.path / "results" / "cells.tif") as tif:
        assert tif.imagej_metadata["unit"] == "micron"


def test_decisions_come_back_with_their_objects(project: Project) -> None:
    labels = np.zeros((20, 30), np.uint32)
    by = ReviewEmbeddings(key="0a-student", teacher_key="0a-teacher", n_dims=16, delta_var=0.1, kernel_threshold=0.9)
    review = ReviewDecisions(accepted=(1, 70_000), rejected=(5,), current=3, embeddings=by)
    project.set_result("cells", labels, review)
    assert Project.open(project.path).image("cells").review == review
    project.set_result("cells", labels)
    assert project.image("cells").review == ReviewDecisions()


def test_no_object_is_kept_as_decided_that_was_not(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.zeros((20, 30), np.uint32)
    project.set_result("cells", labels, ReviewDecisions(accepted=(1, 2), rejected=(5,)))

    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(project_module, "write_labels", fail)
    with pytest.raises(OSError, match="disk full"):
        project.set_result("cells", labels, ReviewDecisions(accepted=(2, 3), rejected=(5, 6), current=3))
    assert project.image("cells").review == ReviewDecisions(accepted=(2,), rejected=(5,))
    with pytest.raises(OSError, match="disk full"):
        project.set_result("cells", labels)
    assert project.image("cells").review == ReviewDecisions()


@pytest.fixture
def corrected(project: Project) -> tuple[Project, np.ndarray, EditHistory]:
    """Return a project with objects that were corrected once, the objects, and the history."""
    labels = np.zeros((20, 30), np.uint32)
    labels[:5], labels[5:10], labels[15:] = 1, 2, 70_000
    history = EditHistory()
    history.make(labels, delete(labels, [70_000]), rejected_after=(70_000,))
    project.set_result("cells", labels, ReviewDecisions(rejected=(70_000,)), history.steps)
    return project, labels, history


def test_corrections_come_back_with_their_objects(corrected: tuple[Project, np.ndarray, EditHistory]) -> None:
    project, _, _ = corrected
    opened = Project.open(project.path)
    labels = opened.result("cells")
    history = EditHistory(opened.steps("cells").fitting(labels))
    assert history.undo(labels).rejected_after == (70_000,)
    assert (labels[15:] == 70_000).all()
    opened.set_result("cells", labels)
    assert opened.steps("cells").every == ()


@pytest.mark.parametrize("last", ["made", "undone", "made anew"])
@pytest.mark.parametrize("crash", [False, True], ids=["whole", "labels of before"])
def test_steps_fit_the_labels_whenever_it_is_interrupted(
    corrected: tuple[Project, np.ndarray, EditHistory], last: str, crash: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, labels, history = corrected
    states = [labels.copy()]
    if last != "made":
        history.undo(labels)
        states.append(labels.copy())
    if last != "undone":
        history.make(labels, merge(labels, [1, 2]))
        states.append(labels.copy())
        history.make(labels, delete(labels, [1]))
        states.append(labels.copy())

    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError("killed")

    with monkeypatch.context() as patch:
        if crash:
            patch.setattr(project_module, "write_labels", fail)
            with pytest.raises(OSError, match="killed"):
                project.set_result("cells", labels, None, history.steps)
        else:
            project.set_result("cells", labels, None, history.steps)
    read = project.result("cells")
    np.testing.assert_array_equal(read, states[0] if crash else states[-1])
    again = EditHistory(project.steps("cells").fitting(read))
    if last == "made anew" and crash:
        # The step that had led to these labels was given up for the new ones, which can be made of them all the same.
        assert not again.can_undo
        assert len(again.steps.undone) == 2
        return
    while again.can_redo:
        again.redo(read)
    np.testing.assert_array_equal(read, states[0] if last == "undone" else states[-1])
    while again.can_undo:
        again.undo(read)
    np.testing.assert_array_equal(np.unique(read), [0, 1, 2, 70_000])


def test_what_is_worked_with(project: Project, tmp_path: Path) -> None:
    assert project.work == ProjectWork()
    run = project.new_run()
    project.set_work(ProjectWork(tmp_path / "model.safetensors", run, "cells", project.path / "runs" / "before"))
    project.change_image("cells", title="cells [1]", is_rgb=True, placement=PLACEMENT)
    moved = tmp_path / "elsewhere"
    project.path.rename(moved)
    opened = Project.open(moved)
    runs = moved / "runs"
    assert opened.work == ProjectWork(tmp_path / "model.safetensors", runs / run.name, "cells", runs / "before")
    assert (opened.image("cells").title, opened.image("cells").placement) == ("cells [1]", PLACEMENT)
    opened.set_work(ProjectWork())
    assert opened.work == ProjectWork()


def test_images_that_are_not_kept_are_named(project: Project) -> None:
    project.add_entry(ProjectImage(name="huge", file="", shape=(20, 30)))
    project.set_annotations("huge", np.ones((20, 30), int))
    with pytest.raises(ValueError, match="whose pixels are kept, got huge"):
        project.read_image("huge")


@pytest.mark.parametrize(
    ("title", "name"),
    [("cells [1]", "cells -1"), ("", "image"), ("a/b\\c:", "a-b-c"), ("CELLS", "CELLS 2"), (". x .", "x"), ("ä", "ä")],
)
def test_titles_become_names(project: Project, title: str, name: str) -> None:
    free = free_name(title, ["cells"])
    assert free == name
    assert project.add_image(image_of((20, 30)), free).name == name


BROKEN = {
    "no text": ("name = ", "expected TOML"),
    "nothing": ("", "name: expected a value, got none"),
    "newer": ('name = "x"\nformat_version = 99', "expected format_version 1, got 99; update napari-spoco"),
    "unknown": ('name = "x"\ncolour = 1', "colour: there is no such name"),
    "no file": ('name = "x"\n[[images]]\nname = "a"\nshape = [2, 3]', "images.0.file: expected a value, got none"),
    "axes": (
        'name = "x"\n[[images]]\nname = "a"\nfile = "a"\nshape = [2]',
        "images.0.shape: expected at least 2 items",
    ),
    "twice": (
        'name = "x"\n' + 2 * '[[images]]\nname = "a"\nfile = "a"\nshape = [2, 3]\n',
        "images: expected one of each name, got 'a' twice",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_projects_do_not_open(tmp_path: Path, kind: str) -> None:
    text, message = BROKEN[kind]
    (tmp_path / "project.toml").write_text(text)
    with pytest.raises(ValueError) as caught:
        Project.open(tmp_path)
    assert message in str(caught.value)
    assert str(tmp_path / "project.toml") in str(caught.value)


def test_no_project(tmp_path: Path) -> None:
    assert not Project.is_at(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no project"):
        Project.open(tmp_path)


def test_the_file_is_toml_for_others(project: Project) -> None:
    project.set_annotations("cells", np.ones((20, 30), int), boxes=[(slice(0, 4), slice(0, 5))])
    values = tomllib.loads((project.path / "project.toml").read_text(encoding="utf-8"))
    assert values == {
        "name": "my project",
        "format_version": 1,
        "images": [
            {
                "name": "cells",
                "file": "images/cells.tif",
                "shape": [20, 30],
                "annotation_file": "annotations/cells.tif",
                "boxes": [[[0, 4], [0, 5]]],
                "n_painted": 1,
            }
        ],
    }
