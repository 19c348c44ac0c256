"""The scripts that train our models are no part of the package: they import each other from their own folder."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "pretraining"
if str(FOLDER) not in sys.path:
    sys.path.insert(0, str(FOLDER))
# A source distribution has no scripts.
collect_ignore_glob = [] if FOLDER.is_dir() else ["test_*.py"]
