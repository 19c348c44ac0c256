"""Ctrl-C and SIGTERM during a training: the first one ends it after its step, the second one at once."""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType
from typing import Any

_STDERR = 2


class Interruption:
    """Catches the two signals while it is entered; the handlers before it come back afterwards.

    Parameters
    ----------
    sentence
        Said at the first signal; nothing if empty.
    """

    def __init__(self, sentence: str = "") -> None:
        self._sentence = f"\n{sentence}\n".encode() if sentence else b""
        self._before: dict[int, Any] = {}
        self._signal: int | None = None

    def __enter__(self) -> Interruption:
        """Take the signals."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        """Give them back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def exit_code(self) -> int:
        """What a shell expects of a program that a signal has ended: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + (self._signal or 0)

    def is_asked(self) -> bool:
        """Say whether the training is to end."""
        return self._signal is not None

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        is_second = self._signal is not None
        self._signal = number
        if is_second:
            raise KeyboardInterrupt
        # A signal may come in the middle of a print, and print cannot be entered twice.
        with contextlib.suppress(OSError):
            os.write(_STDERR, self._sentence)
