"""The grid of jobs, most informative first, and the file in which every job that is done has a line."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RESULTS = Path(__file__).with_name("results.jsonl")
UNTRAINED = ("classical", "forest")
"""They take no time that could be set."""


@dataclass(frozen=True)
class Job:
    """One contestant on one set; `minutes` of processor time to train, 0 where nothing trains for a time."""

    image_set: str
    contestant: str
    reveal: str
    seed: int
    minutes: float

    @property
    def key(self) -> str:
        """Name of the job: set/contestant/reveal/seed/minutes."""
        return f"{self.image_set}/{self.contestant}/{self.reveal}/seed{self.seed}/{self.minutes:g}min"


def grid(minutes: float | None = None) -> list[Job]:
    """Return all jobs; `minutes` takes the place of all that train for a time."""
    # Sets, contestants, what is annotated, seeds, minutes: every combination.
    plans: list[tuple[str, str, str, Sequence[int], Sequence[float]]] = [
        # What each term is worth, and others on the same masks and strokes
        ("em", "classical", "10%+strokes", (0,), (0,)),
        ("em", "forest", "10%+strokes", (0, 1, 2), (0,)),
        ("em", "sparse unet no-classes no-consistency no-push no-rim mean-background", "10%+strokes", (0, 1, 2), (3,)),
        ("em", "no-classes-no-consistency no-classes-no-push classes", "10%+strokes", (0, 1, 2), (3,)),
        ("nuclei", "classical", "10%", (0,), (0,)),
        ("nuclei", "forest", "10%", (0, 1, 2), (0,)),
        ("nuclei", "transfer sparse unet no-classes classes", "10%", (0, 1, 2), (3,)),
        ("nuclei", "transfer", "1%", (0, 1, 2), (3,)),
        ("em", "dense", "100%", (0, 1, 2), (3, 10)),
        ("em", "sparse", "10%+strokes", (0, 1, 2), (10, 30)),
        ("em", "sparse", "10%+strokes", (0,), (60,)),
        ("em", "no-consistency no-push unet classes", "10%+strokes", (0, 1, 2), (10,)),
        ("em", "sparse-full unet-full classes-full", "10%+strokes", (0, 1, 2), (3, 10)),
        ("em", "transfer sparse-ball discriminative", "10%+strokes", (0, 1, 2), (3,)),
        ("em", "sparse", "10%", (0, 1, 2), (3,)),
        # Stacks
        ("membranes-clean membranes-hard membranes-plant", "classical", "10%", (0,), (0,)),
        ("membranes-hard membranes-plant", "transfer sparse no-classes forest unet", "10%", (0, 1, 2), (3,)),
        ("nuclei-3d", "classical", "10%+strokes", (0,), (0,)),
        ("nuclei-3d", "sparse no-classes forest unet", "10%+strokes", (0, 1, 2), (3,)),
        # Budgets of objects, and of time
        ("nuclei", "sparse transfer forest unet", "1%|5%|40%", (0, 1, 2), (3,)),
        ("em", "sparse forest unet", "5%+strokes|40%+strokes", (0, 1, 2), (3,)),
        ("nuclei", "sparse", "10%", (0, 1, 2), (1, 10)),
        ("nuclei", "no-classes", "10%", (0,), (1,)),
        ("nuclei", "no-consistency no-push sparse-ball discriminative", "10%", (0, 1, 2), (3,)),
        ("nuclei", "dense", "100%", (0, 1, 2), (3, 10)),
        # Ways to spend 16 objects
        ("nuclei", "sparse", "16 spread|16 neighbours|16 box|16 spread+strokes", (0, 1, 2), (3,)),
    ]
    jobs: dict[str, Job] = {}
    for sets, contestants, reveals, seeds, times in plans:
        shown = sets.split(), reveals.split("|"), contestants.split()
        for seed, time, name, how, who in product(seeds, times, *shown):
            # Nothing is unlabeled for a dense network: it is shown everything or does not take part.
            if who == "dense" and how != "100%":
                continue
            spent = 0 if who in UNTRAINED else time if minutes is None else minutes
            job = Job(name, who, how, seed, spent)
            jobs.setdefault(job.key, job)
    return list(jobs.values())


def chosen(jobs: Iterable[Job], patterns: Sequence[str]) -> list[Job]:
    """Return the jobs whose key fits one of the patterns (`*` and `?`), in the order of the patterns; all for none."""
    jobs = list(jobs)
    if not patterns:
        return jobs
    fitting = (job for pattern in patterns for job in jobs if fnmatch(job.key, pattern))
    return list(dict.fromkeys(fitting))


def read_results(path: Path) -> list[dict[str, Any]]:
    """Return the lines of the file, each with its `job`; none if there is no file."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [{**row, "job": Job(**row["job"])} for row in map(json.loads, filter(None, lines))]


def append_result(path: Path, job: Job, result: dict[str, Any]) -> None:
    """Add the line of a job that is done."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"job": asdict(job), **result}, separators=(",", ":")) + "\n")
