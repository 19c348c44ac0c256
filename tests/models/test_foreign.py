"""Weights that others wrote: every layout of theirs gives their embeddings, and nothing in a file is ever run."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_spoco.config import Activation, NetworkConfig, Norm, Normalization
from napari_spoco.data.images import normalize_image
from napari_spoco.models.checkpoint import load_model, save_model
from napari_spoco.models.foreign import import_checkpoint
from napari_spoco.models.network import UNet, make_teacher

Weights = dict[str, torch.Tensor]


class Layout(NamedTuple):
    """Prefixes of student and teacher, and of the network where there is no teacher; what lies beside the weights."""

    student: str
    teacher: str
    alone: str
    beside: dict[str, Any] | None


OPTIMIZER = {"state": {0: {"step": 3, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 2e-4, "params": [0]}]}
NOW = {"epoch": 2, "num_iterations": 70, "best_validation_loss": 0.5, "optimizer": OPTIMIZER}
OF_2021 = {
    "epoch": 2,
    "num_iterations": 70,
    "best_eval_score": 0.5,
    "optimizer_state_dict": OPTIMIZER,
    "device": "cuda",
}
OF_3DUNET = {"num_epochs": 2, "num_iterations": 70, "best_eval_score": 0.5, "optimizer_state_dict": OPTIMIZER}
LAYOUTS = {
    "authors now": Layout("module.net_f.", "module.net_g.", "module.", NOW),
    "authors 2021": Layout("unet_q.", "unet_k.", "", OF_2021),
    "authors 2021, parallel": Layout("module.unet_q.", "module.unet_k.", "module.", OF_2021),
    "pytorch-3dunet": Layout("net_f.", "net_g.", "", OF_3DUNET),
    "bare": Layout("net_f.", "net_g.", "", None),
    "bare, parallel twice": Layout("module.module.unet_q.", "module.module.unet_k.", "module.module.", None),
}


def make_network(ndim: int = 2, norm: Norm = "batch", activation: Activation = "relu", seed: int = 0) -> UNet:
    """Make a network with random weights and running statistics, so that no mix-up goes unnoticed."""
    torch.manual_seed(seed)
    config = NetworkConfig(
        ndim=ndim, in_channels=3, embedding_dim=5, feature_maps=(8, 16, 24), norm=norm, groups=4, activation=activation
    )
    network = UNet(config)
    for value in network.state_dict().values():
        if value.is_floating_point():
            value.uniform_(0.1, 0.6) if value.ndim == 1 else value.normal_(0.0, 0.2)
    return network.eval()


def embed(network: torch.nn.Module, ndim: int = 2) -> torch.Tensor:
    image = torch.randn((1, 3, 9, 13, 8)[: ndim + 2], generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return network(image)


def renamed(network: torch.nn.Module, prefix: str) -> Weights:
    return {prefix + name: value for name, value in network.state_dict().items()}


def checkpoint(weights: Weights) -> dict[str, Any]:
    return {**OF_3DUNET, "model_state_dict": weights}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "last_checkpoint.pytorch"


@pytest.mark.parametrize("with_teacher", [True, False], ids=["teacher", "alone"])
@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout(layout: Layout, ndim: int, norm: Norm, with_teacher: bool, path: Path) -> None:
    network, other = make_network(ndim, norm), make_network(ndim, norm, seed=7)
    weights = renamed(network, layout.student if with_teacher else layout.alone)
    if with_teacher:
        weights |= renamed(other, layout.teacher)
    torch.save(weights if layout.beside is None else {**layout.beside, "model_state_dict": weights}, path)

    model = import_checkpoint(path, groups=4)

    torch.testing.assert_close(embed(model.network, ndim), embed(network, ndim), rtol=0, atol=0)
    assert model.config == network.config.model_copy(update={"groups": 4})
    assert model.card.history.steps == (0 if layout.beside is None else 70)
    assert (model.teacher is not None) == with_teacher
    if model.teacher is not None:
        torch.testing.assert_close(embed(model.teacher, ndim), embed(other, ndim), rtol=0, atol=0)
        assert not any(parameter.requires_grad for parameter in model.teacher.parameters())


def test_images_are_standardized_as_others_do(path: Path, rng: np.random.Generator) -> None:
    torch.save(UNet(NetworkConfig(feature_maps=(8, 16), norm="batch")).state_dict(), path)
    image = rng.gamma(2.0, 50.0, (1, 32, 32))
    ours = normalize_image(image, import_checkpoint(path).card.normalization)
    np.testing.assert_allclose(ours, (image - image.mean()) / image.std(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("name", ["spoco_unet2d_bcr", "p3d_unet3d_gcr"])
def test_files_of_others_give_their_embeddings(name: str, index: int, shared: Path) -> None:
    folder = shared / "golden" / "checkpoints"
    arrays = np.load(folder / "io.npz")
    model = import_checkpoint(folder / f"{name}.pytorch")
    image = torch.from_numpy(arrays[f"{name}__input{index}"])
    networks = {"f": model.network} | ({"g": model.teacher} if model.teacher is not None else {})
    assert ("g" in networks) == (f"{name}__out_g{index}" in arrays)
    for letter, network in networks.items():
        with torch.no_grad():
            embeddings = network(image).numpy()
        np.testing.assert_allclose(embeddings, arrays[f"{name}__out_{letter}{index}"], atol=1e-5)


def test_arguments_state_what_shapes_do_not(path: Path) -> None:
    network = make_network(norm="group", activation="elu")
    torch.save(checkpoint(network.state_dict()), path)
    normalization = Normalization(lower=0.5, upper=99.5)
    model = import_checkpoint(path, groups=4, activation="elu", normalization=normalization)
    torch.testing.assert_close(embed(model.network), embed(network), rtol=0, atol=0)
    assert model.card.normalization == normalization
    assert not torch.allclose(embed(import_checkpoint(path, groups=4).network), embed(network))
    assert not torch.allclose(embed(import_checkpoint(path, activation="elu").network), embed(network))


def test_an_imported_model_becomes_a_model_file(tmp_path: Path, path: Path) -> None:
    torch.save(renamed(make_network(), "net_f.") | renamed(make_network(seed=7), "net_g."), path)
    model = import_checkpoint(path)
    read = load_model(save_model(model, tmp_path / "model.safetensors"))
    assert read.card == model.card
    assert read.teacher is not None
    assert model.teacher is not None
    torch.testing.assert_close(embed(read.teacher), embed(model.teacher), rtol=0, atol=0)


def test_state_dict_in_safetensors(tmp_path: Path) -> None:
    network = make_network()
    save_file(renamed(network, "module."), tmp_path / "weights.safetensors")
    model = import_checkpoint(tmp_path / "weights.safetensors")
    torch.testing.assert_close(embed(model.network), embed(network), rtol=0, atol=0)


def test_old_batch_norm_without_a_count_of_batches(path: Path) -> None:
    network = make_network()
    weights = {name: value for name, value in network.state_dict().items() if "num_batches" not in name}
    torch.save(checkpoint(weights), path)
    torch.testing.assert_close(embed(import_checkpoint(path).network), embed(network), rtol=0, atol=0)


# Files in which others saved more than weights


def rename_numpy(path: Path, is_zip: bool) -> None:
    """Name NumPy's functions as NumPy 1 did."""
    new, old = b"numpy._core.multiarray", b"numpy.core.multiarray"
    if not is_zip:
        path.write_bytes(path.read_bytes().replace(new, old))
        return
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, record in records.items():
            archive.writestr(name, record.replace(new, old))


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("numpy", [1, 2])
@pytest.mark.parametrize(
    "beside", [np.float64(0.25), np.float32(0.25), np.int64(3), np.bool_(True), np.arange(3.0)], ids=repr
)
def test_numpy_beside_the_weights(beside: Any, numpy: int, is_zip: bool, path: Path) -> None:
    network = make_network()
    content = {**checkpoint(network.state_dict()), "best_eval_score": beside}
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    if numpy == 1:
        rename_numpy(path, is_zip)
    with pytest.raises(pickle.UnpicklingError, match=f"numpy.{'core' if numpy == 1 else '_core'}.multiarray"):
        torch.load(path, weights_only=True)

    model = import_checkpoint(path)

    torch.testing.assert_close(embed(model.network), embed(network), rtol=0, atol=0)
    assert model.card.history.steps == 70
    allowed = torch.serialization.get_safe_globals()
    assert not [found for found in allowed if str(getattr(found, "__module__", "")).startswith("numpy")]


