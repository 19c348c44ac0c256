"""`napari-spoco train`: settings by precedence, boxes, projects, resuming, and what is left behind."""

from __future__ import annotations

import os
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from napari_spoco.cli.outcome import model_line, outcome_lines
from napari_spoco.cli.training_data import place_boxes, read_files, read_project
from napari_spoco.config import AnnotationConfig, TrainingConfig
from napari_spoco.config_files import read_training_config
from napari_spoco.data.annotations import BACKGROUND, UNLABELED
from napari_spoco.models.checkpoint import load_model
from napari_spoco.project.project import Project
from napari_spoco.training import trainer as trainer_module
from napari_spoco.training.reports import LossTerms, ScoreReport, StepReport
from napari_spoco.training.trainer import Trainer, TrainingResult

Files = tuple[Path, Path]
TERMS = LossTerms(1, 0, 0, 0, 0, 0)


def test_the_folder_of_a_run(run, files: Files, tiny: Path, tmp_path: Path) -> None:
    image, labels = files
    folder = tmp_path / "run"
    said = run("train", image, "-a", labels, "--config", tiny, "--out", folder)
    assert {path.name for path in folder.iterdir()} == {
        "best.safetensors", "config.json", "last.safetensors", "log.csv", "loss.png", "scores.csv", "state.pt",
    }  # fmt: skip
    assert "7 annotated objects, 2 of them left out to score it" in said
    for word in ("pull", "consistency", "6 steps, loss", "Score on objects left out", *os.listdir(folder)):
        assert word in said
    assert re.search(r"The model to use is the best one, of step [246]: .*best\.safetensors", said)
    assert re.search(r"left-out score 0\.\d+ at step 4 \(objects: 2\); highest 0\.\d+, best model of step [24]", said)


def test_later_settings_count(run, files: Files, tmp_path: Path) -> None:
    image, labels = files
    toml = tmp_path / "training.toml"
    toml.write_text("max_steps = 7\nlearning_rate = 1e-3\nseed = 1\nfeature_maps = [4, 8]\n[loss]\npull_weight = 2\n")
    settings = ("--set", "max_steps=8", "--set", "seed=2", "--set", "loss.push_weight=3", "--set", "max_steps=9")
    options = ("--steps", 1, "--background-label", 7, "--device", "cpu")
    folder = tmp_path / "run"
    run("train", image, "-a", labels, "--out", folder, "--preset", "paper", "--config", toml, *settings, *options)
    config = read_training_config(folder / "config.json")
    assert config.schedule == "plateau"
    assert config.learning_rate == 1e-3
    assert (config.loss.pull_weight, config.loss.push_weight) == (2, 3)
    assert config.seed == 2
    assert config.max_steps == 1
    assert config.annotations == AnnotationConfig(background_label=7)
    assert load_model(folder).card.history.n_objects == 6


def test_fine_tuning(run, files: Files, tiny: Path, tmp_path: Path) -> None:
    image, labels = files
    common = ("train", image, "-a", labels, "--config", tiny)
    run(*common, "--out", tmp_path / "first")
    said = run(*common, "--start-from", tmp_path / "first", "--out", tmp_path / "second")
    assert "at step 0 (objects: 2)" in said
    assert load_model(tmp_path / "second" / "last.safetensors").card.history.steps > 6


def test_a_shipped_model_is_replaced_by_no_worse_one(run, files: Files, tiny: Path, tmp_path: Path) -> None:
    image, labels = files
    options = ("--steps", 2, "--learning-rate", 1, "--start-from", "nuclei-small", "--out", tmp_path / "run")
    said = run("train", image, "-a", labels, "--config", tiny, *options)
    assert "at step 0 (objects: 2)" in said
    assert re.search(r"Score on objects left out \(1 is perfect\): 0\.\d+ before, 0\.\d+ after", said)
    assert "The model you started from scored higher and is kept" in said
    start, kept = load_model("nuclei-small"), load_model(tmp_path / "run")
    assert all(torch.equal(kept.network.state_dict()[k], v) for k, v in start.network.state_dict().items())


def test_images_get_to_the_voxel_size_of_the_model(run, files: Files, tiny: Path, tmp_path: Path) -> None:
    image, labels = files
    run("train", image, "-a", labels, "--config", tiny, "--out", tmp_path / "first", "--set", "voxel_size=[0.5, 0.5]")
    assert load_model(tmp_path / "first").card.voxel_size == (0.5, 0.5)
    options = ("--start-from", tmp_path / "first", "--out", tmp_path / "second")
    said = run("train", image, "-a", labels, "--config", tiny, *options)
    assert "resampled from 0.25 x 0.25 micrometer to the model's voxel size, 0.5 x 0.5 micrometer" in said
    card = load_model(tmp_path / "second").card
    assert (card.voxel_size, card.units) == ((0.5, 0.5), ("micrometer", "micrometer"))


