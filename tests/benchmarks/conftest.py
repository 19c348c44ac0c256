"""The benchmarks are no part of the package: they are found from the repository's root."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
# A source distribution has no benchmarks.
collect_ignore_glob = [] if (ROOT / "benchmarks").is_dir() else ["test_*.py"]
