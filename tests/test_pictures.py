"""What the pictures show, without looking at pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib.figure
import pytest
import skimage.io

from napari_spoco import pictures
from napari_spoco.pictures import draw_losses
from napari_spoco.training.reports import LossTerms, ScoreReport, StepReport

TERMS = LossTerms(pull=1.0, push=0.5, regularizer=0.1, instance=0.4, unlabeled_push=0.0, consistency=0.2)
REPORTS = [StepReport(step, 60, TERMS, 1e-3, 0.0, 0.0) for step in range(1, 61)]
SCORES = [
    ScoreReport(20, 0.3, 0.5, 0.4, 3, 0.4, is_best=True),
    ScoreReport(40, 0.5, 0.7, 0.6, 3, 0.6, is_best=True),
    ScoreReport(60, 0.4, 0.6, 0.5, 3, 0.6, is_best=False),
]


@pytest.fixture
def drawn(monkeypatch) -> list[matplotlib.figure.Figure]:
    """Figures that were saved."""
    figures: list[matplotlib.figure.Figure] = []
    save = pictures._save
    monkeypatch.setattr(pictures, "_save", lambda figure, path: (figures.append(figure), save(figure, path))[1])
    return figures


def labels_of(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_terms_and_scores_have_a_panel_each(drawn, tmp_path: Path) -> None:
    path = draw_losses(tmp_path / "loss.png", REPORTS, SCORES)
    assert skimage.io.imread(path).ndim == 3
    terms, scores = drawn[0].axes
    assert labels_of(terms) == ["total", "pull", "push", "regularizer", "instance", "consistency"]
    assert terms.get_yscale() == "log"
    assert labels_of(scores) == ["score", "soft iou", "clustered iou", "best, step 40"]
    assert list(scores.lines[0].get_ydata()) == [0.4, 0.6, 0.5]


def test_one_panel_without_scores(drawn, tmp_path: Path) -> None:
    draw_losses(tmp_path / "loss.png", REPORTS[:1])
    (terms,) = drawn[0].axes
    assert terms.lines[0].get_ydata() == pytest.approx([2.2])


def test_negative_terms_are_drawn(drawn, tmp_path: Path) -> None:
    terms = replace(TERMS, adversarial=-5.0)
    draw_losses(tmp_path / "loss.png", [replace(report, terms=terms) for report in REPORTS])
    (axes,) = drawn[0].axes
    assert "adversarial" in labels_of(axes)
    assert axes.get_yscale() == "symlog"
    low, high = axes.get_ylim()
    assert low < -5.0 < 1.0 < high
