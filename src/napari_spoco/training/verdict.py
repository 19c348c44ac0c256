"""What the scores of a fine-tuning tell: how good the model was before and is after, and how far that can be trusted.

The window and the command line say it in the same words. Pure; imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spoco.training.reports import ScoreReport

FEWEST_STEPS = 100
"""With fewer, nothing tells whether a model is better."""
_FEWEST_LEFT_OUT = 2
"""With fewer, a score does not tell whether a fine-tuned model is better."""


def score_change(scores: Sequence[ScoreReport], best_step: int | None) -> tuple[float, float] | None:
    """Return the scores before and after a fine-tuning; None where one of them is missing, as in a run from scratch.

    Parameters
    ----------
    scores
        Of the whole run, in order; that of step 0 is of the model that it started from.
    best_step
        Step of the model to use, which has the score after. Where that is the one that was started from, it is the
        last model's.
    """
    before = [score for score in scores if score.step == 0]
    after = [score for score in scores if score.step > 0]
    if not before or not after:
        return None
    best = [score for score in after if score.step == best_step]
    return before[-1].score, (best or after)[-1].score


def change_in_words(change: tuple[float, float]) -> str:
    """Say a change of the score, in as many digits as tell both apart: "0.42 before, 0.47 after"."""
    before, after = change
    n_digits = 3 if f"{before:.2f}" == f"{after:.2f}" else 2
    return f"{before:.{n_digits}f} before, {after:.{n_digits}f} after"


def doubt(n_steps: int, score: ScoreReport | None, enough: str = "5 minutes or more") -> tuple[str, str] | None:
    """Say why nothing tells whether a fine-tuned model is better, and what to do; None where it can be told.

    Parameters
    ----------
    n_steps, score
        Of the run so far, and its last score if there was one.
    enough
        For how long it has to train, where its steps are too few.
    """
    if n_steps < FEWEST_STEPS:
        return "That is too few to tell whether the model got better", f"Give it {enough}."
    if score is None:
        # So few are painted, or the settings say so: it is not known which.
        cure = "Paint 15 objects or more, with Left out not at none."
        return "No object was left out, so nothing tells whether the model got better", cure
    if score.n_objects < _FEWEST_LEFT_OUT:
        return "One left-out object tells too little of whether the model got better", "Paint 15 objects or more."
    return None
