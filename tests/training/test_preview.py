"""The live preview: of what is on show, limited in size, at the right place, and within its share of the time."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from napari_spoco.config import NetworkConfig, TrainingConfig
from napari_spoco.training.inputs import prepare_images
from napari_spoco.training.preview import PreviewClock, Previewer, frame
from napari_spoco.training.process import TrainingProcess, TrainingRequest, ViewUpdate, _take_updates
from napari_spoco.training.reports import Network, Preview, StepReport, TrainingStarted
from napari_spoco.training.scale import choose_scale
from napari_spoco.training.trainer import Trainer

if TYPE_CHECKING:
    from pathlib import Path

    Box = tuple[slice, ...]

STRIDE = 4


def box_of(*bounds: tuple[int, int]) -> Box:
    return tuple(slice(*pair) for pair in bounds)


def bounds_of(box: Box) -> list[tuple[int, int]]:
    return [(part.start, part.stop) for part in box]


@pytest.mark.parametrize(
    ("asked", "plane_axis", "shape", "box", "shown"),
    [
        pytest.param(
            [(0, 512), (0, 512)], None, (512, 512), [(0, 512), (0, 512)], [(0, 512), (0, 512)], id="a plane, all of it"
        ),
        pytest.param(
            [(0, 2048), (0, 2048)],
            None,
            (2048, 2048),
            [(768, 1280), (768, 1280)],
            [(0, 512), (0, 512)],
            id="zoomed out: the middle",
        ),
        pytest.param(
            [(10, 138), (0, 2048)],
            None,
            (2048, 2048),
            [(10, 138), (0, 2048)],
            [(0, 128), (0, 2048)],
            id="long and narrow",
        ),
        pytest.param(
            [(100, 104), (0, 3)],
            None,
            (512, 512),
            [(70, 134), (0, 64)],
            [(0, 64), (0, 64)],
            id="zoomed in: with surroundings",
        ),
        pytest.param(
            [(30, 31), (0, 100), (0, 100)],
            0,
            (40, 100, 100),
            [(22, 38), (0, 100), (0, 100)],
            [(8, 9), (0, 100), (0, 100)],
            id="a stack",
        ),
        pytest.param(
            [(39, 40), (0, 100), (0, 100)],
            0,
            (40, 100, 100),
            [(24, 40), (0, 100), (0, 100)],
            [(15, 16), (0, 100), (0, 100)],
            id="its last plane",
        ),
        pytest.param(
            [(0, 40), (50, 51), (0, 640)],
            1,
            (40, 100, 640),
            [(0, 40), (42, 58), (0, 640)],
            [(0, 40), (8, 9), (0, 640)],
            id="from the side",
        ),
        pytest.param(
            [(0, 3), (0, 100), (0, 100)],
            0,
            (3, 100, 100),
            [(0, 3), (0, 100), (0, 100)],
            [(1, 2), (0, 100), (0, 100)],
            id="a thin stack in 3D",
        ),
    ],
)
def test_what_is_embedded_and_shown(asked, plane_axis, shape, box, shown) -> None:
    found = frame(box_of(*asked), plane_axis, shape, STRIDE)
    assert [bounds_of(part) for part in found] == [box, shown]


class Coordinates(nn.Module):
    """Embeds a pixel as its own intensities, and remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.shapes.append(tuple(image.shape[2:]))
        return image * self.weight


def ramps(shape: tuple[int, ...]) -> np.ndarray:
    """Return an image (C, *spatial) whose channels are the coordinates."""
    return np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")).astype(np.float32)


