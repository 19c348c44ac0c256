"""The window closes while a real child process trains: no process is left, and of a run without a state no folder."""

from __future__ import annotations

import multiprocessing

import numpy as np
import pytest


@pytest.mark.slow
@pytest.mark.parametrize("leave", ["close the viewer", "close the dock", "stop twice"])
def test_no_process_outlives_the_window(person, leave) -> None:
    viewer, widget = person.viewer, person.widget
    viewer.add_image(np.random.default_rng(0).random((64, 64)), name="noise")
    widget.annotate.new_button.click()
    viewer.layers["noise annotations"].paint((20, 20), 1)
    person.set_training(feature_maps=(4, 8), patch_shape=(16, 16), batch_size=1)
    widget.train.train_button.click()
    person.wait(lambda: len(person.losses) > 0)
    (child,) = multiprocessing.active_children()
    if leave == "close the viewer":
        viewer.close()
    elif leave == "close the dock":
        viewer.window.remove_dock_widget(widget)
    else:
        widget.train.stop_button.click()
        widget.train.stop_button.click()
    person.wait(lambda: not child.is_alive())
    person.wait(lambda: not multiprocessing.active_children())
    if leave == "stop twice":
        person.rest()
        # Whether the first press has got as far as saving is a matter of time.
        assert any(said in widget.footer.text for said in ("nothing of it is kept", "can be resumed", "Stopped"))
    else:
        # It saves itself, if it gets as far as that.
        person.wait(lambda: all((run / "state.pt").is_file() for run in (person.folder / "models").iterdir()))
