"""Which device "auto" means on this machine, found out by a child process: the one that asks never imports torch.

python -m napari_spoco.training.default_device     # what the child does
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import NamedTuple

from napari_spoco.data.child_python import is_plain_python, run_module

logger = logging.getLogger(__name__)

_TIMEOUT = 120.0
"""Seconds; on a slow disk the first import of torch takes half a minute."""


class DefaultDevice(NamedTuple):
    """What torch calls it ("cpu", "cuda", "mps"), and what its maker does; empty where that is not known."""

    kind: str
    name: str = ""


def find_default_device() -> DefaultDevice | None:
    """Ask a child process, and wait for it; to be called in a thread. None where that cannot be found out."""
    if not is_plain_python():
        return None
    try:
        said = run_module("napari_spoco.training.default_device", timeout=_TIMEOUT)
        return DefaultDevice(**json.loads(said.splitlines()[-1]))
    except (subprocess.SubprocessError, OSError, ValueError, TypeError, IndexError) as error:
        logger.info("Which device trains could not be found out: %s", error)
        return None


def main() -> None:
    """Print the device as a line of JSON."""
    import torch

    from napari_spoco.training.devices import choose_device

    device = choose_device("auto")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    sys.stdout.write(json.dumps(DefaultDevice(device.type, name)._asdict()) + "\n")


if __name__ == "__main__":
    main()
