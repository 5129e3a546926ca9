"""A worker process: reads batches of prepared checks from stdin, writes one result after another to stdout.

Frames are a 4-byte big-endian length and JSON. The process is started by `pool`, imports only what a check needs,
caps its own memory and the processor time of each check, and never prints: stray output of a library goes to stderr,
which is thrown away.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import importlib
import json
import os
import resource
import signal
import struct
import sys
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

MEMORY_BYTES = 2 * 2**30
"""Address space of a worker; a check that needs more is `unverifiable`."""


def read_frame(stream: BinaryIO) -> Any | None:
    """The next frame, or None at the end of the stream."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    body = stream.read(struct.unpack(">I", head)[0])
    return json.loads(body)


def frame(value: Any) -> bytes:
    """A frame as bytes. Lone surrogates travel as JSON escapes."""
    body = json.dumps(value, separators=(",", ":")).encode("ascii")
    return struct.pack(">I", len(body)) + body


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


def _end_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies, even in the middle of a check."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def main() -> None:
    """Entry point of the worker process."""
    _end_with_parent()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(3_000)
    sink = os.fdopen(os.dup(1), "wb")
    source = os.fdopen(os.dup(0), "rb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    serve(source, sink, float(sys.argv[1]))


if __name__ == "__main__":
    main()
