"""What is set in napari's Preferences on this machine has no part in the tests of the whole way."""

from __future__ import annotations

import napari.settings
import pytest

from napari_spoco._qt.preferences import find_page
from napari_spoco.config import TrainingConfig


@pytest.fixture
def other_machine(tmp_path, monkeypatch) -> object:
    """Return a folder of Preferences in which the plugin's page has other settings than at first."""
    folder = tmp_path / "preferences of the machine"
    folder.mkdir()
    path = folder / "napari-spoco.yaml"
    path.write_text("files:\n  folder: /nowhere\nmachine:\n  threads: 7\n")
    monkeypatch.setattr(napari.settings, "_CFG_PATH", str(folder / "settings.yaml"))
    return path


@pytest.mark.slow
def test_the_page_of_the_machine_is_not_read_nor_written(other_machine, person) -> None:
    before = other_machine.read_text()
    assert person.widget.train.settings.config().threads == TrainingConfig().threads
    find_page().machine.threads = 3
    assert person.widget.train.settings.config().threads == 3
    assert other_machine.read_text() == before
