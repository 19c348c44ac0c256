"""Score against annotated objects and against minutes, made from the file of results alone (matplotlib)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from benchmarks.annotation_budget.jobs import UNTRAINED
from benchmarks.annotation_budget.summary import NAMES, TISSUES, Group, group, main_measure
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from napari_spoco.data.writers import atomic_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.annotation_budget.summary import Rows
    from matplotlib.axes import Axes

_PALETTE = (
    *("#0072B2", "#003B5C", "#56B4E9", "#1B9E77", "#CC79A7", "#D55E00", "#332288", "#F0A3C2"),
    *("#F2A26B", "#7F3C8D", "#009E73", "#A6761D", "#E69F00", "#8C6D31", "#A6CEE3", "#66A61E", "#B2DF8A", "#003B5C"),
    "#555555",
)
_COLOURS = dict(zip(NAMES, _PALETTE, strict=True))
_MARKERS = dict(zip(NAMES, "oDsPv^p*H<>pXh*dD8X", strict=True))
_WAYS = {", 16 spread": "^", ", 16 neighbours": "v", ", 16 box": "s", ", 16 spread+strokes": "P"}
"""Ways to spend 16 objects stand beside the line of what was drawn at random."""
_COLUMNS = 2
_LEAST_RANGE = 0.2
"""Of the scores in a panel: small differences between single seeds are not to look large."""
_TIME = "CPU minutes of training"
_TITLES = {
    "nuclei": "Nuclei, 2D fluorescence",
    "em": "Mitochondria, EM",
    "nuclei-3d": "Nuclei, 3D",
    "membranes-clean": "Synthetic membranes, clean",
    "membranes-hard": "Synthetic membranes, poorly stained",
    "membranes-plant": "Plant membranes",
}


def draw_figures(rows: Rows, folder: Path) -> list[Path]:
    """Draw both figures into a folder: a panel per set, means over seeds as lines, single seeds as small dots.

    A figure without points is not drawn: score against minutes needs a contestant that was trained for two times.
    """
    groups = group(rows)
    minutes = _usual_minutes(groups)
    by_objects = [g for g in groups if g.key.minutes in (0, minutes)]
    trained = [g for g in groups if g.key.contestant not in UNTRAINED]
    courses = {_course(g) for g in trained if sum(_course(g) == _course(other) for other in trained) > 1}
    shown = {(image_set, reveal) for image_set, _, reveal in courses}
    by_minutes = [
        g for g in groups
        if _course(g) in courses or (g.key.contestant in UNTRAINED and (g.key.image_set, g.key.reveal) in shown)
    ]  # fmt: skip
    by_name = {
        f"annotated objects ({minutes:g} CPU minutes of training)": [
            Point(g, _way(g), g.mean(lambda row: row["n_annotated"])) for g in by_objects
        ],
        _TIME: [Point(g, f", {g.key.reveal}", g.key.minutes) for g in by_minutes],
    }
    files = (folder / "annotation_budget_objects.png", folder / "annotation_budget_minutes.png")
    return [_draw(path, label, points) for path, (label, points) in zip(files, by_name.items(), strict=True) if points]


class Point(NamedTuple):
    """A group at its place; `variant` is what the legend says behind the contestant's name."""

    group: Group
    variant: str
    x: float


def _usual_minutes(groups: Sequence[Group]) -> float:
    """Return the time for which most networks were trained."""
    times = [g.key.minutes for g in groups if g.key.minutes]
    return max(set(times), key=times.count, default=0.0)


def _course(g: Group) -> tuple[str, str, str]:
    return g.key.image_set, g.key.contestant, g.key.reveal


def _way(g: Group) -> str:
    """Say how the objects were chosen, where that is not at random, and whether there are strokes."""
    if (way := f", {g.key.reveal}") in _WAYS:
        return way
    return ", with strokes" if g.key.reveal.endswith("+strokes") else ""


def _draw(path: Path, label: str, points: Sequence[Point]) -> Path:
    learned = {p.group.key.image_set for p in points if p.group.key.contestant != "classical"}
    sets = [name for name in _TITLES if name in learned]
    n_columns = min(_COLUMNS, len(sets))
    n_rows = -(-len(sets) // n_columns)
    figure = Figure(figsize=(5.6 * n_columns, 5.8 * n_rows), layout="constrained")
    for i, name in enumerate(sets, start=1):
        axes = figure.add_subplot(n_rows, n_columns, i)
        _panel(axes, name, [p for p in points if p.group.key.image_set == name], label)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130, format="png")
    return path


def _panel(axes: Axes, image_set: str, points: Sequence[Point], label: str) -> None:
    series: dict[tuple[str, str], list[Point]] = {}
    for point in sorted(points, key=lambda p: (list(NAMES).index(p.group.key.contestant), p.x)):
        series.setdefault((point.group.key.contestant, point.variant), []).append(point)
    for contestant, variant in series:
        _series(
            axes,
            series[contestant, variant],
            is_level=contestant == "classical" or (label == _TIME and contestant in UNTRAINED),
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(
        sorted({round(p.x, 0 if p.x > 3 else 2) for p in points if p.x and p.group.key.contestant != "classical"})
    )
    axes.margins(x=0.12)
    axes.set_xlabel(label)
    is_tissue = image_set in TISSUES
    axes.set_ylabel("adapted Rand error (less is better)" if is_tissue else "SBD on the evaluation images")
    axes.set_title(_TITLES[image_set], loc="left", fontweight="bold")
    low, high = axes.get_ylim()
    margin = max(_LEAST_RANGE - (high - low), 0) / 2
    axes.set_ylim(low - margin, high + margin)
    axes.grid(axis="y", color="0.9", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=1, frameon=False, fontsize=8.5)


def _series(axes: Axes, points: Sequence[Point], *, is_level: bool) -> None:
    """Draw a contestant: a level where nothing changes along the axis, else a line through the means."""
    first, way = points[0].group, points[0].variant
    is_bare = _is_bare(points[0]) or way in _WAYS
    colour = _COLOURS[first.key.contestant]
    scores = [p.group.values(p.group.main_readout, "evaluation", main_measure(first.key.image_set)) for p in points]
    means = [np.mean(values) for values in scores]
    if is_level:
        axes.axhline(means[-1], color=colour, linestyle=(0, (5, 3)), linewidth=1.3, label=_name(points[0]), zorder=1)
        return
    axes.plot(
        [p.x for p in points],
        means,
        label=f"{_name(points[0])} ({_seeds(scores)})",
        color=colour,
        linestyle="none" if way in _WAYS else "--" if is_bare else "-",
        linewidth=1.8,
        marker=_WAYS.get(way, _MARKERS[first.key.contestant]),
        markersize=7.5,
        markerfacecolor="white" if is_bare else colour,
        markeredgecolor=colour if is_bare else "white",
        zorder=3,
    )
    for point, values in zip(points, scores, strict=True):
        if len(values) > 1:
            axes.scatter([point.x] * len(values), values, color=colour, s=9, alpha=0.55, linewidths=0, zorder=2)


def _name(point: Point) -> str:
    return point.group.name + ("" if point.group.key.contestant == "classical" else point.variant)


def _seeds(scores: Sequence[Sequence[float]]) -> str:
    """Say on how many seeds the points of a line rest."""
    counts = sorted({len(values) for values in scores})
    if counts == [1]:
        return "1 seed"
    return f"{counts[0]} seeds" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"


def _is_bare(point: Point) -> bool:
    """Whether no strokes were shown where strokes are usual."""
    return point.group.key.image_set == "em" and "strokes" not in point.group.key.reveal
