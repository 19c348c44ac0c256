"""A project: a folder that keeps images, annotations, results and trainings. No Qt, no torch."""
