"""Run the jobs of the grid that are not done yet; make tables and figures of those that are."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.annotation_budget.jobs import RESULTS, append_result, chosen, grid, read_results

if TYPE_CHECKING:
    from benchmarks.annotation_budget.jobs import Job


def main() -> None:
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.annotation_budget", description=__doc__)
    parser.add_argument("--list", action="store_true", help="name the jobs, those that are done with a +")
    parser.add_argument("--only", nargs="*", default=[], metavar="PATTERN", help="jobs such as 'em/*/10%%+strokes/*'")
    parser.add_argument("--minutes", type=float, help="of processor time, instead of those of the grid")
    parser.add_argument("--data", type=Path, help="folder of the sets that do not ship with the package")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--models", type=Path, help="keep the trained models in this folder")
    parser.add_argument("--machine", default=f"{os.cpu_count()} cores, one thread", help="the machine, in words")
    parser.add_argument("--tables", type=Path, metavar="FILE", help="write the tables into this file, run nothing")
    parser.add_argument("--figures", type=Path, metavar="FOLDER", help="draw the figures there, run nothing")
    options = parser.parse_args()
    done = {row["job"].key for row in read_results(options.results)}
    jobs = chosen(grid(options.minutes), options.only)
    if options.list:
        for job in jobs:
            print("+" if job.key in done else " ", job.key)
    elif options.tables or options.figures:
        _report(options)
    else:
        _run([job for job in jobs if job.key not in done], options)


def _run(jobs: list[Job], options: argparse.Namespace) -> None:
    from benchmarks.annotation_budget.run import run_job

    from napari_spoco.training.devices import limit_threads

    limit_threads(1)
    if options.models:
        options.models.mkdir(parents=True, exist_ok=True)
    for number, job in enumerate(jobs, start=1):
        print(f"{number}/{len(jobs)} {job.key}", flush=True)
        result = run_job(job, options.data, options.machine, options.models)
        append_result(options.results, job, result)
        for name, scores in result["scores"].items():
            for by, row in scores.items():
                print(f"    {name}, by {by} ({row['setting']}): {row['evaluation']}", flush=True)


def _report(options: argparse.Namespace) -> None:
    from benchmarks.annotation_budget.figures import draw_figures
    from benchmarks.annotation_budget.tables import write_tables

    rows = read_results(options.results)
    if options.tables:
        print(write_tables(rows, options.tables))
    if options.figures:
        print(*draw_figures(rows, options.figures), sep="\n")


if __name__ == "__main__":
    main()
