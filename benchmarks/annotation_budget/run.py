"""One job: reveal, learn, choose the settings of every read-out on the training images, score."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from benchmarks.annotation_budget.contestants import Task, fit
from benchmarks.annotation_budget.reveal import Reveal, reveal
from benchmarks.annotation_budget.scores import score_images, score_objects, split_ids
from benchmarks.annotation_budget.sets import load_set
from benchmarks.annotation_budget.summary import AS_TRAINED, BEST, OWN_READOUTS

from napari_spoco.data.annotations import BACKGROUND
from napari_spoco.segmentation.agreement import AS_GOOD, agreement, last_as_good, steadied

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.annotation_budget.contestants import Fitted, Readout, Setting
    from benchmarks.annotation_budget.jobs import Job
    from benchmarks.annotation_budget.sets import ImageSet
    from numpy.typing import NDArray

    from napari_spoco.data.annotations import SparseAnnotations

_PACKAGES = ("napari-spoco", "torch", "numpy", "scikit-learn", "scikit-image", "bioimage-cpp")
_DIGITS = 4


def run_job(job: Job, data: Path | None, machine: str, models: Path | None = None) -> dict[str, Any]:
    """Return the result of a job, ready for JSON.

    Parameters
    ----------
    job
        What to do.
    data
        Folder of the sets that do not ship with the package.
    machine
        The machine in words; kept with the result.
    models
        Folder of the trained models: the ones that are there are not trained again, those that are not are added.
    """
    image_set = load_set(job.image_set, data)
    rng = np.random.default_rng((job.seed, 1))
    annotations = reveal([s.labels for s in image_set.training], Reveal.parse(job.reveal), rng)
    images = [s.image for s in image_set.training]
    kept = None if models is None else models / f"{job.key.replace('/', '-')}.safetensors"
    task = Task(images, annotations, image_set.is_tissue, job.minutes, job.seed, image_set.shrink, kept)
    began = time.process_time()
    fitted = fit(job.contestant, task)
    learned = time.process_time()
    judge = _Judge(image_set, annotations, fitted)
    scores = {name: judge.judge(readout) for name, readout in fitted.readouts.items()}
    if fitted.n_steps and len(scores) > 1:
        scores[BEST] = best_readout(scores, -1 if image_set.is_tissue else 1, image_set.measure)
    return {
        "n_annotated": sum(a.n_objects for a in annotations),
        "n_objects": sum(len(np.unique(s.labels[s.labels > 0])) for s in image_set.training),
        "stroke_share": round(float(np.mean([(a.labels == BACKGROUND).mean() for a in annotations])), _DIGITS),
        "n_steps": fitted.n_steps,
        "cpu_seconds": {"learning": round(learned - began, 1), "scoring": round(time.process_time() - learned, 1)},
        "scores": scores,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "machine": machine,
    }


@dataclass(frozen=True, eq=False)
class _Judge:
    """Scores read-outs; settings are chosen twice: by what was painted, and by all labels of the training images."""

    image_set: ImageSet
    annotations: list[SparseAnnotations]
    fitted: Fitted

    def judge(self, readout: Readout) -> dict[str, Any]:
        """Return scores by what chose the setting; a slow read-out is judged on the evaluation images alone."""
        if readout.is_slow:
            return {"painted": {"setting": readout.settings[0].name, "evaluation": self._evaluate(readout.settings[0])}}
        truths = [s.labels for s in self.image_set.training]
        found = {s.name: self._segment_training(s) for s in readout.settings}
        whole = {name: score_images(labels, truths) for name, labels in found.items()}
        painted = [a.labels for a in self.annotations]
        sign = -1 if self.image_set.is_tissue else 1
        agreements = {name: agreement(labels, painted) for name, labels in found.items()}
        best = {
            "painted": _best_agreement(agreements, ascending=readout.ascending),
            "all labels": max(whole, key=lambda name: sign * whole[name][self.image_set.measure]),
        }
        settings = {s.name: s for s in readout.settings}
        evaluated = {name: self._evaluate(settings[name]) for name in set(best.values())}
        annotated, others = split_ids(truths, self.annotations)
        return {
            by: {
                "setting": name,
                "agreement": round(agreements[name], _DIGITS),
                "evaluation": evaluated[name],
                "training": _rounded(whole[name]),
                "annotated": _rounded(score_objects(found[name], truths, annotated)),
                "not annotated": _rounded(score_objects(found[name], truths, others)),
            }
            for by, name in best.items()
        }

    def _segment_training(self, setting: Setting) -> list[NDArray[Any]]:
        pairs = zip(self.image_set.training, self.fitted.predictions, strict=True)
        return [setting.segment(sample.image, prediction) for sample, prediction in pairs]

    def _evaluate(self, setting: Setting) -> dict[str, float] | None:
        samples = self.image_set.evaluation
        found = [setting.segment(s.image, self._evaluation_predictions[i]) for i, s in enumerate(samples)]
        return _rounded(score_images(found, [s.labels for s in samples]))

    @cached_property
    def _evaluation_predictions(self) -> list[Any]:
        return [self.fitted.predict(s.image) for s in self.image_set.evaluation]


def _best_agreement(agreements: dict[str, float], *, ascending: bool) -> str:
    """Return the setting that agrees best; of ascending thresholds the one that a training would choose."""
    if ascending:
        return [*agreements][last_as_good(steadied([*agreements.values()]), AS_GOOD)]
    return max(agreements, key=lambda name: agreements[name])


def best_readout(scores: dict[str, Any], sign: int, measure: str) -> dict[str, Any]:
    """Return the scores of the read-outs that agree best: with what was painted, or with all labels.

    Of a network that classifies pixels the former is one of those from which a training chooses its own; the latter is
    any. What the training did choose is apart.
    """
    known = {name: by for name, by in scores.items() if "all labels" in by and name != AS_TRAINED}
    own = [name for name in OWN_READOUTS if name in known] if "pixel classes" in known else list(known)
    chosen = {
        "painted": max(own, key=lambda name: known[name]["painted"]["agreement"]),
        "all labels": max(known, key=lambda name: sign * known[name]["all labels"]["training"][measure]),
    }
    return {by: known[name][by] | {"setting": f"{name}, {known[name][by]['setting']}"} for by, name in chosen.items()}


def _rounded(scores: dict[str, float] | None) -> dict[str, float] | None:
    return None if scores is None else {name: round(value, _DIGITS) for name, value in scores.items()}
