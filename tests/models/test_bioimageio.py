"""Packages of the BioImage Model Zoo: ours pass the official checks and come back bit by bit; nothing of any is run."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from napari_spoco.config import NetworkConfig, Norm, Normalization
from napari_spoco.data.images import normalize_image
from napari_spoco.models.bioimageio import export_package
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, TrainingHistory, load_model
from napari_spoco.models.network import UNet, make_teacher
from napari_spoco.models.package_import import import_package, is_package

STANDARD = Normalization(kind="standard")


def make_model(
    ndim: int = 2, *, with_teacher: bool = False, pixel_classes: bool = False, **card: Any
) -> EmbeddingModel:
    """Make a model with random weights and running statistics, so that no mix-up goes unnoticed."""
    torch.manual_seed(0)
    norm: Norm = "batch" if ndim == 2 else "group"
    config = NetworkConfig(
        ndim=ndim, in_channels=2, embedding_dim=5, feature_maps=(12, 20), norm=norm, pixel_classes=pixel_classes
    )
    model = EmbeddingModel.create(ModelCard(network=config, **card))
    for value in model.network.state_dict().values():
        if value.is_floating_point():
            value.uniform_(0.1, 0.6) if value.ndim == 1 else value.normal_(0.0, 0.2)
    teacher = make_teacher(model.network).eval() if with_teacher else None
    if teacher is not None:
        teacher.final_conv.weight.mul_(2)
    return EmbeddingModel(model.network.eval(), model.card, teacher)


def assert_same_weights(network: torch.nn.Module | None, other: torch.nn.Module | None) -> None:
    assert network is not None
    assert other is not None
    torch.testing.assert_close(network.state_dict(), other.state_dict(), rtol=0, atol=0)


MODELS: dict[str, Callable[[], EmbeddingModel]] = {
    "2D": lambda: make_model(),
    "3D with teacher": lambda: make_model(3, with_teacher=True, normalization=STANDARD),
    "with voxel size": lambda: make_model(3, voxel_size=(0.5, 0.2, 0.2), units=("micrometer",) * 3, delta_dist=1.5),
    "unit without a word": lambda: make_model(voxel_size=(1.0, 1.0), units=("pixel", "pixel")),
    "largest percentiles": lambda: make_model(normalization=Normalization(lower=0, upper=100)),
    "with pixel classes": lambda: make_model(with_teacher=True, pixel_classes=True),
    "shipped": lambda: load_model("nuclei-small"),
}
EVERY_MODEL = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "package.zip"


def read_package(path: Path) -> tuple[dict[str, Any], zipfile.ZipFile]:
    archive = zipfile.ZipFile(path)
    return yaml.safe_load(archive.read("rdf.yaml")), archive


@EVERY_MODEL
def test_ours_come_back_bit_by_bit(make: Callable[[], EmbeddingModel], path: Path) -> None:
    model = make()
    assert export_package(model, path, name="some model") == path
    assert is_package(path)
    read = import_package(path)
    assert read.card == model.card
    assert_same_weights(read.network, model.network)
    assert not read.network.training
    assert (read.teacher is None) == (model.teacher is None)
    if read.teacher is not None:
        assert_same_weights(read.teacher, model.teacher)
        assert not any(parameter.requires_grad for parameter in read.teacher.parameters())


OFFICIAL_CHECK = """
import socket, sys

def refuse(*_, **__):
    raise OSError("the network was asked")

socket.socket.connect = socket.getaddrinfo = refuse
from {package} import {function} as check

