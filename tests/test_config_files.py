"""Settings written down and read back; every mistake names its place, what was expected and what came."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from napari_spoco.config import TRAINING_PRESETS, Parameters, SegmentationConfig, TrainingConfig
from napari_spoco.config_files import (
    change_config,
    read_config,
    read_segmentation_config,
    read_training_config,
    set_values,
    write_yaml,
)

TEXTS = {
    ".toml": "max_steps = 7\nfeature_maps = [4, 8]\n[loss]\npull_weight = 2\n[adversarial]\nbeta1 = 1e-1\n",
    ".yaml": "max_steps: 7\nfeature_maps: [4, 8]\nloss:\n  pull_weight: 2\nadversarial: {beta1: 1e-1}\n",
    ".yml": "max_steps: 7\nfeature_maps:\n- 4\n- 8\nvalidation:\nloss: {pull_weight: 2}\nadversarial: {beta1: .1}",
    ".json": '{"max_steps": 7, "feature_maps": [4, 8], "loss": {"pull_weight": 2}, "adversarial": {"beta1": 0.1}}',
}


def written(folder: Path, suffix: str, text: str) -> Path:
    path = folder / f"settings{suffix}"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", TEXTS)
def test_all_kinds_of_files_say_the_same(tmp_path: Path, suffix: str) -> None:
    config = read_training_config(written(tmp_path, suffix, TEXTS[suffix]))
    base = TrainingConfig()
    assert config == base.model_copy(
        update={
            "max_steps": 7,
            "feature_maps": (4, 8),
            "loss": base.loss.model_copy(update={"pull_weight": 2.0}),
            "adversarial": base.adversarial.model_copy(update={"beta1": 0.1}),
        }
    )


def test_what_a_file_leaves_out_stays(tmp_path: Path) -> None:
    path = written(tmp_path, ".yaml", "loss:\n  delta_var: 0.25\nmax_minutes: null\n")
    paper = TRAINING_PRESETS["paper-adversarial"]
    config = read_config(path, paper.model_copy(update={"max_minutes": 3.0}))
    assert config == paper.model_copy(update={"loss": paper.loss.model_copy(update={"delta_var": 0.25})})
    for empty in ("", "# nothing\n"):
        assert read_config(written(tmp_path, ".yaml", empty), paper) == paper
    assert read_segmentation_config(written(tmp_path, ".toml", "smoothing = 2")) == SegmentationConfig(smoothing=2)


MISTAKES = {
    "bound": ("loss: {pull_weight: -1}", "loss.pull_weight: expected greater than or equal to 0, got -1"),
    "type": ("max_steps: many", "max_steps: expected a valid integer, got 'many'"),
    "text": ("max_steps: '7'", "max_steps: expected a valid integer, got '7'"),
    "truth": ("seed: true", "seed: expected a valid integer, got True"),
    "choice": ("loss: {instance_loss: dise}", "loss.instance_loss: expected 'dice' or 'bce', got 'dise'"),
    "list": ("patch_shape: 64, 64", "patch_shape: expected a list such as [64, 64], got '64, 64'"),
    "length": ("adversarial: {feature_maps: []}", "adversarial.feature_maps: expected at least 1 item"),
    "item": ("feature_maps: [8, x]", "feature_maps.1: expected a valid integer, got 'x'"),
    "section": ("loss: 3", "loss: expected an object, got 3"),
    "infinite": ("learning_rate: .inf", "learning_rate: expected a finite number, got inf"),
    "misspelled": ("loss: {pul_weight: 1}", "loss.pul_weight: there is no such name; did you mean loss.pull_weight?"),
    "other section": ("pull_weight: 1", "pull_weight: there is no such name; did you mean loss.pull_weight?"),
    "unknown": ("xyzzy: 1", "xyzzy: there is no such name"),
    "twice": ("seed: 1\nseed: 2", "seed stands there twice"),
    "no names": ("- 1\n- 2", "expected names with values, got [1, 2]"),
    "broken": ("loss: [1", "expected YAML (while parsing a flow sequence"),
    "date": ("seed: 2024-01-01", "seed: expected a valid integer, got '2024-01-01'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_name_their_place(tmp_path: Path, name: str) -> None:
    text, sentence = MISTAKES[name]
    path = written(tmp_path, ".yaml", text)
    with pytest.raises(ValueError) as caught:
        read_training_config(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"^max_steps: expected .*, got 0; seed: expected .*, got -1$"):
        change_config(TrainingConfig(), {"max_steps": 0, "seed": -1})


@pytest.mark.parametrize(
    ("suffix", "content", "sentence"),
    [
        (".toml", b"seed = ", "expected TOML"),
        (".toml", b"seed = 1\nseed = 2", "expected TOML"),
        (".json", b'{"seed": 1', "expected JSON"),
        (".json", b'{"seed": 1, "seed": 2}', "seed stands there twice"),
        (".json", b'{"learning_rate": NaN}', "learning_rate: expected a finite number"),
        (".yaml", b"\xff\xfe\x00", "expected YAML"),
        (".ini", b"seed = 1", "expected a file ending in .toml, .yaml, .yml, .json"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, suffix: str, content: bytes, sentence: str) -> None:
    path = tmp_path / f"settings{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        read_training_config(path)
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_training_config(tmp_path / "none.yaml")


def test_yaml_runs_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="could not determine a constructor"):
        read_training_config(written(tmp_path, ".yaml", "device: !!python/object/apply:os.getcwd []"))


def test_assignments() -> None:
    values = [
        "loss.instance_loss=bce",
        "learning_rate=1e-4",
        "feature_maps=[4, 8]",
        "max_minutes=null",
        "device=cuda:1",
    ]
    config = set_values(TrainingConfig(), [*values, "momentum_ramp=false", "loss.instance_loss = dice"])
    assert config.loss.instance_loss == "dice"
    assert config.learning_rate == 1e-4
    assert config.feature_maps == (4, 8)
    assert config.max_minutes is None
    assert config.device == "cuda:1"
    assert config.momentum_ramp is False
    assert config.loss.consistency_weight == TrainingConfig().loss.consistency_weight


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("seed", "expected NAME=VALUE, such as loss.instance_loss=bce, got 'seed'"),
        ("feature_maps=[1", r"feature_maps=\[1: expected a value in YAML"),
        ("los.pull_weight=1", "los: there is no such name; did you mean loss"),
        ("loss.pull_weight.x=1", "loss.pull_weight: expected a valid number"),
        ("=1", "there is no such name"),
    ],
)
def test_assignments_that_cannot_be_read(assignment: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        set_values(TrainingConfig(), [assignment])


@pytest.mark.parametrize("config", [*TRAINING_PRESETS.values(), SegmentationConfig()], ids=[*TRAINING_PRESETS, "read"])
@pytest.mark.parametrize("load", [yaml.safe_load, None], ids=["other reader", "own reader"])
def test_written_settings_are_read_back(tmp_path: Path, config: Parameters, load) -> None:
    text = write_yaml(config)
    if load:
        assert type(config).model_validate_json(json.dumps(load(text)), strict=True) == config
    else:
        assert read_config(written(tmp_path, ".yaml", text), type(config)()) == config


def test_every_setting_is_explained() -> None:
    text = write_yaml(TRAINING_PRESETS["paper"])
    for line in (
        "less and less so. [at least 1, default 1500]\nmax_steps: 80000\n",
        "# Blur (pixels): Strongest blur (sigma); raise it if other images are less sharp than the painted ones. [at",
        "\n# What the network learns to avoid, the SPOCO loss (docs/method.md); the defaults are the paper's.\nloss:\n",
        "[dice | bce]\n  instance_loss: dice\n",
    ):
        assert line in text
    fields = sum(not line.lstrip().startswith("#") and ":" in line for line in text.splitlines())
    assert fields == count_fields(TrainingConfig())
    assert max(map(len, text.splitlines())) <= 110


def count_fields(config: Parameters) -> int:
    values = [getattr(config, name) for name in type(config).model_fields]
    return len(values) + sum(count_fields(value) for value in values if isinstance(value, Parameters))
