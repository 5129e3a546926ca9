"""Functions that worker processes can import."""

import os
import signal
import time
from pathlib import Path

from factory.errors import Stopped


def square(x):
    return x * x


def who(x):
    time.sleep(0.05)
    return os.getpid()


CALLS = []


def calls(x):
    """The item, this process, and how often it was called."""
    CALLS.append(x)
    time.sleep(0.02)
    return x, os.getpid(), len(CALLS)


def threads(x):
    import polars as pl

    return pl.thread_pool_size()


def folder(x):
    return os.getcwd()


def refuse(x):
    if x == 3:
        raise Stopped(f"item {x} is refused", do="run again")
    return x


def divide(x):
    return 1 // (x - 2)


def die_once(marks, x):
    """The first worker that gets an item whose number ends in 5 is killed."""
    mark = Path(marks) / str(x)
    if x % 10 == 5 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def die_always(x):
    if x == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def note(marks, seconds, x):
    """Leave a file with this worker's process id, then work for a while."""
    (Path(marks) / f"{x}.{os.getpid()}").touch()
    time.sleep(seconds)
    return x


def straggle(marks, others, x):
    """Item 0 takes until the others are done; each leaves a mark."""
    until = time.monotonic() + 60
    while x == 0 and len(list(Path(marks).iterdir())) < others:
        assert time.monotonic() < until, "the others wait for the slow one"
        time.sleep(0.02)
    (Path(marks) / str(x)).touch()
    return x
