"""How long the other tiles take."""

from __future__ import annotations

from napari_spoco._qt.segment.tile_pace import TilePace


def test_the_time_left_is_that_of_the_tiles_done() -> None:
    moment = [100.0]
    pace = TilePace(lambda: moment[0])
    assert pace.seconds_left(0, 16) is None
    moment[0] = 150.0
    assert pace.seconds_left(1, 16) == 15 * 50
    moment[0] = 160.0
    assert pace.seconds_left(2, 16) == 14 * 30
    assert pace.seconds_left(0, 4) is None  # the next image
    moment[0] = 161.0
    assert pace.seconds_left(2, 4) == 1.0
