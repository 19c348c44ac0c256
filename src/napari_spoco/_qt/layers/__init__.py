"""Layers of napari: found, read, made, written; how their pixels are read."""
