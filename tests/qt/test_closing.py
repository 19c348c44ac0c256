"""However the window goes away, no process and no exception is left behind."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from qtpy.QtCore import QCoreApplication, QEvent
from superqt.utils import GeneratorWorker

from napari_spoco._qt.widget import SpocoWidget


def close_viewer(viewer, _widget) -> None:
    viewer.close()


def remove_dock(viewer, widget) -> None:
    viewer.window.remove_dock_widget(widget)


def remove_all_docks(viewer, _widget) -> None:
    viewer.window.remove_dock_widget("all")


def quit_application(_viewer, widget) -> None:
    widget.release()


def delete_widget(_viewer, widget) -> None:
    widget.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.mark.parametrize("leave", [close_viewer, remove_dock, remove_all_docks, quit_application, delete_widget])
def test_leaving_while_training_ends_the_process(training, viewer, processes, qtbot, until, leave) -> None:
    processes.last.show(1)
    leave(viewer, training)
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    until(lambda: processes.last.is_killed)
    assert processes.last.is_left
    assert processes.last.patience > 0  # It has time to save itself.
    until(lambda: not GeneratorWorker._worker_set)
    qtbot.wait(50)


def test_a_removed_dock_no_longer_follows_the_viewer(ready, viewer) -> None:
    viewer.window.remove_dock_widget(ready)
    viewer.add_image(np.zeros((10, 10)), name="later")
    viewer.theme = "light"
    viewer.layers["cells annotations"].paint((40, 40), 5)
    viewer.layers.clear()
    assert ready.annotate.summary.n_objects == 3


def test_the_dock_may_be_opened_again(ready, viewer, processes, tmp_path) -> None:
    viewer.window.remove_dock_widget(ready)
    again = SpocoWidget(viewer, make_process=processes, models_folder=tmp_path)
    viewer.window.add_dock_widget(again, name="SPOCO")
    assert again.annotate.image.layer().name == "cells"
    again.release()


def test_floating_and_hiding_the_dock_stop_nothing(training, processes, qtbot) -> None:
    dock = training.parent()
    dock.setFloating(True)
    dock.hide()
    dock.show()
    dock.setFloating(False)
    qtbot.wait(50)
    assert not processes.last.is_killed
    assert training.session.state.is_busy


def test_a_closed_widget_is_freed(viewer, processes, tmp_path, qtbot) -> None:
    import weakref

    widget = SpocoWidget(viewer, make_process=processes, models_folder=tmp_path)
    reference = weakref.ref(widget)
    viewer.window.add_dock_widget(widget, name="SPOCO")
    viewer.window.remove_dock_widget(widget)
    del widget
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    assert reference() is None