def test_resume_goes_on(run, files: Files, tiny: Path, tmp_path: Path) -> None:
    image, labels = files
    command = ("train", image, "-a", labels, "--config", tiny, "--set", "schedule=constant")
    run(*command, "--out", tmp_path / "whole")
    run(*command, "--out", tmp_path / "parts", "--steps", 3, "--preset", "paper")
    said = run("train", image, "-a", labels, "--resume", "--out", tmp_path / "parts", "--steps", 6)
    assert "Resumed at step 4" in said
    assert read_training_config(tmp_path / "parts" / "config.json").loss.consistency_weight == 1.0
    assert load_model(tmp_path / "parts" / "last.safetensors").card.history.steps == 6
    said = run("train", image, "-a", labels, "--resume", "--out", tmp_path / "whole")
    assert "The run had ended before; --more lets it go on, for its --minutes and --steps again." in said
    said = run("train", image, "-a", labels, "--resume", "--more", "--out", tmp_path / "whole", "--steps", 2)
    assert "The training had ended at step 6: it goes on" in said
    assert load_model(tmp_path / "whole" / "last.safetensors").card.history.steps == 8


def test_a_run_that_its_minutes_ended_is_left_as_it_is_until_more_is_wanted(run, files, tiny, tmp_path) -> None:
    image, labels = files
    command = ("train", image, "-a", labels, "--out", tmp_path / "run")
    run(*command, "--config", tiny, "--steps", 2)
    run(*command, "--resume", "--more", "--minutes", 1e-9)  # Over before a step, on every machine.
    assert "The run had ended before; --more" in run(*command, "--resume")
    run(*command, "--resume", "--more", "--minutes", 60, "--steps", 3)
    assert load_model(tmp_path / "run" / "last.safetensors").card.history.steps == 5


def test_training_of_a_project(run, files: Files, tiny: Path, tmp_path: Path) -> None:
    image, labels = files
    project = Project.create(tmp_path / "project")
    project.add_image(image)
    project.add_image(image, "not painted")
    assert "expected an image with annotations" in run("train", project.path, code=1)
    project.set_annotations("cells", tifffile.imread(labels), meaning=AnnotationConfig(background_label=3))
    said = run("train", project.path, "--config", tiny, "--steps", 2)
    assert "6 annotated objects" in said
    (folder,) = project.runs
    assert load_model(folder).card.voxel_size == (0.25, 0.25)
    assert "Resumed at step 3" in run("train", project.path, "--resume", "--steps", 3)
    assert len(project.runs) == 1
    run("train", project.path, "--config", tiny, "--steps", 1)
    assert project.newest_run != folder
    run("train", project.path, "--config", tiny, "--steps", 1, "--out", tmp_path / "elsewhere")
    assert len(project.runs) == 2


def test_mistakes_with_a_project(run, files: Files, tmp_path: Path) -> None:
    image, labels = files
    project = Project.create(tmp_path / "project")
    assert "there is no training to go on with in the project" in run("train", project.path, "--resume", code=1)
    assert "which are the project's" in run("train", project.path, "-a", labels, code=1)
    assert "which are the project's" in run("train", project.path, "--ignore-label", 2, code=1)
    assert "the folder of one project" in run("train", image, project.path, code=1)
    (tmp_path / "empty").mkdir()
    assert "there is no project in" in run("train", tmp_path / "empty", code=1)
    project.add_image(image)
    project.set_annotations("cells", tifffile.imread(labels))
    assert "patch_shape" in run("train", project.path, "--set", "patch_shape=[2, 2]", code=1)
    assert project.runs == ()


