"""A worker process: reads batches of prepared checks from stdin, writes one result after another to stdout.

Frames are a 4-byte big-endian length and JSON. The process is started by `pool`, imports only what a check needs,
caps its own memory, and never prints: stray output of a library goes to stderr, which is thrown away.
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


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer batches until the stream ends."""
    from factory.verification.check import Prepared, decide

    while (batch := read_frame(source)) is not None:
        load({item["kind"] for item in batch})
        sink.write(frame({"event": "ready"}))
        sink.flush()
        for item in batch:
            result = decide(Prepared(**item))
            sink.write(frame(dataclasses.asdict(result)))
            sink.flush()


def load(kinds: set[str]) -> None:
    """Import what the checkers of these kinds need, so that it does not count against a check's time."""
    if "math" in kinds:
        importlib.import_module("factory.verification.mathematics")
        importlib.import_module("math_verify")
    if "reasoning_gym" in kinds:
        with contextlib.suppress(ImportError):
            importlib.import_module("reasoning_gym")


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
    serve(source, sink)


if __name__ == "__main__":
    main()