class Hostile:
    """Creates a file when it is unpickled without care."""

    def __init__(self, target: Path, function: Any) -> None:
        self.target = target
        self.function = function

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.function, ((str(self.target), "w") if self.function is open else (str(self.target),))


@pytest.mark.parametrize("place", ["model_state_dict", "best_eval_score"])
@pytest.mark.parametrize("function", [os.mkdir, open, np.save], ids=["os", "builtins", "numpy"])
@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
def test_a_hostile_file_is_refused(tmp_path: Path, path: Path, is_zip: bool, function: Any, place: str) -> None:
    target = tmp_path / "created"
    content = {**checkpoint(make_network().state_dict()), place: Hostile(target, function)}
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(ValueError, match=r"asks for code to be run \([\w.]+\) and is refused"):
        import_checkpoint(path)
    assert not target.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_hostile_pickle_that_torch_did_not_write(tmp_path: Path, path: Path, protocol: int) -> None:
    path.write_bytes(pickle.dumps(Hostile(tmp_path / "created", os.mkdir), protocol=protocol))
    with pytest.raises(ValueError, match=r"asks for code to be run|not a file of weights"):
        import_checkpoint(path)
    assert not (tmp_path / "created").exists()


def test_a_hostile_name_in_numpys_module_is_refused(path: Path) -> None:
    torch.save({**checkpoint(make_network().state_dict()), "best_eval_score": np.float64(1)}, path)
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, record in records.items():
            archive.writestr(
                name, record.replace(b"numpy._core.multiarray\nscalar", b"numpy._core.multiarray\nfromfile")
            )
    with pytest.raises(ValueError, match=r"code to be run \(numpy._core.multiarray.fromfile\)"):
        import_checkpoint(path)