def test_mistakes_get_a_sentence_and_leave_nothing(run, files: Files, tmp_path: Path) -> None:
    image, labels = files
    before = sorted(tmp_path.iterdir())
    out = ("--out", tmp_path / "some" / "run")
    assert "expected one annotation per image" in run("train", image, image, "-a", labels, *out, code=1)
    assert "Error:" in run("train", tmp_path / "none.tif", "-a", labels, *out, code=1)
    assert "max_steps" in run("train", image, "-a", labels, *out, "--steps", 0, code=1)
    assert "patch_shape: expected 2 axes" in run("train", image, "-a", labels, *out, "--set", "patch_shape=[4]", code=1)
    assert "--preset: expected one of" in run("train", image, "-a", labels, *out, "--preset", "slow", code=1)
    assert "--resume: there is no training" in run("train", image, "-a", labels, *out, "--resume", code=1)
    assert "--more: expected --resume beside it" in run("train", image, "-a", labels, *out, "--more", code=1)
    assert "device: 'abacus' is not available" in run("train", image, "-a", labels, *out, "--device", "abacus", code=1)
    assert "no model file" in run("train", image, "-a", labels, *out, "--start-from", tmp_path / "none", code=1)
    assert sorted(tmp_path.iterdir()) == before


def test_an_earlier_run_stays(run, files: Files, tiny: Path, tmp_path: Path) -> None:
    image, labels = files
    command = ("train", image, "-a", labels, "--config", tiny, "--steps", 1, "--out", tmp_path / "run")
    run(*command)
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    assert "holds an earlier training; resume it, or choose another folder" in run(*command, code=1)
    assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "the device ran out of memory"),
        (MemoryError("patch_shape, batch_size: too little"), "patch_shape, batch_size: too little"),
        (torch.OutOfMemoryError("CUDA out of memory"), "the device ran out of memory; choose a smaller patch"),
        (FloatingPointError("The loss became nan [step 3]"), "The loss became nan [step 3]"),
    ],
)
def test_what_fails_midway_gets_a_sentence(run, files: Files, tmp_path: Path, monkeypatch, error, sentence) -> None:
    image, labels = files

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(trainer_module.Trainer, "__init__", fail)
    before = sorted(tmp_path.iterdir())
    assert sentence in run("train", image, "-a", labels, "--out", tmp_path / "run", code=1)
    assert sorted(tmp_path.iterdir()) == before


def test_errors_of_the_program_are_not_hidden(invoke, files: Files, tmp_path: Path, monkeypatch) -> None:
    image, labels = files
    monkeypatch.setattr(Trainer, "run", lambda *_: (_ for _ in ()).throw(RuntimeError("shapes differ")))
    result = invoke("train", image, "-a", labels, "--out", tmp_path / "run", "--device", "cpu")
    assert isinstance(result.exception, RuntimeError)


@pytest.mark.parametrize(
    ("best_step", "n_steps", "sentence"),
    [
        (None, 1, "The model to use is the last one: somewhere"),
        (0, 0, "The model you started from is kept: somewhere"),
        (0, 1, "The model you started from scored higher and is kept: somewhere"),
        (40, 1, "The model to use is the best one, of step 40: somewhere"),
    ],
)
def test_which_model_is_to_be_used(best_step: int | None, n_steps: int, sentence: str) -> None:
    model = load_model("nuclei-small")
    reports = (StepReport(1, 1, TERMS, 1e-3, 0.0, 0.0),) * n_steps
    assert model_line(TrainingResult(model, model, best_step, reports, (), False, Path("somewhere"))) == sentence


def score(step: int, value: float, n_objects: int = 4) -> ScoreReport:
    return ScoreReport(step, value, value, value, n_objects, 0.5, is_best=False)


@pytest.mark.parametrize(
    ("scores", "n_steps", "told"),
    [
        pytest.param([score(0, 0.42), score(100, 0.47)], 100, ["0.42 before, 0.47 after"], id="fine-tuned"),
        pytest.param([score(50, 0.42), score(100, 0.47)], 100, ["best 0.500, last 0.470"], id="from scratch"),
        pytest.param(
            [score(0, 0.42, 1), score(100, 0.47, 1)],
            100,
            [
                "One left-out object tells too little of whether the model got better. Paint 15 objects or more.",
                "0.42 before, 0.47 after",
            ],
            id="fine-tuned, one object left out",
        ),
        pytest.param([score(50, 0.42, 1), score(100, 0.47, 1)], 100, ["best 0.500, last 0.470"], id="new, one object"),
        pytest.param(
            [score(0, 0.42), score(99, 0.47)],
            99,
            [
                "That is too few to tell whether the model got better. Give it 5 minutes or more.",
                "0.42 before, 0.47 after",
            ],
            id="fine-tuned for too few steps",
        ),
    ],
)
def test_how_good_the_model_is(scores: list[ScoreReport], n_steps: int, told: list[str]) -> None:
    model = load_model("nuclei-small")
    reports = tuple(StepReport(step, n_steps, TERMS, 1e-3, 0.0, 0.0) for step in range(1, n_steps + 1))
    result = TrainingResult(model, model, n_steps, reports, tuple(scores), False, Path("somewhere"))
    *doubts, last = told
    assert outcome_lines(result)[1:-1] == (*doubts, f"Score on objects left out (1 is perfect): {last}")


