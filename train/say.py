"""The trainer's own lines on standard error."""

from __future__ import annotations

import os
import sys


def say(line: str) -> None:
    """One line for people, once however many processes train."""
    if main_process():
        say_error(line)


def say_error(line: str) -> None:
    """One line for people from whichever process has something to say; the others name their rank."""
    who = "train" if main_process() else f"train, process {os.environ['RANK']}"
    sys.stderr.write(f"{who}: {line}\n")
    sys.stderr.flush()


def main_process() -> bool:
    """Whether this is the only process, or the first of those that train together."""
    return os.environ.get("RANK", "0") == "0"
