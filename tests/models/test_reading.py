"""Files of models of every kind, read by one function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_spoco.config import NetworkConfig
from napari_spoco.models.bioimageio import export_package
from napari_spoco.models.checkpoint import EmbeddingModel, ModelCard, save_model
from napari_spoco.models.reading import describe_missing, find_kind, read_model


def make_model(**card: object) -> EmbeddingModel:
    network = NetworkConfig(feature_maps=(8, 16), embedding_dim=2, norm="group", groups=8)
    return EmbeddingModel.create(ModelCard(network=network, **card), seed=0)


def write_bare(model: EmbeddingModel, path: Path) -> None:
    torch.save(model.network.state_dict(), path)


WRITERS: dict[str, tuple[str, str, Callable[[EmbeddingModel, Path], object]]] = {
    "ours": ("model.safetensors", "model", save_model),
    "ours, called otherwise": ("model.bin", "model", save_model),
    "package": ("package.zip", "package", lambda model, path: export_package(model, path, name="some cells")),
    "checkpoint": ("last.pytorch", "checkpoint", write_bare),
    "bare safetensors": ("bare.safetensors", "checkpoint", lambda m, path: save_file(m.network.state_dict(), path)),
}


@pytest.mark.parametrize(("name", "kind", "write"), WRITERS.values(), ids=WRITERS)
def test_every_kind_gives_the_network(name: str, kind: str, write: Callable, tmp_path: Path) -> None:
    model, path = make_model(), tmp_path / name
    write(model, path)
    assert find_kind(path) == kind
    read = read_model(path).network.state_dict()
    for parameter, value in model.network.state_dict().items():
        torch.testing.assert_close(read[parameter], value, rtol=0, atol=0)


def test_names_and_folders_are_those_of_our_models(tmp_path: Path) -> None:
    save_model(make_model(), tmp_path / "last.safetensors")
    assert read_model(tmp_path).card == make_model().card
    assert read_model("nuclei-small").card.history.steps > 1000
    with pytest.raises(FileNotFoundError, match=r"no model file at .*none\.zip"):
        read_model(tmp_path / "none.zip")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        pytest.param("a.safetensors", b"model", "truncated or not a model file", id="ours"),
        pytest.param("a.zip", b"PK", "truncated or no zip file", id="package"),
        pytest.param("a.pytorch", b"model", "truncated or not a file of weights", id="checkpoint"),
    ],
)
def test_what_is_no_model_is_refused_as_what_it_is_called(name, content, sentence, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        read_model(tmp_path / name)


@pytest.mark.parametrize("name", ["spoco_unet2d_bcr", "p3d_unet3d_gcr"])
def test_files_of_others_give_their_embeddings(name: str, shared: Path) -> None:
    folder = shared / "golden" / "checkpoints"
    arrays = np.load(folder / "io.npz")
    with torch.no_grad():
        found = read_model(folder / f"{name}.pytorch").network(torch.from_numpy(arrays[f"{name}__input0"]))
    expected = arrays.get(f"{name}__out_f0")
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-5)


def test_what_a_file_does_not_tell_is_said() -> None:
    size = {"voxel_size": (0.5, 0.5), "units": ("micrometer", "micrometer")}
    unknown, known = make_model().card, make_model(**size).card
    assert describe_missing("model", unknown) == ""
    assert describe_missing("package", known) == ""
    assert "the voxel size that it was trained at" in describe_missing("package", unknown)
    said = describe_missing("checkpoint", unknown)
    assert "the voxel size that it was trained at" in said
    assert "groups and activation of the network (taken: 8 and relu); `napari-spoco import` makes" in said