def test_boxes_belong_to_their_images() -> None:
    images = [Path("data/a.tif"), Path("data/b.ome.tif"), Path("C:/x/c.tif")]
    boxes = place_boxes(["a.tif:0:4,2:6", "b.ome:1:2,3:4,:", "C:/x/c.tif::5,5:", "data/a.tif:1:2,1:2"], images)
    assert boxes == [
        [(slice(0, 4), slice(2, 6)), (slice(1, 2), slice(1, 2))],
        [(slice(1, 2), slice(3, 4), slice(None))],
        [(slice(None, 5), slice(5, None))],
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.tif:0:4", "--box: expected IMAGE:y0:y1,x0:x1"),
        ("0:4,2:6", "--box: expected IMAGE:y0:y1,x0:x1"),
        ("a.tif:-1:4,2:6", "--box: expected IMAGE"),
        ("b.tif:0:4,2:6", "--box: expected one of the images"),
        ("same:0:4,2:6", "--box: expected one of the images"),
    ],
)
def test_boxes_that_cannot_be_placed(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        place_boxes([text], [Path("a.tif"), Path("x/same.tif"), Path("y/same.tif")])


def test_background_inside_of_boxes_only(files: Files) -> None:
    image, labels = files
    config = TrainingConfig(annotations=AnnotationConfig(ignore_label=1))
    data = read_files([image], [labels], ["cells:0:50,0:50"], config)
    painted = data.annotations[0].labels
    assert not (painted[:50, :50] == UNLABELED).any()
    assert not (painted[50:] == BACKGROUND).any()
    assert data.annotations[0].instance_ids == (2, 3, 4, 5, 6, 7)
    assert data.units == [("micrometer", "micrometer")]
    with pytest.raises(ValueError, match="inside of the image's shape"):
        read_files([image], [labels], ["cells:0:50,0:5000"], config)


def test_boxes_of_a_project(files: Files, tmp_path: Path) -> None:
    image, labels = files
    project = Project.create(tmp_path / "project")
    project.add_image(image)
    project.set_annotations("cells", tifffile.imread(labels), boxes=[(slice(0, 50), slice(0, 50))])
    from_files = read_files([image], [labels], ["cells:0:50,0:50"], TrainingConfig())
    np.testing.assert_array_equal(read_project(project).annotations[0].labels, from_files.annotations[0].labels)


class FakeWriter:
    """Stands for TensorBoard's writer."""

    def __init__(self, folder: str, purge_step: int) -> None:
        self.folder, self.purge_step, self.values, self.is_closed = folder, purge_step, {}, False
        made.append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.values[name, step] = value

    def close(self) -> None:
        self.is_closed = True


made: list[FakeWriter] = []


def test_tensorboard_gets_terms_and_scores(run, files: Files, tiny: Path, tmp_path: Path, monkeypatch) -> None:
    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = FakeWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    made.clear()
    image, labels = files
    command = ("train", image, "-a", labels, "--config", tiny, "--out", tmp_path / "run", "--tensorboard")
    run(*command, "--steps", 2)
    run(*command, "--steps", 3, "--resume")
    first, second = made
    assert first.folder == str(tmp_path / "run")
    assert {"loss/pull", "loss/total", "learning_rate", "left_out/score"} <= {name for name, _ in first.values}
    assert {step for _, step in first.values} == {1, 2}
    assert second.purge_step == 3
    assert {step for _, step in second.values} == {3}
    assert first.is_closed


def test_tensorboard_is_an_extra(run, files: Files, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    image, labels = files
    said = run("train", image, "-a", labels, "--out", tmp_path / "run", "--tensorboard", code=1)
    assert '--tensorboard: expected the package tensorboard; pip install "napari-spoco[tensorboard]"' in said
    assert not (tmp_path / "run").exists()


def test_tensorboard_reads_the_file(run, files: Files, tiny: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    image, labels = files
    folder = tmp_path / "run"
    run("train", image, "-a", labels, "--config", tiny, "--out", folder, "--steps", 2, "--tensorboard")
    events = EventAccumulator(str(folder)).Reload()
    assert [event.step for event in events.Scalars("loss/total")] == [1, 2]
