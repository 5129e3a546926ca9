"""SIGTERM and SIGHUP stop like Ctrl-C, so that a batch system's warning or a closed terminal ends a step cleanly."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def terminated() -> Iterator[None]:
    """Raise KeyboardInterrupt upon them, in the main thread; one that is ignored (`nohup`) stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def stop(number: int, frame: object) -> None:
        if os.getpid() != owner:
            os._exit(128 + number)  # a fork, which is not asked to clean up
        # A shell has Ctrl-C ignored by what runs in the background.
        if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)

    signs = [s for s in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(s) != signal.SIG_IGN]
    before = {sign: signal.signal(sign, stop) for sign in signs}
    try:
        yield
    finally:
        keep_exit_code()
        for sign, former in before.items():
            signal.signal(sign, former)


def keep_exit_code() -> None:
    """Let the exit code hold that is given after an interrupt, also under `python -m`.

    CPython lets `-m` die of SIGINT when the interrupt passed through an `exec` of a string, as every dataclass and
    named tuple does on import; another `exec` resets the mark.
    """
    exec("pass")