def test_a_whole_pickled_network_is_refused(path: Path) -> None:
    torch.save(make_network(), path)
    with pytest.raises(ValueError, match=r"code to be run \(napari_spoco.models.network.UNet\)"):
        import_checkpoint(path)


# Files that cannot be read


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"path: there is no file at .*nothing\.pytorch"):
        import_checkpoint(tmp_path / "nothing.pytorch")


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("kept", [0.0, 0.001, 0.1, 0.5, 0.99])
def test_truncated_file(path: Path, kept: float, is_zip: bool) -> None:
    torch.save(checkpoint(make_network().state_dict()), path, _use_new_zipfile_serialization=is_zip)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(ValueError, match=r"last_checkpoint.pytorch is truncated or not a file of weights"):
        import_checkpoint(path)


@pytest.mark.parametrize("suffix", [".pytorch", ".safetensors"])
@pytest.mark.parametrize("data", [b"", b"II*\0 a picture", b"\x80\x02}q\x00.", b"PK\x03\x04 an archive"], ids=repr)
def test_a_file_of_another_kind(tmp_path: Path, data: bytes, suffix: str) -> None:
    path = tmp_path / f"file{suffix}"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"path: .*file\.\w+ is truncated or not a file of weights"):
        import_checkpoint(path)


def test_a_torchscript_archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/constants.pkl", b"\x80\x02).")
        archive.writestr("net/data.pkl", b"\x80\x02).")
        archive.writestr("net/version", b"3\n")
    with pytest.raises(ValueError, match="not a file of weights"):
        import_checkpoint(path)


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
def test_damaged_bytes_are_a_value_error_or_harmless(path: Path, is_zip: bool, rng: np.random.Generator) -> None:
    torch.save(checkpoint(make_network().state_dict()), path, _use_new_zipfile_serialization=is_zip)
    data = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(40):
        damaged = data.copy()
        damaged[rng.integers(0, min(6000, data.size), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(damaged.tobytes())
        try:
            import_checkpoint(path)
        except ValueError as error:
            assert "path: " in str(error)


# Files of weights that are not ours


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param([1, 2], r"expected a checkpoint or a state dict in .*, got a list", id="list"),
        pytest.param({}, r"encoders\.0.* got nothing", id="empty"),
        pytest.param({"epoch": 1, "weights": {}}, r"expected model_state_dict.* got epoch, weights", id="no weights"),
        pytest.param({"model_state_dict": [1]}, r"expected model_state_dict", id="list of weights"),
        pytest.param({"model_state_dict": {"a": 1.0}}, r"expected model_state_dict", id="numbers"),
        pytest.param(
            {f"layer{i}.weight": torch.zeros(1) for i in range(7)},
            r"got layer0\.weight, .*, layer4\.weight and 2 more",
            id="another network",
        ),
        pytest.param({"net_g.final_conv.weight": torch.zeros(1)}, r"got net_g\.final_conv", id="teacher alone"),
        pytest.param({"final_conv.weight": torch.zeros(5, 8, 1, 1)}, r"encoders\.0.* got final_conv", id="end only"),
    ],
)
def test_unknown_layout(path: Path, content: Any, message: str) -> None:
    torch.save(content, path)
    with pytest.raises(ValueError, match=r"path: .*" + message):
        import_checkpoint(path)


