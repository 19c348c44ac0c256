"""The U-Net against embeddings of checkpoints that others wrote, and the teacher's average."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_spoco.config import NetworkConfig
from napari_spoco.models.network import UNet, make_teacher, update_teacher

FOREIGN = {
    "spoco_unet2d_bcr": (
        NetworkConfig(ndim=2, in_channels=3, embedding_dim=8, feature_maps=(4, 8, 16)),
        "module.net_f.",
    ),
    "p3d_unet3d_gcr": (NetworkConfig(ndim=3, embedding_dim=8, feature_maps=(8, 16), norm="group"), ""),
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("index", [0, 1])
def test_weights_of_others_give_their_embeddings(name: str, index: int, shared: Path) -> None:
    folder = shared / "golden" / "checkpoints"
    config, prefix = FOREIGN[name]
    weights = torch.load(folder / f"{name}.pytorch", weights_only=True)["model_state_dict"]
    network = UNet(config).eval()
    network.load_state_dict({k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)})
    arrays = np.load(folder / "io.npz")
    with torch.no_grad():
        embeddings = network(torch.from_numpy(arrays[f"{name}__input{index}"])).numpy()
    np.testing.assert_allclose(embeddings, arrays[f"{name}__out_f{index}"], atol=1e-5)


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("shape", [(16, 16), (17, 31), (8, 16, 8), (9, 8, 13)], ids=str)
def test_any_size_from_the_stride_up_is_embedded(norm: str, shape: tuple[int, ...]) -> None:
    config = NetworkConfig(ndim=len(shape), in_channels=2, embedding_dim=5, feature_maps=(4, 8, 12, 16), norm=norm)
    embeddings = UNet(config)(torch.rand(2, 2, *shape))
    assert embeddings.shape == (2, 5, *shape)
    assert config.stride == 8


def test_parameter_names_are_those_of_the_released_code(shared: Path) -> None:
    described = json.loads((shared / "golden" / "checkpoints" / "checkpoints.json").read_text())["p3d_unet3d_gcr"]
    names = list(UNet(FOREIGN["p3d_unet3d_gcr"][0]).state_dict())
    assert names[:8] == described["first_keys"]
    assert names[-2:] == described["last_keys"]
    assert len(names) == described["n_model_keys"]


def test_teacher_is_a_moving_average_that_takes_no_gradient() -> None:
    student = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(student.weight, 1.0)
    teacher = make_teacher(student)
    course = []
    for value in (1.0, 0.8, 0.5, 0.9):
        torch.nn.init.constant_(student.weight, value)
        update_teacher(teacher, student, 0.9)
        course.append(teacher.weight.item())
    assert course == pytest.approx([1.0, 0.98, 0.932, 0.9288])
    assert not teacher.weight.requires_grad


def test_running_statistics_stay_the_teachers_own() -> None:
    student = UNet(NetworkConfig(feature_maps=(4, 8)))
    teacher = make_teacher(student)
    student(torch.rand(2, 1, 8, 8) + 5)
    update_teacher(teacher, student, 0.0)
    name = "encoders.0.basic_module.SingleConv1.batchnorm.running_mean"
    assert teacher.state_dict()[name].item() == 0.0
    assert student.state_dict()[name].item() > 0.1


def test_teacher_that_is_not_run_takes_the_students_statistics() -> None:
    student = UNet(NetworkConfig(feature_maps=(4, 8)))
    teacher = make_teacher(student)
    student(torch.rand(2, 1, 8, 8) + 5)
    update_teacher(teacher, student, 0.9, has_run=False)
    for name, value in student.state_dict().items():
        if "running" in name:
            torch.testing.assert_close(teacher.state_dict()[name], value)