for path in sys.argv[1:]:
    result = check(path)
    summary = getattr(result, "validation_summary", result)
    if summary.status != "{expected}":
        sys.exit(f"{{path}}: {{summary.status}}\\n{{summary.format()}}")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "function", "expected", "names"),
    [
        ("bioimageio.spec", "load_description", "valid-format", MODELS),
        ("bioimageio.core", "test_description", "passed", ["3D with teacher", "shipped"]),
    ],
    ids=["spec", "core"],
)
def test_the_official_checks_pass(
    package: str, function: str, expected: str, names: Iterable[str], tmp_path: Path
) -> None:
    try:
        version(package)
    except PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    paths = [tmp_path / f"{name}.zip" for name in names]
    options = {"name": "some model", "authors": ["A. Person"], "licence": "CC-BY-4.0", "with_torchscript": True}
    for path in paths:
        export_package(MODELS[path.stem](), path, **options)
    # In a process of its own: it leaves files open and takes long to import.
    code = OFFICIAL_CHECK.format(package=package, function=function, expected=expected)
    done = subprocess.run([sys.executable, "-c", code, *map(str, paths)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


@EVERY_MODEL
def test_others_can_run_it_with_the_package_alone(make: Callable[[], EmbeddingModel], path: Path) -> None:
    export_package(make(), path, name="some model", with_torchscript=True)
    description, archive = read_package(path)
    image, embeddings = (np.load(io.BytesIO(archive.read(f"test_{name}.npy"))) for name in ("image", "embeddings"))
    (step,) = description["inputs"][0]["preprocessing"]
    axes = tuple(range(2, image.ndim))
    assert step["kwargs"]["axes"] == list("zyx"[-len(axes) :])
    if step["id"] == "scale_range":
        percentiles = step["kwargs"]["min_percentile"], step["kwargs"]["max_percentile"]
        zero, one = np.percentile(image, percentiles, axis=axes, keepdims=True)
    else:
        zero = image.mean(axis=axes, keepdims=True)
        one = zero + image.std(axis=axes, keepdims=True)
    prepared = torch.from_numpy(((image - zero) / (one - zero)).astype(np.float32))

    weights = description["weights"]["pytorch_state_dict"]
    architecture = weights["architecture"]
    module = ModuleType("network")
    exec(compile(archive.read(architecture["source"]), "network.py", "exec"), module.__dict__)
    network = getattr(module, architecture["callable"])(**architecture["kwargs"]).eval()
    network.load_state_dict(torch.load(io.BytesIO(archive.read(weights["source"])), weights_only=True))
    with torch.no_grad():
        np.testing.assert_allclose(network(prepared), embeddings, rtol=1e-3, atol=1e-4)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_torchscript_takes_other_sizes(path: Path) -> None:
    model = make_model()
    export_package(model, path, name="some model", with_torchscript=True)
    traced = torch.jit.load(io.BytesIO(read_package(path)[1].read("weights.torchscript")))
    image = torch.randn((2, 2, 11, 26), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(traced(image), model.network(image))


def test_the_description_says_what_was_given(path: Path) -> None:
    model = make_model(history=TrainingHistory(steps=1234))
    options = {"description": "Finds cells.", "authors": ["A", "B"], "licence": "MIT"}
    export_package(model, path, name="Cells (2D)", documentation="# Cells\n\nMany.", **options)
    description, archive = read_package(path)
    assert description["name"] == "Cells (2D)"
    assert description["description"] == "Finds cells."
    assert description["authors"] == [{"name": "A"}, {"name": "B"}]
    assert description["license"] == "MIT"
    assert "arxiv.org/abs/2103.14572" in description["cite"][0]["url"]
    readme = archive.read("README.md").decode()
    assert readme.startswith("# Cells\n\nMany.")
    assert "1,234" in readme


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [("cell", "m.zip", "name: .*'cell'"), ("cells/2D", "m.zip", "name: .*'cells/2D'"), ("cells", "m.tar", "path: ")],
)
def test_what_cannot_be_exported(name: str, file: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        export_package(make_model(), tmp_path / file, name=name)
    assert not list(tmp_path.iterdir())


# Packages of others


def write_package(path: Path, description: dict[str, Any] | str, **files: bytes) -> None:
    text = description if isinstance(description, str) else yaml.safe_dump(description)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rdf.yaml", text)
        for name, data in files.items():
            archive.writestr(name.replace("__", "."), data)


def saved(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


SOURCE = b"raise RuntimeError('the code of a package was run')"
KWARGS = {"in_channels": 2, "out_channels": 5, "f_maps": [12, 20], "layer_order": "bcl", "num_groups": 4}
IN_0_5 = {
    "format_version": "0.5.3",
    "type": "model",
    "inputs": [
        {
            "id": "raw",
            "axes": [
                {"type": "batch"},
                {"type": "channel", "channel_names": ["a", "b"]},
                {"type": "space", "id": "y", "size": 64, "scale": 0.2, "unit": "micrometer"},
                {"type": "space", "id": "x", "size": 64, "scale": 0.2, "unit": "micrometer"},
            ],
            "preprocessing": [
                {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}},
                {"id": "scale_range", "kwargs": {"axes": ["y", "x"], "min_percentile": 2, "max_percentile": 99}},
            ],
        }
    ],
    "weights": {
        "pytorch_state_dict": {
            "source": "weights.pt",
            "architecture": {"source": "model.py", "callable": "UNet2D", "kwargs": KWARGS},
        }
    },
}
IN_0_4 = {
    "format_version": "0.4.10",
    "type": "model",
    "inputs": [
        {
            "name": "raw",
            "axes": "bcyx",
            "preprocessing": [
                {
                    "name": "scale_range",
                    "kwargs": {"axes": "yx", "min_percentile": 2, "max_percentile": 99, "mode": "per_sample"},
                }
            ],
        }
    ],
    "weights": {
        "torchscript": {"source": "traced.pt"},
        "pytorch_state_dict": {"source": "./weights.pt", "architecture": "model.py:UNet2D", "kwargs": KWARGS},
    },
}


def changed(description: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """Return the description with other parts of its input or its weights."""
    (image,) = description["inputs"]
    entry = description["weights"]["pytorch_state_dict"]
    return {
        **description,
        "inputs": [image | {name: part for name, part in parts.items() if name in ("preprocessing", "axes")}],
        "weights": {"pytorch_state_dict": entry | {name: part for name, part in parts.items() if name not in image}},
    }


@pytest.mark.parametrize(
    "content", [lambda w: w, lambda w: {"model_state_dict": w, "num_iterations": 9}], ids=["bare", "checkpoint"]
)
@pytest.mark.parametrize("description", [IN_0_5, IN_0_4], ids=["0.5", "0.4"])
def test_packages_of_others(
    description: dict[str, Any], content: Callable[[Any], Any], path: Path, rng: np.random.Generator
) -> None:
    network = make_model().network
    write_package(path, description, weights__pt=saved(content(network.state_dict())), model__py=SOURCE)
    model = import_package(path)
    assert_same_weights(model.network, network)
    assert model.config.activation == "leaky_relu"
    assert model.config.groups == 4
    image = rng.gamma(2.0, 50.0, (2, 32, 32))
    zero, one = np.percentile(image, (2, 99), axis=(1, 2), keepdims=True)
    prepared = normalize_image(image, model.card.normalization)
    np.testing.assert_allclose(prepared, (image - zero) / (one - zero), atol=1e-5)
    assert model.card.voxel_size == ((0.2, 0.2) if description is IN_0_5 else None)


def test_arguments_stand_over_the_description(path: Path) -> None:
    description = changed(IN_0_5, preprocessing=[{"id": "sigmoid"}])
    write_package(path, description, weights__pt=saved(make_model().network.state_dict()))
    model = import_package(path, groups=2, activation="elu", normalization=STANDARD)
    assert model.config.groups == 2
    assert model.config.activation == "elu"
    assert model.card.normalization == STANDARD


def test_z_scores(path: Path) -> None:
    description = changed(IN_0_5, preprocessing=[{"id": "zero_mean_unit_variance", "kwargs": {"axes": ["y", "x"]}}])
    write_package(path, description, weights__pt=saved(make_model().network.state_dict()))
    assert import_package(path).card.normalization == STANDARD


WEIGHTS = {"weights__pt": saved(make_model().network.state_dict())}
RESIDUAL = {
    "weights__pt": saved(
        {"encoders.0.basic_module.conv1.conv.weight": torch.zeros(2), "final_conv.weight": torch.zeros(5, 12, 1, 1)}
    )
}


@pytest.mark.parametrize(
    ("description", "files", "message"),
    [
        pytest.param("a: [", WEIGHTS, "is no YAML", id="no YAML"),
        pytest.param("[]", WEIGHTS, "description of a model", id="a list"),
        pytest.param({"type": "dataset"}, WEIGHTS, "description of a model", id="a data set"),
        pytest.param(
            {**IN_0_5, "weights": {"onnx": {}, "torchscript": {}}},
            WEIGHTS,
            "pytorch_state_dict .*got onnx, torchscript",
            id="other weights",
        ),
        pytest.param({"type": "model"}, WEIGHTS, "pytorch_state_dict .*no weights", id="nothing in it"),
        pytest.param(
            changed(IN_0_5, source="https://a.org/w.pt"),
            WEIGHTS,
            "inside of .*https://a.org/w.pt",
            id="weights elsewhere",
        ),
        pytest.param(changed(IN_0_5, source="../w.pt"), WEIGHTS, r"inside of .*\.\./w.pt", id="weights outside"),
        pytest.param(
            IN_0_5, {"weights__pt": b"no weights"}, r"package.zip \(weights.pt\) is truncated", id="damaged weights"
        ),
        pytest.param(IN_0_5, RESIDUAL, r"package.zip \(weights.pt\), got one with residual", id="another network"),
        pytest.param({**IN_0_5, "inputs": IN_0_5["inputs"] * 2}, WEIGHTS, "a model of one image", id="two images"),
        pytest.param(changed(IN_0_5, preprocessing=[]), WEIGHTS, "got none; state the normalization", id="as it is"),
        pytest.param(
            changed(IN_0_5, preprocessing=[{"id": "scale_range"}, {"id": "clip"}]),
            WEIGHTS,
            "got scale_range, clip",
            id="clipped",
        ),
        pytest.param(
            changed(IN_0_5, preprocessing=[{"id": "scale_range"}]),
            WEIGHTS,
            "scale_range over all channels",
            id="channels together",
        ),
        pytest.param(
            changed(IN_0_5, architecture={"kwargs": {"layer_order": "bc"}}),
            WEIGHTS,
            "layer_order .*'bc'",
            id="no activation",
        ),
        pytest.param(
            changed(IN_0_5, architecture={"kwargs": {"num_groups": "8"}}),
            WEIGHTS,
            "num_groups .*'8'",
            id="groups in letters",
        ),
    ],
)
def test_what_cannot_be_imported(description: Any, files: dict[str, bytes], message: str, path: Path) -> None:
    write_package(path, description, **files)
    with pytest.raises(ValueError, match=message):
        import_package(path)


@pytest.mark.parametrize("what", ["card", "weights", "teacher"])
def test_damaged_packages_of_ours(what: str, path: Path) -> None:
    export_package(make_model(with_teacher=True), path, name="some model")
    description, archive = read_package(path)
    files = {name: archive.read(name) for name in archive.namelist() if name != "rdf.yaml"}
    if what == "card":
        description["config"]["napari_spoco"]["card"]["delta_var"] = -1
    else:
        files[f"{what}.pt"] = saved(UNet(NetworkConfig()).state_dict())
    write_package(path, description, **files)
    with pytest.raises(ValueError, match=f"path: .*{what}"):
        import_package(path)


@pytest.mark.parametrize("kind", ["text", "weights", "nothing", "folder", "truncated"])
def test_what_is_no_package(kind: str, tmp_path: Path, path: Path) -> None:
    if kind == "text":
        path.write_text("no zip")
    elif kind == "weights":
        path.write_bytes(WEIGHTS["weights__pt"])
    elif kind == "truncated":
        export_package(make_model(), path, name="some model")
        path.write_bytes(path.read_bytes()[:-100])
    elif kind == "folder":
        path = tmp_path
    assert not is_package(path)
    with pytest.raises(FileNotFoundError if kind in ("nothing", "folder") else ValueError, match="path: "):
        import_package(path)
