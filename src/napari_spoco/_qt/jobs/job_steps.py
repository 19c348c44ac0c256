"""What a job says of its way: the step in words, and the number of it where the steps are known. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FINDING = (
    "smoothing the embeddings",
    "dividing the image",
    "joining the parts",
    "bringing the objects to the pixels of the image",
    "measuring the objects",
)
"""The steps from embeddings to objects; the stages of all methods belong to the first three."""
_SMOOTHING = ("embeddings", "teacher", "classes")
_JOINING = ("growth", "objects", "notice")
_AT_HAND = ("strokes", "has objects", "annotations", "size", "image")
"""Stages that are over before one could read what they are."""


@dataclass(frozen=True)
class JobStep:
    """What a job does now; `number`, from 1, of `n_steps` where they are known, else both are 0."""

    text: str
    number: int = 0
    n_steps: int = 0


class FindingSteps:
    """Reports each step of `FINDING` once, in order, whatever stages a method goes through."""

    def __init__(self, report: Callable[[JobStep], object]) -> None:
        self._report, self._number = report, 0

    def note_stage(self, name: str) -> None:
        """Take note that a stage of `Reclustering.read_out` begins."""
        if name not in _AT_HAND:
            self.note(1 if name in _SMOOTHING else 3 if name in _JOINING else 2)

    def note(self, number: int) -> None:
        """Take note that a step begins; one that is behind already is not gone back to."""
        if number > self._number:
            self._number = number
            self._report(JobStep(f"Finding the objects: {FINDING[number - 1]}", number, len(FINDING)))
