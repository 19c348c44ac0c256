"""A simulated annotator: what a number of painted objects and of minutes is worth, beside other methods.

`python -m benchmarks.annotation_budget --list` names the jobs, `--help` says the rest. One idea per file: `sets` (the
images), `reveal` and `strokes` (what is annotated), `contestants` and the files it names (who learns from it),
`scores`, `jobs` (the grid, and the file of results), `run` (one job), `summary`, `tables` and `figures` (made from the
file of results alone).
"""
