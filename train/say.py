"""What the trainer says on standard error: its own lines, and little from the libraries below it."""

from __future__ import annotations

import logging
import os
import sys
import warnings


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


def silence() -> None:
    """Quieten transformers, TRL, datasets and accelerate; errors still come through. Call before they are imported."""
    quiet = (
        "TQDM_DISABLE",
        "TRL_EXPERIMENTAL_SILENCE",
        "HF_HUB_DISABLE_PROGRESS_BARS",
        "HF_HUB_DISABLE_TELEMETRY",
    )
    for name in (*quiet, "TRANSFORMERS_NO_ADVISORY_WARNINGS"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=UserWarning)
    import datasets
    import transformers

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for name in ("trl", "accelerate", "torch.distributed", "httpx"):
        logging.getLogger(name).setLevel(logging.ERROR)