def previewer_of(shape: tuple[int, ...], *more: tuple[int, ...], voxel_size=None, **scale) -> Previewer:
    config = TrainingConfig()
    shapes = (shape, *more)
    labels = []
    for one in shapes:
        painted = np.zeros(one, np.int32)
        painted[(slice(2, 12),) * len(one)] = 1
        labels.append(painted)
    given = [voxel_size] * len(shapes)
    images = prepare_images(
        [ramps(one) for one in shapes],
        labels,
        config.normalization,
        config=config.annotations,
        dense=False,
        scale=choose_scale(given, **scale),
    )
    ndim = len(shape)
    network = NetworkConfig(ndim=ndim, in_channels=ndim, feature_maps=(2, 4), embedding_dim=ndim)
    return Previewer(images, network, 0.0)


def test_before_it_is_known_what_is_on_show_it_is_around_the_annotations() -> None:
    shown = previewer_of((800, 800)).make(Coordinates(), 7)
    assert (shown.step, shown.image_index, shown.start, shown.rgb.shape) == (7, 0, (0, 0), (512, 512, 3))


def test_the_next_preview_is_of_what_is_on_show() -> None:
    previewer, network = previewer_of((300, 300), (300, 200)), Coordinates()
    previewer.look_at(1, box_of((100, 200), (50, 150)))
    shown = previewer.make(network, 1)
    assert (shown.image_index, shown.start, shown.rgb.shape) == (1, (100, 50), (100, 100, 3))
    previewer.look_at(0, box_of((120, 220), (50, 150)))
    moved = previewer.make(network, 2)
    assert (moved.image_index, moved.start) == (0, (120, 50))


@pytest.mark.parametrize(
    ("box", "start", "shape"),
    [
        pytest.param([(30, 31), (0, 100), (20, 90)], (30, 0, 20), (1, 100, 70), id="a plane"),
        pytest.param([(0, 40), (50, 51), (0, 100)], (0, 50, 0), (40, 1, 100), id="from the side"),
        pytest.param([(0, 40), (0, 100), (0, 100)], (20, 0, 0), (1, 100, 100), id="all, in 3D: the middle plane"),
    ],
)
def test_of_a_stack_one_plane_is_shown(box, start, shape) -> None:
    previewer, network = previewer_of((40, 100, 100)), Coordinates()
    previewer.look_at(0, box_of(*box))
    shown = previewer.make(network, 1)
    assert (shown.start, shown.rgb.shape) == (start, (*shape, 3))
    assert min(network.shapes[0]) == 16  # its neighbours are embedded with it


def test_what_is_shown_is_the_plane_that_was_asked_for() -> None:
    previewer = previewer_of((40, 100, 100))
    previewer.look_at(0, box_of((30, 31), (0, 100), (0, 100)))
    rgb = previewer.make(Coordinates(), 1).rgb[0].astype(int)
    # Of the coordinates only two vary within a plane: the third colour is that of no variation.
    assert (np.ptp(rgb, axis=(0, 1)) > 200).sum() == 2


@pytest.mark.parametrize("factor", [0.5, 2.0], ids=["finer", "coarser"])
def test_where_the_image_is_resampled_the_picture_is_on_the_users_pixels(factor) -> None:
    micrometers = ("micrometer",) * 2
    previewer = previewer_of((300, 300), voxel_size=((1.0, 1.0), micrometers), wanted=(factor, factor))
    previewer.look_at(0, box_of((100, 230), (40, 170)))
    shown = previewer.make(network := Coordinates(), 1)
    assert network.shapes[0][0] == pytest.approx(130 / factor, abs=1)
    assert (shown.start, shown.rgb.shape) == ((100, 40), (130, 130, 3))


