"""The README's Python runs as it stands there, only shorter."""

from __future__ import annotations

import re
from pathlib import Path

import tifffile

REPOSITORY = Path(__file__).parents[1]


def test_the_ten_lines_of_python_do_the_main_job(tmp_path: Path, monkeypatch) -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    assert len(code.strip().splitlines()) <= 12
    monkeypatch.chdir(tmp_path)
    exec(compile(code.replace("max_minutes=2", "max_steps=3"), "README.md", "exec"), {})
    assert tifffile.imread(tmp_path / "nuclei_labels.tif").shape == (256, 256)


def test_linked_files_exist() -> None:
    for page in [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