FIRST = "encoders.0.basic_module.SingleConv1"
DECODER = "decoders.0.basic_module.SingleConv1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"encoders.0.basic_module.conv2.conv.weight": (8, 8, 3, 3)}, "residual blocks", id="residual"),
        pytest.param({"decoders.0.conv1x1.conv.weight": (8, 16, 1, 1)}, "residual blocks", id="residual, authors"),
        pytest.param({"encoders.1.basic_module.se_module.cSE.fc1.weight": (8, 8)}, "squeeze-and-excitation", id="SE"),
        pytest.param(
            {"decoders.0.upsampling.upsample.conv_transposed.weight": (16, 8, 3, 3)}, "upsampling", id="deconv"
        ),
        pytest.param({"decoders.0.upsample.weight": (16, 8, 3, 3)}, "learned upsampling", id="deconv, old"),
        pytest.param({f"{FIRST}.conv.bias": (4,)}, "convolutions with a bias", id="bias"),
        pytest.param({f"{DECODER}.batchnorm.weight": (16,)}, r"behind it .*decoders\.0", id="norm behind"),
        pytest.param({f"{FIRST}.conv.weight": (4, 3, 5, 5)}, r"shape \(3, 3\) in .* got \(5, 5\)", id="kernel"),
        pytest.param({f"{FIRST}.conv.weight": (4, 3, 1, 3, 3)}, r"got \(1, 3, 3\)", id="planes in 3D"),
        pytest.param({f"{FIRST}.conv.weight": ()}, r"got \(\)", id="number"),
        pytest.param({"final_conv.weight": (1, 8, 1, 1)}, "at least 2 output channels", id="one output"),
        pytest.param({"final_conv.weight": (5, 8)}, r"got weights of shape \(5, 8\)", id="linear"),
        pytest.param({f"{FIRST}.conv.weight": (8, 3, 3, 3)}, "do not fit", id="width"),
        pytest.param({f"{FIRST}.batchnorm.weight": ()}, "do not fit", id="norm of another shape"),
        pytest.param({"final_conv.bias": None}, r"do not fit .*Missing key.*final_conv\.bias", id="missing"),
        pytest.param({f"{FIRST}.batchnorm.weight": None}, "do not fit", id="norm missing"),
        pytest.param({f"{FIRST}.conv.weight": None}, r"expected weights named encoders\.0", id="first missing"),
        pytest.param(
            {"encoders.1.basic_module.SingleConv2.conv.weight": None}, "expected weights named", id="one level"
        ),
        pytest.param({"head.weight": (3,)}, r"do not fit .*Unexpected key.*head", id="more"),
    ],
)
def test_networks_of_other_kinds(path: Path, changes: dict[str, tuple[int, ...] | None], message: str) -> None:
    weights = {**make_network().state_dict()}
    for name, shape in changes.items():
        if shape is None:
            del weights[name]
        else:
            weights[name] = torch.zeros(shape)
    torch.save(checkpoint(weights), path)
    with pytest.raises(ValueError, match=f"path: .*{message}"):
        import_checkpoint(path)


def test_a_group_norm_of_another_shape(path: Path) -> None:
    torch.save(
        checkpoint({**make_network(norm="group").state_dict(), f"{FIRST}.groupnorm.weight": torch.zeros(())}), path
    )
    with pytest.raises(ValueError, match="do not fit"):
        import_checkpoint(path, groups=4)


def test_a_teacher_that_does_not_fit(path: Path) -> None:
    teacher = make_teacher(UNet(NetworkConfig(in_channels=3, embedding_dim=5, feature_maps=(8, 16))))
    torch.save(renamed(make_network(), "net_f.") | renamed(teacher, "net_g."), path)
    with pytest.raises(ValueError, match="do not fit"):
        import_checkpoint(path)


def test_groups_that_do_not_divide_the_maps(path: Path) -> None:
    torch.save(checkpoint(make_network(norm="group").state_dict()), path)
    with pytest.raises(ValueError, match=r"groups: expected a divisor .*, got 5 for 8 maps"):
        import_checkpoint(path, groups=5)


@pytest.mark.parametrize("wrong", [{"groups": 0}, {"activation": "sine"}], ids=str)
def test_wrong_arguments(path: Path, wrong: dict[str, Any]) -> None:
    torch.save(checkpoint(make_network().state_dict()), path)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        import_checkpoint(path, **wrong)