@pytest.mark.parametrize(
    ("index", "box", "name"),
    [
        pytest.param(1, [(0, 9), (0, 9)], "image_index", id="no such image"),
        pytest.param(0, [(0, 9)], "box", id="other axes"),
        pytest.param(0, [(0, 9), (0, 400)], "box", id="outside"),
        pytest.param(0, [(0, 9), (5, 5)], "box", id="empty"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(index, box, name) -> None:
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        previewer_of((300, 300)).look_at(index, box_of(*box))


class Watch:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize(
    ("least", "costs"),
    [
        pytest.param(0.0, [1.0] * 50, id="as often as possible"),
        pytest.param(5.0, [0.01] * 50, id="cheap"),
        pytest.param(5.0, [3.0] * 20, id="slow"),
        pytest.param(5.0, [0.1] * 20 + [4.0] * 20, id="slower after a while"),
    ],
)
def test_previews_take_no_more_than_their_share(least, costs) -> None:
    clock = PreviewClock(least, now=(watch := Watch()))
    began = watch.seconds
    assert clock.is_due() == (least == 0)
    spent, earliest = 0.0, began + least
    for cost in costs:
        while not clock.is_due():
            watch.seconds += 0.05  # a step of the training
        assert watch.seconds >= earliest - 1e-6
        watch.seconds += cost
        clock.note(cost)
        spent, earliest = spent + cost, watch.seconds + max(least, 20 * cost)
    assert spent <= 0.05 * (watch.seconds - began) + max(costs)
    while not clock.is_due():
        watch.seconds += 0.05
    assert spent <= 0.05 * (watch.seconds - began)


def test_the_window_tells_the_process_what_is_on_show(
    discs: tuple[np.ndarray, np.ndarray], tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    image, labels = (np.pad(array, ((0, 0), (0, 200)), mode="reflect") for array in discs)
    config = tiny_config.model_copy(update={"max_steps": 100_000, "threads": 1})
    process = TrainingProcess(TrainingRequest((image,), (labels,), config, str(tmp_path / "run")))
    process.start()
    view = ViewUpdate(0, box_of((0, 64), (150, 220)))
    shown = []
    for message in process.messages():
        if isinstance(message, StepReport) and message.step == 1:
            assert process.update_view(ViewUpdate(7, view.box))  # which there is not: the training goes on
            assert process.update_view(view)
        if isinstance(message, Preview):
            shown.append((message.start, message.rgb.shape))
            if shown[-1][0] == (0, 150):
                process.request_stop()
    assert shown[-1] == ((0, 150), (64, 70, 3))
    process.kill()  # However slowly it ends by itself.
    assert not process.update_view(view)


@pytest.mark.parametrize(
    ("teacher", "chosen", "shown"),
    [
        pytest.param("momentum", "teacher", ["teacher", "teacher"], id="teacher"),
        pytest.param("momentum", "student", ["teacher", "student"], id="student from the next preview on"),
        pytest.param("shared", "teacher", ["student", "student"], id="there is no teacher"),
    ],
)
def test_the_network_that_is_chosen_is_shown(
    discs: tuple[np.ndarray, np.ndarray],
    tiny_config: TrainingConfig,
    monkeypatch: pytest.MonkeyPatch,
    teacher: str,
    chosen: Network,
    shown: list[str],
) -> None:
    made: list[nn.Module] = []
    make = Previewer.make
    monkeypatch.setattr(
        Previewer, "make", lambda self, network, step: made.append(network) or make(self, network, step)
    )
    monkeypatch.setattr(Previewer, "is_due", lambda _self: True)
    trainer = Trainer([discs[0]], [discs[1]], config=tiny_config.model_copy(update={"teacher": teacher}))
    for message in trainer.run():
        if isinstance(message, TrainingStarted):
            assert message.has_teacher == (teacher == "momentum")
        if isinstance(message, Preview) and len(made) == 1:
            trainer.show(0, None, chosen)
    names = {id(trainer._learner.student): "student", id(trainer._learner.teacher): "teacher"}
    assert [names[id(network)] for network in made[:2]] == shown


def test_the_process_takes_what_is_on_show_with_its_network() -> None:
    receiver, sender = multiprocessing.Pipe(duplex=False)
    updates = [ViewUpdate(network="student"), ViewUpdate(1, box_of((0, 4), (0, 4)))]
    for update in updates:
        sender.send(update)
    sender.close()
    taken: list[ViewUpdate] = []
    _take_updates(receiver, (), lambda *shown: taken.append(ViewUpdate(*shown)))
    assert taken == updates
