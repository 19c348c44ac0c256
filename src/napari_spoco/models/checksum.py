"""The SHA-256 of a model file, kept beside it as `sha256sum` writes it: NAME.sha256 for NAME."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_checksum(path: Path) -> str:
    """Write the checksum of a file beside it, where `sha256sum -c` finds it, and return it."""
    checksum = _compute(path)
    _place(path).write_text(f"{checksum}  {path.name}\n", encoding="utf-8", newline="\n")
    return checksum


def check_sum(path: Path) -> None:
    """Raise ValueError if a checksum lies beside a file and is not its own; the message names both."""
    place = _place(path)
    if not place.is_file():
        return
    wanted = re.search(r"\b[0-9a-f]{64}\b", place.read_text(encoding="utf-8", errors="replace").lower())
    if wanted is None:
        raise ValueError(f"path: expected the SHA-256 of {path.name} in {place}, found none.")
    if (found := _compute(path)) != wanted.group():
        raise ValueError(
            f"path: {path} is not the file that {place.name} beside it was made for (SHA-256 {wanted.group()}, got "
            f"{found}): copy it again, or remove {place.name} if it was changed on purpose."
        )


def _place(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _compute(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
