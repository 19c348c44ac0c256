"""The Python of docs/synthetic.md runs as it stands there, on smaller stacks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from PIL import Image

from napari_spoco import write_labels

PAGE = Path(__file__).parents[1] / "docs" / "synthetic.md"


def test_every_example_runs(tmp_path: Path, monkeypatch) -> None:
    first, *others = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(first.replace("(48, 192, 192)", "(8, 40, 48)"), PAGE.name, "exec"), names)
    with Image.open("synthetic.png") as picture:
        assert picture.size == (3 * 48, 40)
    write_labels("cells.tif", names["stack"].labels)
    for code in others:
        exec(compile(code.replace("256, 256", "40, 40"), PAGE.name, "exec"), names)
    assert names["image"].shape == (8, 40, 48)
    assert {stack.image.ndim for stack in (names["one"], names["two"], names["three"])} == {2, 3}
