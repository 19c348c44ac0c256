"""The tab Batch: many images with one model."""
