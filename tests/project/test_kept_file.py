"""A project's file is parsed once, however much is asked, and what others write into it is seen at once."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_spoco.project import kept_file
from napari_spoco.project.file import ProjectFile, ProjectImage, ReviewDecisions, read_project_file, write_project_file
from napari_spoco.project.kept_file import KeptFile
from napari_spoco.project.project import Project

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = ProjectFile(name="cells", images=(ProjectImage(name="a", file="a.tif", shape=(4, 5)),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A project's file."""
    path = tmp_path / "project.toml"
    write_project_file(path, CONTENT)
    return path


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every path that is parsed from now on."""
    paths: list[Path] = []

    def read(path: Path) -> ProjectFile:
        paths.append(path)
        return read_project_file(path)

    monkeypatch.setattr(kept_file, "read_project_file", read)
    return paths


def test_questions_and_own_changes_are_not_parsed(parsed: list[Path], tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    assert len(parsed) == 1
    for name in ("a", "b"):
        project.add_image(np.arange(20.0).reshape(4, 5), name)
        project.set_annotations(name, np.eye(4, 5, dtype=np.int32))
        project.set_result(name, np.eye(4, 5, dtype=np.uint32), ReviewDecisions(accepted=(1,)))
    assert [image.n_found for image in project.images] == [1, 1]
    assert project.image("a").review.accepted == (1,)
    assert len(parsed) == 1
    assert Project.open(project.path).images == project.images


def test_what_has_not_changed_is_not_written(path: Path) -> None:
    project = Project.open(path.parent)
    before = path.stat().st_ino
    project.change_image("a", n_found=0)
    project.set_work(project.work)
    assert path.stat().st_ino == before
    project.change_image("a", n_found=1)
    assert path.stat().st_ino != before


def replace_alike(path: Path) -> None:
    """Replace the file by one of the same size and time."""
    before = path.stat()
    write_project_file(path, CONTENT.model_copy(update={"name": "CELLS"}))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def edit_in_place(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8").replace("cells", "CELLS"), encoding="utf-8")
    later = path.stat().st_mtime_ns + 10**9
    os.utime(path, ns=(later, later))


def change_elsewhere(path: Path) -> None:
    """Replace it in another process."""
    code = f"""
from pathlib import Path
from napari_spoco.project.file import read_project_file, write_project_file
path = Path({str(path)!r})
write_project_file(path, read_project_file(path).model_copy(update={{"name": "CELLS"}}))
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("is_own", [False, True], ids=["read", "written"])
@pytest.mark.parametrize("change", [replace_alike, edit_in_place, change_elsewhere])
def test_what_others_write_is_seen(parsed: list[Path], path: Path, change, is_own: bool) -> None:
    file = KeptFile(path)
    assert file.read() == CONTENT
    if is_own:
        file.write(CONTENT)
    change(path)
    n_parsed = len(parsed)
    for _ in range(2):
        assert file.read().name == "CELLS"
    assert len(parsed) == n_parsed + 1


def test_what_is_written_while_it_is_read_is_seen_next(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    file = KeptFile(path)

    def read(path: Path) -> ProjectFile:
        content = read_project_file(path)
        monkeypatch.undo()
        replace_alike(path)
        return content

    monkeypatch.setattr(kept_file, "read_project_file", read)
    assert file.read().name == "cells"
    assert file.read().name == "CELLS"


def test_what_is_written_right_after_it_was_is_seen(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """What stands there once `write` returns may be another one's."""
    file = KeptFile(path)
    replace = os.replace

    def replace_and_again(source: Path, target: Path) -> None:
        replace(source, target)
        if target == path:
            monkeypatch.undo()
            replace_alike(path)

    monkeypatch.setattr(os, "replace", replace_and_again)
    file.write(CONTENT.model_copy(update={"name": "other"}))
    assert file.read().name == "CELLS"


def test_what_is_kept_cannot_be_changed_by_who_wrote_it(path: Path) -> None:
    project = Project.open(path.parent)
    channels, closed = ["red"], ["image"]
    project.change_image("a", channels=channels, closed=closed)
    channels.append("green")
    closed.clear()
    image = project.image("a")
    assert (image.channels, image.closed) == (("red",), ("image",))
    assert read_project_file(path).images == project.images


def test_what_could_not_be_read_again_is_not_written(path: Path) -> None:
    project = Project.open(path.parent)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"project\.toml: images\.0\.n_found: expected .*integer, got 'many'"):
        project.change_image("a", n_found="many")
    assert path.read_bytes() == before
    assert project.image("a").n_found == 0
    assert [other.name for other in path.parent.iterdir()] == ["project.toml"]


def test_a_file_that_is_gone_is_missed(path: Path) -> None:
    file = KeptFile(path)
    file.read()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        file.read()
