"""Ends a run that hangs: vLLM that no longer answers, a rank that waits for another, a checker that is stuck.

A hung collective or server cannot be interrupted from Python, so the process is ended; the last checkpoint stays.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from types import TracebackType
from typing import Self

from transformers import TrainerCallback


class Watchdog(TrainerCallback):
    """Ends the process when no phase has begun for `seconds`; use as a context manager around training."""

    def __init__(self, stage: str, seconds: float) -> None:
        """`seconds`: longest time that a single phase (sampling, scoring, learning) may take."""
        self.stage, self.seconds = stage, seconds
        self.phase, self.since, self.step = "starting", time.monotonic(), 0
        self._done = threading.Event()

    def __enter__(self) -> Self:
        """Start watching."""
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop watching."""
        self._done.set()
        self._thread.join()

    def enter(self, phase: str) -> None:
        """A new phase begins now."""
        self.phase, self.since = phase, time.monotonic()

    def on_step_begin(self, args: object, state: object, control: object, **_: object) -> None:
        """A step begins."""
        self.step = getattr(state, "global_step", 0) + 1
        self.enter("learning")

    def on_step_end(self, args: object, state: object, control: object, **_: object) -> None:
        """A step ended; what follows is logging, saving and loading rows."""
        self.enter("saving or loading rows")

    def _watch(self) -> None:
        while not self._done.wait(min(5.0, self.seconds / 4)):
            silent = time.monotonic() - self.since
            if silent > self.seconds:
                sys.stderr.write(
                    f"train: stage {self.stage}, step {self.step}: nothing has happened for {silent:.0f} s while "
                    f"{self.phase} - if vLLM samples, look at its log; then run again with --resume, or raise "
                    f"train.{self.stage}.stall_minutes\n"
                )
                faulthandler.dump_traceback(file=sys.stderr)
                sys.stderr.flush()
                os._exit(1)
