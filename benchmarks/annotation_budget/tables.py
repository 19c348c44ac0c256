"""The tables of docs/benchmarks.md, made from the file of results alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.annotation_budget.summary import BEST, NAMES, TISSUES, Group, group, main_measure, spread

from napari_spoco.data.writers import atomic_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.annotation_budget.summary import Rows

BEGIN, END = "<!-- annotation budget: written by --tables -->", "<!-- end of annotation budget -->"
_TITLES = {
    "nuclei": "Nuclei (2D fluorescence)",
    "em": "Mitochondria (EM)",
    "nuclei-3d": "Nuclei (3D)",
    "membranes-clean": "Membranes (3D, synthetic, clean)",
    "membranes-hard": "Membranes (3D, synthetic, poorly stained)",
    "membranes-plant": "Membranes (3D, plant)",
}


def write_tables(rows: Rows, path: Path) -> Path:
    """Put the tables between their two marks in a file.

    Raises
    ------
    ValueError
        The file lacks the marks.
    """
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"tables: expected the marks {BEGIN!r} and {END!r} in {path}")
    groups = group(rows)
    sets = [name for name in _TITLES if any(g.key.image_set == name for g in groups)]
    tables = "\n\n".join(set_tables([g for g in groups if g.key.image_set == name]) for name in sets)
    with atomic_path(path) as temporary:
        temporary.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}", encoding="utf-8")
    return path


def set_tables(groups: Sequence[Group]) -> str:
    """Return the contestants of one set by their main read-outs, then the read-outs of ours."""
    name = groups[0].key.image_set
    ordered = sorted(groups, key=_order)
    ours = [g for g in ordered if len(g.readouts) > 1 and g.key.contestant != "classical"]
    parts = [f"### {_TITLES[name]}", _contestants(ordered)]
    if ours:
        parts += ["Read-outs of the same networks, evaluation images:", _readouts(ours)]
    return "\n\n".join(parts)


def _order(g: Group) -> tuple[str, float, int]:
    """Order by what was shown, the time, and the contestants' places in `NAMES`."""
    return g.key.reveal.rjust(20), g.key.minutes, list(NAMES).index(g.key.contestant)


def _contestants(groups: Sequence[Group]) -> str:
    measure, title = _measure(groups)
    columns = [
        "annotated", "objects", "contestant", "CPU min (steps)", "seeds", f"evaluation {title}", "AP@0.5",
        f"{title}, setting by all labels", "annotated objects", "not annotated",
    ]  # fmt: skip
    part = "arand_error" if measure == "arand_error" else "dice"
    lines = []
    for g in groups:
        readout = g.main_readout
        steps = round(g.mean(lambda row: row["n_steps"]))
        lines.append(
            [
                g.key.reveal if g.chosen_by == "painted" else "-",
                f"{g.mean(lambda row: row['n_annotated']):.0f}" if g.chosen_by == "painted" else "-",
                g.name if readout == BEST else f"{g.name}, {readout}",
                f"{g.key.minutes:g} ({steps})" if steps else "-",
                str(len(g.rows)),
                spread(g.values(readout, "evaluation", measure)),
                spread(g.values(readout, "evaluation", "ap50")),
                spread(g.values(readout, "evaluation", measure, by="all labels")),
                spread(g.values(readout, "annotated", part)) if g.chosen_by == "painted" else "-",
                spread(g.values(readout, "not annotated", part)),
            ]
        )
    return _markdown(columns, lines)


def _readouts(groups: Sequence[Group]) -> str:
    measure, title = _measure(groups)
    names = list(dict.fromkeys(name for g in groups for name in g.readouts if name != BEST))
    lines = [
        [g.key.reveal, g.name, f"{g.key.minutes:g}", str(len(g.rows))]
        + [spread(g.values(name, "evaluation", measure)) if name in g.readouts else "-" for name in names]
        for g in groups
    ]
    return _markdown(["annotated", "contestant", "CPU min", "seeds", *(f"{n}, {title}" for n in names)], lines)


def _measure(groups: Sequence[Group]) -> tuple[str, str]:
    name = groups[0].key.image_set
    return main_measure(name), "ARand (less is better)" if name in TISSUES else "SBD"


def _markdown(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [columns, ["---"] * len(columns), *lines])
