"""The tab Annotate: which images, what is painted, and tools to paint with."""
