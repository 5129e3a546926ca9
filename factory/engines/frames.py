"""The other side of `framed`: what a worker process does with its pipes and its limits. It imports the standard library only.

Frames are a 4-byte big-endian length and JSON.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import struct
import sys
from typing import Any, BinaryIO

MEMORY_BYTES = 2 * 2**30
"""Address space of a worker; what needs more fails."""


def read_frame(stream: BinaryIO) -> Any | None:
    """The next frame, or None at the end of the stream."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    body = stream.read(struct.unpack(">I", head)[0])
    return json.loads(body)


def frame(value: Any) -> bytes:
    """A frame as bytes. Lone surrogates travel as JSON escapes, what JSON does not know as text."""
    body = json.dumps(value, separators=(",", ":"), default=str).encode("ascii")
    return struct.pack(">I", len(body)) + body


def enter_worker() -> tuple[BinaryIO, BinaryIO]:
    """Take the pipes for frames and keep to the limits; stray output goes to stderr, which is thrown away.

    A timer of processor time (`signal.ITIMER_PROF`) ends the process, in the middle of a long multiplication if need be.
    """
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
    return source, sink


def _end_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies, even in the middle of a check."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)
