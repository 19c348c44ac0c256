"""Tables and figures are made from the file of results alone, and say how many seeds they rest on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import skimage.io
from benchmarks.annotation_budget.figures import draw_figures
from benchmarks.annotation_budget.jobs import RESULTS, Job, append_result, chosen, grid, read_results
from benchmarks.annotation_budget.run import best_readout
from benchmarks.annotation_budget.summary import AS_TRAINED, BEST, group, spread
from benchmarks.annotation_budget.tables import BEGIN, END, write_tables


def result(sbd: float, *, n_steps: int = 700, n_annotated: int = 19) -> dict[str, Any]:
    scores = {"sbd": sbd, "ap50": sbd / 2, "arand_error": 1 - sbd, "abs_dic": 1.0}
    objects = {"n_objects": 3, "dice": sbd, "recall": sbd, "arand_error": 1 - sbd}
    entry = {
        "setting": "a", "evaluation": scores, "training": scores, "annotated": objects, "not annotated": objects,
    }  # fmt: skip
    readout = {"painted": entry, "all labels": entry}
    return {
        "n_annotated": n_annotated,
        "n_objects": 191,
        "n_steps": n_steps,
        "scores": {"mutex watershed": readout, "foreground by distance": readout},
    }


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "results.jsonl"
    for seed, sbd in ((1, 0.5), (0, 0.4)):
        append_result(path, Job("em", "sparse", "10%+strokes", seed, 3.0), result(sbd))
    append_result(path, Job("em", "sparse", "40%+strokes", 0, 3.0), result(0.6, n_annotated=76))
    append_result(path, Job("em", "sparse", "10%+strokes", 0, 10.0), result(0.55))
    classical = {"darkest blobs": result(0.3)["scores"]["mutex watershed"]}
    append_result(path, Job("em", "classical", "10%", 0, 0.0), result(0.3, n_steps=0) | {"scores": classical})
    return path


def test_results_are_read_back(results: Path) -> None:
    rows = read_results(results)
    assert [row["job"].key for row in rows][:2] == [
        "em/sparse/10%+strokes/seed1/3min",
        "em/sparse/10%+strokes/seed0/3min",
    ]
    assert read_results(results.with_name("none.jsonl")) == []


def test_seeds_are_gathered_in_their_order(results: Path) -> None:
    first = group(read_results(results))[0]
    assert first.values("foreground by distance", "evaluation", "sbd") == [0.4, 0.5]
    assert (first.main_readout, first.chosen_by) == ("foreground by distance", "painted")


def entry(agreement: float, sbd: float) -> dict[str, Any]:
    scores = {"setting": "a", "agreement": agreement, "training": {"sbd": sbd}, "evaluation": {"sbd": sbd}}
    return {"painted": scores, "all labels": scores}


def test_a_person_chooses_the_readout_by_what_was_painted() -> None:
    slow = {"painted": {"setting": "default", "evaluation": {"sbd": 0.99}}}
    scores = {"first": entry(0.7, 0.2), "second": entry(0.6, 0.4), "slow": slow}
    best = best_readout(scores, 1, "sbd")
    assert (best["painted"]["setting"], best["painted"]["evaluation"]["sbd"]) == ("first, a", 0.2)
    assert (best["all labels"]["setting"], best["all labels"]["evaluation"]["sbd"]) == ("second, a", 0.4)


def test_where_pixels_are_classified_the_choice_is_that_of_a_training() -> None:
    scores = {"foreground by distance": entry(0.9, 0.5), "pixel classes": entry(0.8, 0.3)}
    scores |= {"pixel classes, mutex watershed": entry(0.8, 0.4), "mutex watershed": entry(0.7, 0.2)}
    scores["as trained"] = entry(1.0, 1.0)  # What it did choose is no read-out to choose from.
    best = best_readout(scores, 1, "sbd")
    assert best["painted"]["setting"] == "pixel classes, mutex watershed, a"
    assert best["all labels"]["setting"] == "foreground by distance, a"


def test_what_a_training_chose_comes_before_all_that_could_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    line = result(0.4)
    line["scores"] |= {BEST: entry(0.9, 0.5), AS_TRAINED: entry(0.8, 0.3)}
    append_result(path, Job("em", "sparse", "10%+strokes", 0, 3.0), line)
    (only,) = group(read_results(path))
    assert only.main_readout == AS_TRAINED


@pytest.mark.parametrize(
    ("values", "text"), [([], "-"), ([0.4], ".400"), ([0.4, 0.5], ".450 ± .071"), ([1.0], "1.000")]
)
def test_a_mean_has_a_spread_only_with_seeds(values: list[float], text: str) -> None:
    assert spread(values) == text


def test_tables_take_the_place_of_the_old_ones(results: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nstale\n{END}\nafter\n", encoding="utf-8")
    for _ in range(2):
        write_tables(read_results(results), page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "stale" not in text
    (line,) = [line for line in text.splitlines() if "foreground" in line and "| 3 (700) | 2 |" in line]
    assert line.startswith("| 10%+strokes | 19 | ours, sparse, foreground by distance |")
    assert ".450 ± .071" in line
    (line,) = [line for line in text.splitlines() if "classical" in line]
    assert line.startswith("| - | - |")


def test_a_page_without_marks_is_left_alone(results: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match="expected the marks"):
        write_tables(read_results(results), page)
    assert page.read_text(encoding="utf-8") == "mine"


def test_figures(results: Path, tmp_path: Path) -> None:
    paths = draw_figures(read_results(results), tmp_path)
    assert [path.name for path in paths] == ["annotation_budget_objects.png", "annotation_budget_minutes.png"]
    assert all(skimage.io.imread(path).ndim == 3 for path in paths)


def test_no_course_over_time_without_two_times(results: Path, tmp_path: Path) -> None:
    rows = [row for row in read_results(results) if row["job"].minutes in (0, 3)]
    assert [path.name for path in draw_figures(rows, tmp_path)] == ["annotation_budget_objects.png"]


def test_the_grid_has_every_job_once() -> None:
    keys = [job.key for job in grid()]
    assert len(keys) == len(set(keys))
    assert "em/sparse/10%+strokes/seed2/3min" in keys
    assert not any("/dense/10%" in key for key in keys)
    assert {job.minutes for job in grid(0.1)} == {0, 0.1}


def test_patterns_choose_in_their_order() -> None:
    picked = chosen(grid(), ["nuclei/unet/10%/seed0/*", "em/sparse/10%/seed0/*"])
    assert [job.key for job in picked] == ["nuclei/unet/10%/seed0/3min", "em/sparse/10%/seed0/3min"]


def test_the_kept_results_are_jobs_of_the_grid() -> None:
    known = {job.key for job in grid()}
    assert {row["job"].key for row in read_results(RESULTS)} <= known
