"""`napari-spoco …` from files to files, and its sentences where something is wrong."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from rich.console import Console

from napari_spoco.cli import description
from napari_spoco.config import TRAINING_PRESETS, NetworkConfig, SegmentationConfig
from napari_spoco.config_files import read_segmentation_config, read_training_config
from napari_spoco.data.samples import load_nuclei
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, load_model, save_model
from napari_spoco.models.network import UNet, make_teacher
from napari_spoco.models.registry import shipped_card, shipped_models
from napari_spoco.segmentation import readout


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_train_segment_evaluate(run, files: tuple[Path, Path], tmp_path: Path) -> None:
    image, labels = files
    folder = tmp_path / "made" / "run"
    assert "2 steps" in run("train", image, "-a", labels, "--out", folder, "--steps", 2)
    card = load_model(folder).card
    assert card.voxel_size == (0.25, 0.25)
    assert card.history.n_objects == 7
    options = ("--foreground", "intensity", "--fragment-size", 30, "--set", "smoothing=2")
    said = run("segment", folder, image, "--out", tmp_path / "found", *options)
    assert "cells.tif" in said
    found = tifffile.imread(tmp_path / "found" / "cells_labels.tif")
    assert found.shape == (256, 256)
    rows = read_rows(tmp_path / "found" / "cells_objects.csv")
    assert [int(row["label"]) for row in rows] == list(range(1, found.max() + 1))
    said = run("evaluate", tmp_path / "found" / "cells_labels.tif", labels)
    assert "sbd" in said
    assert "0.95" in said  # the last threshold


def test_evaluate_tells_everything_to_programs(invoke, tmp_path: Path) -> None:
    truth, found = np.zeros((12, 12), np.uint8), np.zeros((12, 12), np.uint8)
    truth[1:5, 1:5], truth[7:11, 1:5] = 3, 7
    found[1:5, 1:4], found[9:, 9:] = 2, 5
    for name, labels in (("truth", truth), ("found", found)):
        tifffile.imwrite(tmp_path / f"{name}.tif", labels)
    table = tmp_path / "objects.csv"
    result = invoke("evaluate", tmp_path / "found.tif", tmp_path / "truth.tif", "--objects", table, "--json")
    told = json.loads(result.stdout)
    assert told["scores"]["ap50"] == pytest.approx(1 / 3)
    assert [row["n_matched"] for row in told["by_iou_threshold"]] == [1] * 5 + [0] * 5
    assert told["by_iou_threshold"][0] | {"f1": 0.5, "n_false": 1, "n_missed": 1} == told["by_iou_threshold"][0]
    rows = [(row["true_id"], row["found_id"], float(row["iou"])) for row in read_rows(table)]
    assert rows == [("3", "2", 0.75), ("7", "0", 0.0), ("0", "5", 0.0)]


def test_segment_with_what_was_painted(run, files: tuple[Path, Path], tmp_path: Path) -> None:
    image, labels = files
    painted = tifffile.imread(labels)
    (y, *_), (x, *_) = np.nonzero(load_nuclei("train")[0].labels == 0)
    painted[y, x : x + 1] = 99
    tifffile.imwrite(labels, painted)
    tifffile.imwrite(tmp_path / "mask.tif", np.pad(np.ones((200, 200), np.uint8), (0, 56)))
    out = ("--out", tmp_path / "found", "--fragment-size", 20)
    shown = ("-a", labels, "--background-label", 99, "--background-at", f"{y},{x}", "--mask", tmp_path / "mask.tif")
    run("segment", "nuclei-small", image, *out, *shown, "--method", "components")
    found = tifffile.imread(tmp_path / "found" / "cells_labels.tif")
    assert found[:200, :200].all()
    assert not found[200:].any()
    run("segment", "nuclei-small", image, *out, *shown[:-2])
    assert tifffile.imread(tmp_path / "found" / "cells_labels.tif")[y, x] == 0


def test_consistency_needs_a_teacher(run, files: tuple[Path, Path], tmp_path: Path) -> None:
    config = NetworkConfig(embedding_dim=4, feature_maps=(4, 8))
    torch.manual_seed(0)
    model = EmbeddingModel(UNet(config), ModelCard(network=config))
    path, arguments = tmp_path / "model.safetensors", (files[0], "--out", tmp_path, "--method", "consistency")
    save_model(model, path)
    said = run("segment", path, *arguments, code=1)
    assert "method: consistency compares student and teacher, but" in said
    save_model(EmbeddingModel(model.network, model.card, make_teacher(model.network)), path)
    assert "objects, written to" in run("segment", path, *arguments)


def test_notices_are_printed(run, files: tuple[Path, Path], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(readout, "crossing_warning", lambda *_, **__: "Set the smoothing to 2 pixels.")
    said = run("segment", "nuclei-small", files[0], "--out", tmp_path, "--method", "mutex_watershed")
    assert "cells.tif: Set the smoothing to 2 pixels." in said


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--background-at", "3;4"), "--background-at: expected Y,X or Z,Y,X, got '3;4'"),
        (
            ("--background-at", "3,4", "--background-at", "5,6"),
            "--background-at: expected one for each",
        ),
        (("--background-at", "900,4"), "background: expected a pixel inside of"),
        (("--method", "magic"), "method: expected"),
    ],
)
def test_segment_mistakes_in_what_is_shown(run, files: tuple[Path, Path], tmp_path: Path, options, sentence) -> None:
    assert sentence in run("segment", "nuclei-small", files[0], "--out", tmp_path, *options, code=1)


def test_segment_mistakes(run, files: tuple[Path, Path], tmp_path: Path) -> None:
    image, _ = files
    before = sorted(tmp_path.iterdir())
    out = ("--out", tmp_path / "found")
    assert "Error: path: there is no model file" in run("segment", tmp_path / "none", image, *out, code=1)
    said = run("segment", "nuclei-small", image, *out, "--set", "smothing=1", code=1)
    assert "smothing: there is no such name; did you mean smoothing?" in said
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", TRAINING_PRESETS)
def test_config_prints_what_config_reads(invoke, tmp_path: Path, name: str) -> None:
    path = tmp_path / "training.yaml"
    path.write_text(invoke("config", "--preset", name).stdout)
    assert read_training_config(path) == TRAINING_PRESETS[name]


def test_config_of_a_segmentation(run, tmp_path: Path) -> None:
    assert "smoothing: 3.0" in run("config", "--segmentation", "--set", "smoothing=3")
    assert "--preset: expected none" in run("config", "--segmentation", "--preset", "paper", code=1)
    path = tmp_path / "segmentation.json"
    path.write_text(SegmentationConfig(min_size=7).model_dump_json())
    assert read_segmentation_config(path).min_size == 7
    assert "min_size: 7" in run("config", "--segmentation", "--config", path)


def test_config_mistakes(run) -> None:
    said = run("config", "--preset", "slow", code=1)
    assert "--preset: expected one of quick, normal, thorough" in said
    assert "expected NAME=VALUE" in run("config", "--set", "seed", code=1)


def test_import_says_what_was_found(run, tmp_path: Path) -> None:
    config = NetworkConfig(ndim=3, in_channels=2, embedding_dim=4, feature_maps=(8, 16), norm="group", groups=4)
    weights = {
        f"{prefix}.{name}": value for prefix in ("net_f", "net_g") for name, value in UNet(config).state_dict().items()
    }
    checkpoint, out = tmp_path / "last.pytorch", tmp_path / "model.safetensors"
    torch.save({"model_state_dict": weights, "num_iterations": 12_000}, checkpoint)
    said = run("import", checkpoint, "--out", out, "--groups", 4, "--activation", "elu")
    for words in ("3D images of 2 channels", "8, 16", "group, 4 groups", "elu", "teacher │ yes", "12,000"):
        assert words in said
    model = load_model(out)
    assert model.config == config.model_copy(update={"activation": "elu"})
    assert model.teacher is not None


def test_import_mistakes(run, tmp_path: Path) -> None:
    checkpoint = tmp_path / "other.pytorch"
    torch.save({"weights": torch.zeros(3)}, checkpoint)
    assert "path: expected weights named" in run("import", checkpoint, "--out", tmp_path / "m.safetensors", code=1)
    assert "--out: expected a file ending in" in run("import", checkpoint, "--out", tmp_path / "m.pt", code=1)
    assert "there is no file" in run("import", tmp_path / "none", "--out", tmp_path / "m.safetensors", code=1)
    assert list(tmp_path.iterdir()) == [checkpoint]


def test_models_lists_what_ships_with_its_cards(run) -> None:
    said = run("models")
    assert "│ nuclei-small │ 2D fluorescent nuclei" in said
    places = [said.index(" ".join(shipped_card(name).split())) for name in shipped_models()]
    assert places == sorted(places)
    assert 0 < said.index("ovules-small") < places[0]


def test_models_prints_one_card(run) -> None:
    assert run("models", "ovules-small") == " ".join(shipped_card("ovules-small").split())
    sentence = "NAME: expected a model that ships, nuclei-small or ovules-small, got 'nuclei'"
    assert sentence in run("models", "nuclei", code=1)


def test_a_card_is_laid_out_on_a_terminal(run, monkeypatch) -> None:
    terminal = Console(force_terminal=True, width=100, file=io.StringIO())
    monkeypatch.setattr(description, "console", terminal)
    run("models", "nuclei-small")
    shown = terminal.file.getvalue()
    assert "\x1b[1mTrained on" in shown
    assert "**" not in shown


def test_info_names_versions_and_device(run) -> None:
    said = run("info")
    for word in ("napari-spoco", "torch", "device", "precision"):
        assert word in said


@pytest.mark.slow
def test_demo_writes_everything(run, tmp_path: Path) -> None:
    said = run("demo", "--out", tmp_path, "--steps", 3)
    assert "Fine-tuned nuclei-small on 84 of 836 objects" in said
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"model.safetensors", "scores.csv", "loss.png", "overlay.png"} <= names
    for sample in load_nuclei("val"):
        assert tifffile.imread(tmp_path / "labels" / f"{sample.name}.tif").shape == sample.labels.shape
        assert {f"objects/{sample.name}.csv", f"embeddings/{sample.name}.png"} <= names
    rows = read_rows(tmp_path / "scores.csv")
    classical = [float(row["sbd"]) for row in rows if "Otsu" in row["method"]]
    assert 0.6 < classical[0] < 0.9
    assert len(rows) == 3 + 3 + 2
    assert load_model(tmp_path / "model.safetensors").card.foreground_radius > 0
    assert len(names) == 4 + 3 * 8


@pytest.mark.slow
def test_demo_trains_from_scratch_if_asked(run, tmp_path: Path) -> None:
    assert "Trained from scratch on" in run("demo", "--out", tmp_path, "--steps", 1, "--start-from", "none")
    assert not any("as it comes" in row["method"] for row in read_rows(tmp_path / "scores.csv"))


def test_demo_in_the_window_refuses_what_is_chosen_there(run, tmp_path: Path) -> None:
    said = run("demo", "--gui", "--out", tmp_path, "--start-from", "none", code=1)
    assert "--gui: expected none of what is chosen in the window, got --out, --start-from" in said


def test_two_images_of_one_name_are_refused(run, files: tuple[Path, Path], tmp_path: Path) -> None:
    image, _ = files
    other = tmp_path / "other" / image.name
    other.parent.mkdir()
    other.write_bytes(image.read_bytes())
    said = run("segment", "nuclei-small", image, other, "--out", tmp_path / "found", code=1)
    assert f"images: {image} and {other} would both become" in said
    assert not (tmp_path / "found").exists()


def test_a_mask_may_be_true_and_false(run, files: tuple[Path, Path], tmp_path: Path) -> None:
    image, _ = files
    mask = np.zeros((256, 256), bool)
    mask[:, :128] = True
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    settings = ("--method", "components")
    run("segment", "nuclei-small", image, "--out", tmp_path, "--mask", tmp_path / "mask.tif", *settings)
    assert np.array_equal(tifffile.imread(tmp_path / "cells_labels.tif") > 0, mask)


def test_demo_takes_no_wrong_settings(run, tmp_path: Path) -> None:
    said = run("demo", "--out", tmp_path / "demo", "--steps", 0, code=1)
    assert "max_steps: expected greater than or equal to 1, got 0" in said
    assert not list(tmp_path.iterdir())
