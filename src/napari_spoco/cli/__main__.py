"""`python -m napari_spoco.cli`, the same as `napari-spoco`."""

from napari_spoco.cli import app

if __name__ == "__main__":
    app()
