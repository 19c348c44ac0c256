"""A real training in the window is painted into, stopped, killed and resumed, and fine-tuned without loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

CENTRES = [(14, 14), (14, 40), (40, 14), (40, 40), (14, 66), (40, 66), (66, 14), (66, 40), (66, 66)]
RADIUS = 8
TINY = {"feature_maps": (4, 8), "patch_shape": (32, 32), "batch_size": 1, "embedding_dim": 4, "max_minutes": None}


@pytest.fixture
def discs(person):
    """Show bright discs, of which all but the last one are painted; return their mask with ids from 1."""
    size = CENTRES[-1][0] + 14
    labels = np.zeros((size, size), np.int32)
    y, x = np.mgrid[:size, :size]
    for index, centre in enumerate(CENTRES, start=1):
        labels[np.hypot(y - centre[0], x - centre[1]) < RADIUS] = index
    image = 100.0 * (labels > 0) + np.random.default_rng(0).normal(20, 5, labels.shape)
    person.viewer.add_image(image.astype(np.float32), name="discs")
    person.widget.annotate.new_button.click()
    annotations = person.viewer.layers["discs annotations"]
    for label in range(1, len(CENTRES)):
        annotations.data_setitem(np.nonzero(labels == label), label)
    person.wait(lambda: person.widget.annotate.summary.n_objects == len(CENTRES) - 1)
    return labels


@pytest.mark.slow
def test_what_is_painted_with_the_mouse_is_trained_on(person, discs, heart) -> None:
    annotations = person.viewer.layers["discs annotations"]
    person.set_training(**TINY, max_steps=100_000, validation={"every": 20, "fraction": 0.3})
    person.press(person.widget.train.train_button)
    person.wait(lambda: len(person.losses) > 5)
    assert "Training on 8 objects, 2 of them left out to score it" in person.widget.footer.text

    heart.start()
    annotations.selected_label = len(CENTRES)
    annotations.brush_size = 2 * RADIUS
    (y, x) = CENTRES[-1]
    person.paint_with_mouse((y, x - 1), (y, x), (y, x + 1))
    assert annotations.data[CENTRES[-1]] == len(CENTRES)
    person.wait(lambda: person.widget.footer.text == "Training goes on with 9 objects.")
    assert heart.stop() > 1

    annotations.undo()
    person.wait(lambda: person.widget.footer.text == "Training goes on with 8 objects.")
    person.wait(lambda: "Score on 2 left-out objects" in person.widget.train.score.text())
    person.press(person.widget.train.stop_button)
    person.rest()
    assert person.widget.footer.text.startswith("Stopped after")
    assert not person.widget.training.painting.is_following


@pytest.mark.slow
@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_a_run_that_was_ended_early_is_resumed_to_its_end(person, discs, is_killed) -> None:
    widget, n_steps = person.widget, 150
    person.set_training(**TINY, max_steps=n_steps)
    widget.train.settings.prefer({"autosave_seconds": 0.0 if is_killed else 60.0})
    person.press(widget.train.train_button)
    person.wait(lambda: len(person.losses) > 5)
    if is_killed:
        person.wait(lambda: list((person.folder / "models").glob("*/state.pt")))
    person.press(widget.train.stop_button)
    if is_killed:
        person.press(widget.train.stop_button)
    person.rest()
    assert "ended at once. It can be resumed" in widget.footer.text or widget.footer.text.startswith("Stopped after")
    assert widget.train.train_button.text() == "Resume"

    person.press(widget.train.train_button)
    person.rest()
    assert widget.footer.text.startswith(f"Done after {n_steps} steps.")
    assert len(person.losses) == n_steps
    assert widget.train.train_button.text() == "Resume"  # so few steps make no new model
    (folder,) = (person.folder / "models").iterdir()
    assert (folder / "log.csv").read_text().count("\n") == 1 + n_steps


@pytest.mark.slow
def test_the_model_in_use_stays_as_it_is_while_its_run_goes_on(person, discs) -> None:
    widget = person.widget
    person.set_training(**TINY, max_steps=100_000)
    widget.train.settings.prefer({"autosave_seconds": 0.0})

    def train(n_steps: int) -> None:
        before = len(person.losses)
        person.press(widget.train.train_button)
        person.wait(lambda: len(person.losses) > before + n_steps)

    train(5)
    person.press(widget.train.stop_button)
    person.rest()
    path = Path(widget.session.model_path)
    model, state = path.read_bytes(), path.with_name("state.pt").read_bytes()
    train(5)
    assert path.with_name("state.pt").read_bytes() != state
    assert path.read_bytes() == model
    person.press(widget.train.stop_button)
    person.press(widget.train.stop_button)
    person.rest()
    assert "It can be resumed" in widget.footer.text
    assert (widget.session.model_path, path.read_bytes()) == (str(path), model)
    train(5)
    person.press(widget.train.stop_button)
    person.rest()
    assert Path(widget.session.model_path) == path
    assert path.read_bytes() != model


@pytest.mark.slow
def test_fine_tuning_keeps_the_model_as_long_as_there_is_no_better_one(person, discs) -> None:
    widget = person.widget
    person.set_training(**TINY, max_steps=250, learning_rate=5e-3)
    person.press(widget.train.train_button)
    person.rest()
    before = widget.session.model_path
    person.set_training(max_steps=3, learning_rate=5.0, validation={"fraction": 0.5})  # which spoils every model
    person.press(widget.train.train_button)
    person.rest()
    assert widget.footer.text.startswith("Done after 3 steps. That is too few to tell whether the model got better; ")
    assert f"{Path(before).parent.name} stays in use." in widget.footer.text
    assert widget.session.model_path == before
    (folder,) = set((person.folder / "models").iterdir()) - {Path(before).parent}
    old, new = load_file(before), load_file(folder / "best.safetensors")
    for name in old:
        np.testing.assert_array_equal(new[name], old[name])


@pytest.mark.slow
def test_boxes_and_strokes_are_trained_on(person, discs) -> None:
    widget, viewer = person.widget, person.viewer
    person.set_training(**TINY, max_steps=3)
    person.press(widget.annotate.action_buttons["paint_background"])
    person.paint_with_mouse((27, 20), (27, 27), (27, 35))
    person.wait(lambda: widget.annotate.summary.n_background > 50)
    label = widget.train.settings.annotations().background_label
    assert (viewer.layers["discs annotations"].data[25:30, 20:35] == label).all()
    person.press(widget.annotate.draw_button)
    person.paint_with_mouse((1, 1), (20, 20), (27, 27))
    ((rows, columns),) = widget.annotate.read_boxes()
    np.testing.assert_allclose([rows.start, rows.stop, columns.start, columns.stop], [1, 28, 1, 28], atol=1)
    person.press(widget.train.train_button)
    person.rest()
    assert widget.footer.text.startswith("Done after 3 steps.")
