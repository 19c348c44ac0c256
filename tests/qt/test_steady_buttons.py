"""The main buttons of the tabs stay where they are while the texts around them change."""

from __future__ import annotations

from dataclasses import replace

from qtpy.QtWidgets import QApplication

from napari_spoco._qt.notices import Notice
from napari_spoco._qt.review.review_job import MeasuringProgress
from napari_spoco._qt.review.review_status import ReviewStatus
from napari_spoco._qt.session import Start
from napari_spoco.review.measures import ObjectMeasures
from napari_spoco.review.queue import ReviewQueue

LONG = "nuclei and 12 more 2026-01-01: 2D, 1 channel, 16535 steps on 6420 objects"
WIDTH = 340


def height_of(tab, button, *, tall: int = 1200) -> int:
    """Return how far below the top of its tab a button is, in a dock that is as narrow as usual."""
    QApplication.processEvents()
    tab.resize(WIDTH, tall)
    tab.layout().invalidate()
    tab.layout().activate()
    return button.mapTo(tab, button.rect().topLeft()).y()


def test_train_stays_where_it_is(ready) -> None:
    tab = ready.train
    before = height_of(tab, tab.train_button)
    for model_summary, notice in (("", None), (LONG, Notice("Short.")), (LONG, Notice(f"{LONG}. {LONG}", "bad"))):
        tab.show_memory(notice)
        tab.start.offer((Start.NEW, Start.FINE_TUNE), Start.FINE_TUNE, "nuclei")
        tab.show_start(model_summary, 2)
        assert height_of(tab, tab.train_button) == before
    assert tab.about_start.y() > before


def test_segment_stays_where_it_is(ready, viewer) -> None:
    tab, places = ready.segment, set()
    for model in ("No model yet.", f"Model: {LONG}"):
        for has_classes in (None, False, True):
            for pixel in (None, (12, 345)):
                tab.about_model.setText(model)
                tab.offer_classes(has_classes)
                tab.show_background(pixel, is_waiting=False, ignored="")
                places.add(height_of(tab, tab.segment_button))
    viewer.layers["cells"].name = f"{LONG}, as a name {LONG}"
    places.add(height_of(tab, tab.segment_button))
    assert len(places) == 1


def test_review_stays_where_it_is(ready) -> None:
    tab, box = ready.review, (slice(0, 4), slice(0, 4))
    odd = ObjectMeasures(1380, 16, box, (2, 2), 0.3, True, fit=0.2)
    queue = ReviewQueue.of([odd, ObjectMeasures(2, 16, box, (2, 2), 1.0, False)])
    found, decided = ReviewStatus(True, None, queue, (1380,)), queue.decide(2, "rejected").decide(1380, "accepted")
    places = set()
    for status in (
        ReviewStatus(),
        ReviewStatus(True, MeasuringProgress(807, 1920)),
        found,
        replace(found, chosen=(2,), has_embeddings=False),
        replace(found, queue=decided, is_drawing=True),
        ReviewStatus(ended="The review has ended: its layer has got new contents."),
    ):
        tab.show_status(status)
        places.add(height_of(tab, tab.action_buttons["accept"]))
    assert max(places) - min(places) <= 2  # A list that cannot be opened is as much lower.


def test_a_list_takes_what_room_there_is_and_its_buttons_stay(ready) -> None:
    annotate, review = ready.annotate, ready.review
    for tab, above, below in (
        (annotate, annotate.action_buttons["delete_selected"], annotate.draw_button),
        (review, review.action_buttons["undo"], review.annotations_button),
    ):
        place, shown = height_of(tab, above, tall=900), tab.objects.height()
        under = height_of(tab, below, tall=900)
        assert height_of(tab, above, tall=1200) == place
        assert tab.objects.height() == shown + 300
        assert height_of(tab, below, tall=1200) == under + 300
        least = tab.column.minimumHeightForWidth(WIDTH)
        assert tab.heightForWidth(WIDTH) == least  # It scrolls in no dock that has so much room.
        height_of(tab, above, tall=least)
        row = tab.objects.verticalHeader().defaultSectionSize()
        heading = tab.objects.horizontalHeader().height()
        assert 4 * row <= tab.objects.height() - heading < 5 * row


def test_sentences_under_the_list_move_no_button(ready) -> None:
    tab, places = ready.annotate, set()
    for text in ("", LONG, f"{LONG}. {LONG}"):
        tab._advice.setText(text)
        tab._advice.setVisible(bool(text))
        places |= {height_of(tab, tab.draw_button)}
    assert len(places) == 1
