"""A worker process of `pool`: reads batches of prepared checks, writes one result after another (`factory.engines.frames`)."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

from factory.engines.frames import enter_worker, frame, read_frame


def serve(source: BinaryIO, sink: BinaryIO, seconds: float) -> None:
    """Answer batches until the stream ends; each check has `seconds` of processor time."""

    def send(value: Any) -> None:
        sink.write(frame(value))
        sink.flush()

    @contextlib.contextmanager
    def off_the_clock() -> Iterator[None]:
        """Time in which a library is loaded is no check's: the timer stops, and the parent is told."""
        left = signal.setitimer(signal.ITIMER_PROF, 0)[0]
        send({"event": "loading"})
        try:
            yield
        finally:
            send({"event": "loaded"})
            signal.setitimer(signal.ITIMER_PROF, left)

    send({"event": "loading"})
    from factory.verification.check import Prepared, decide

    mathematics: Any = importlib.import_module("factory.verification.mathematics")
    mathematics.off_the_clock = off_the_clock
    send({"event": "loaded"})
    while (batch := read_frame(source)) is not None:
        if any(item["kind"] == "reasoning_gym" for item in batch) and "reasoning_gym" not in sys.modules:
            with off_the_clock(), contextlib.suppress(ImportError):
                importlib.import_module("reasoning_gym")
        for item in batch:
            began = time.process_time()
            # The signal's default action ends the process, in the middle of a long multiplication if need be.
            signal.setitimer(signal.ITIMER_PROF, seconds)
            result = decide(Prepared(**item))
            signal.setitimer(signal.ITIMER_PROF, 0)
            send(dataclasses.asdict(dataclasses.replace(result, seconds=time.process_time() - began)))


if __name__ == "__main__":
    serve(*enter_worker(), float(sys.argv[1]))
