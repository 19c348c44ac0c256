"""Names of the models that ship with the package."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent / "shipped"


def shipped_models() -> tuple[str, ...]:
    """Return the names of the shipped models."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.safetensors")))


def shipped_path(name: str) -> Path:
    """Return where the shipped model of that name lies, or would lie."""
    return _FOLDER / f"{name}.safetensors"
