"""One window per project, told by whom it is held; a crash leaves no lock behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from napari_spoco.project.lock import ProjectInUseError, ProjectLock, is_locked, last_holder


def test_the_second_is_told(tmp_path: Path) -> None:
    lock = ProjectLock(tmp_path)
    assert is_locked(tmp_path)
    with pytest.raises(ProjectInUseError, match=rf"open in another window \(process {os.getpid()} on "):
        ProjectLock(tmp_path)
    assert is_locked(tmp_path)
    lock.release()
    assert not is_locked(tmp_path)
    ProjectLock(tmp_path).release()


def test_threads_of_a_window_share_it(tmp_path: Path) -> None:
    lock = ProjectLock(tmp_path)
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join()
    assert not is_locked(tmp_path)


@pytest.mark.parametrize("text", [None, "{", "[]", '{"pid": "x", "host": 1}'])
def test_a_holder_that_cannot_be_read(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / ".holder.json").write_text(text)
    assert last_holder(tmp_path) is None
    lock = ProjectLock(tmp_path)
    assert json.loads((tmp_path / ".holder.json").read_text())["pid"] == os.getpid()
    lock.release()


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is of POSIX")
def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from napari_spoco.project.lock import ProjectLock\n"
        "lock = ProjectLock(Path(sys.argv[1])); print('held', flush=True); time.sleep(600)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(ProjectInUseError, match=f"process {child.pid} on"):
        ProjectLock(tmp_path)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    ProjectLock(tmp_path).release()
