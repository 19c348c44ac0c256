"""The model in use: loaded, described, held against the image."""
