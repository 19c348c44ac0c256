"""Lines of the file of results, gathered over seeds: what tables and figures show."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Rows = list[dict[str, Any]]

TISSUES = ("membranes-clean", "membranes-hard", "membranes-plant")
"""Sets that are judged by the adapted Rand error, of which less is better; all others by SBD."""
BEST = "read-out by what was painted"
"""The read-out that is chosen by who knows what was painted and nothing else."""
AS_TRAINED = "as trained"
"""The read-out that a training gave its model, with all settings left alone: what a user gets (newer results)."""
OWN_READOUTS = ("pixel classes, mutex watershed", "pixel classes", "mutex watershed", "between edges")
"""From which `BEST` is chosen for a network that classifies pixels; the first of equals."""
MAIN_READOUTS = (
    AS_TRAINED,
    BEST,
    "pixel classes, mutex watershed",
    "foreground by distance",
    "between edges",
    "watershed of probabilities",
    "darkest blobs",
    "local threshold, distance transform",
    "h-minima or distance watershed",
)
NAMES = {
    "sparse": "ours, sparse",
    "dense": "ours, dense",
    "sparse-ball": "ours, sparse, normalised push",
    "sparse-full": "ours, sparse, full resolution",
    "no-consistency": "ours without consistency",
    "no-push": "ours without unlabeled push",
    "classes": "ours with pixel classes alone",
    "no-classes-no-consistency": "ours without pixel classes and consistency",
    "no-classes-no-push": "ours without pixel classes and unlabeled push",
    "no-classes": "ours without pixel classes",
    "no-rim": "ours without pixel classes and rim",
    "mean-background": "ours without pixel classes and rim, background at its mean",
    "discriminative": "discriminative loss alone",
    "transfer": "ours, sparse, from a shipped model",
    "classes-full": "ours with pixel classes alone, full resolution",
    "unet": "U-Net of pixel classes",
    "unet-full": "U-Net of pixel classes, full resolution",
    "forest": "random forest of pixels",
    "classical": "classical, tuned on all labels",
}


class Key(NamedTuple):
    """What the seeds of a group have in common."""

    image_set: str
    contestant: str
    reveal: str
    minutes: float


@dataclass(frozen=True, eq=False)
class Group:
    """The results of all seeds of a key, in the order of the seeds."""

    key: Key
    rows: Rows

    @property
    def name(self) -> str:
        """Name of the contestant, for people."""
        return NAMES.get(self.key.contestant, self.key.contestant)

    @property
    def chosen_by(self) -> str:
        """What chose the setting: what was painted, but for the classical methods, which are shown all labels."""
        return "all labels" if self.key.contestant == "classical" else "painted"

    @property
    def readouts(self) -> list[str]:
        """Return the read-outs of all seeds."""
        return [name for name in self.rows[0]["scores"] if all(name in row["scores"] for row in self.rows)]

    @property
    def main_readout(self) -> str:
        """Return the read-out to judge the contestant by; of classical ones the best on the training images."""
        known = [name for name in MAIN_READOUTS if name in self.readouts]
        if self.key.contestant != "classical":
            return known[0]
        measure = main_measure(self.key.image_set)
        sign = -1 if self.key.image_set in TISSUES else 1
        return max(known, key=lambda name: sign * self.rows[0]["scores"][name]["all labels"]["training"][measure])

    def values(self, readout: str, part: str, measure: str, *, by: str | None = None) -> list[float]:
        """Return one score per seed; of part "evaluation", "training", "annotated" or "not annotated"."""
        found = [row["scores"][readout].get(by or self.chosen_by, {}).get(part) for row in self.rows]
        return [scores[measure] for scores in found if scores is not None]

    def mean(self, get: Callable[[dict[str, Any]], float]) -> float:
        """Return the mean over seeds of anything else in the lines."""
        return float(np.mean([get(row) for row in self.rows]))


def main_measure(image_set: str) -> str:
    """Return the name of the score that a set is judged by."""
    return "arand_error" if image_set in TISSUES else "sbd"


def group(rows: Iterable[dict[str, Any]]) -> list[Group]:
    """Gather the seeds, in the order in which sets, contestants and amounts first come."""
    gathered: dict[Key, Rows] = defaultdict(list)
    for row in rows:
        job = row["job"]
        gathered[Key(job.image_set, job.contestant, job.reveal, job.minutes)].append(row)
    return [Group(key, sorted(found, key=lambda row: row["job"].seed)) for key, found in gathered.items()]


def spread(values: Sequence[float]) -> str:
    """Write a mean, and the standard deviation where there is more than one value."""
    if not values:
        return "-"
    mean = f"{np.mean(values):.3f}".replace("0.", ".", 1)
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):.3f}".replace("± 0.", "± .")
