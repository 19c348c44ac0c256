"""The tab Train: start, settings, the training process, and what it reports."""
