"""Names of model files: those that ship with the package, and those in the folder of a training."""

from __future__ import annotations

from functools import cache
from pathlib import Path

RUN_MODELS = ("best.safetensors", "last.safetensors")
"""In the folder of a training (`training/run_folder.py`); the first that is there is the one to use."""
_FOLDER = Path(__file__).parent / "shipped"


@cache
def shipped_models() -> tuple[str, ...]:
    """Return the names of the shipped models."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.safetensors")))


def shipped_path(name: str) -> Path:
    """Return where the shipped model of that name lies, or would lie."""
    return _FOLDER / f"{name}.safetensors"


def shipped_card(name: str) -> str:
    """Return the card of the shipped model of that name, in Markdown: training data, scores, limits."""
    return shipped_path(name).with_suffix(".md").read_text(encoding="utf-8")


@cache
def describe_shipped(name: str) -> str:
    """Return what the shipped model of that name is for: the first sentence of its card, which begins "2D" or "3D"."""
    sentence = shipped_card(name).split("\n\n")[1].split(". ")[0]
    return " ".join(sentence.split())


def model_in_folder(path: Path) -> Path:
    """Return the model to use in the folder of a training; any other path as it is."""
    return next((path / name for name in RUN_MODELS if (path / name).is_file()), path)


def shipped_data(name: str) -> tuple[Path, Path]:
    """Return where images and labels (TIFF, one plane per image) lie that shipped models were trained on."""
    return _FOLDER / f"{name}_images.tif", _FOLDER / f"{name}_labels.tif"
