"""The report of a batch, a table of what became of each image; what earlier batches have said in it stays."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from napari_spoco.data.writers import atomic_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

REPORT_NAME = "batch_report.csv"
_COLUMNS = ("image", "state", "n_objects", "seconds", "outputs", "message")

Rows = dict[str, dict[str, str]]
"""A row per image, by the path of the image."""


def read_report(path: Path) -> Rows:
    """Read what earlier batches have said; nothing where there is no report, or something else of its name."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if set(row) == set(_COLUMNS)]
    except (OSError, ValueError, csv.Error):
        return {}
    return {row["image"]: row for row in rows}


def former_count(rows: Rows, image: Path) -> int | None:
    """Return how many objects an earlier batch has found in an image; None where that is not known."""
    count = rows.get(str(image), {}).get("n_objects") or ""
    return int(count) if count.isdecimal() else None


def make_row(
    image: Path, state: str, n_objects: int | None, seconds: float, outputs: Sequence[Path], said: Sequence[str]
) -> dict[str, str]:
    """Return the row of an image."""
    count = "" if n_objects is None else str(n_objects)
    values = (str(image), state, count, f"{seconds:.1f}", ";".join(map(str, outputs)), " ".join(filter(None, said)))
    return dict(zip(_COLUMNS, values, strict=True))


def write_report(path: Path, rows: Iterable[dict[str, str]], former: Rows) -> None:
    """Write the rows of this batch, and below them those of earlier batches about other images.

    An image that was skipped, since its results are there, keeps the time that they have taken.
    """
    now = {row["image"]: row for row in rows}
    for image, row in now.items():
        if row["state"] == "skipped" and image in former:
            now[image] = row | {"seconds": former[image]["seconds"]}
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _COLUMNS)
        writer.writeheader()
        writer.writerows((now | former | now).values())  # Those of this batch come first.
