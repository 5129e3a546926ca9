"""Where a tracker writes: inside the run's folder, without a network, unless the user's own variables say otherwise.

`metrics.jsonl` is always written; a tracker is for looking at curves while a stage trains.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from importlib.util import find_spec

from factory.errors import UsageError
from train.stage import Job

PACKAGES = {"trackio": "trackio", "wandb": "wandb", "tensorboard": "tensorboard"}


@contextlib.contextmanager
def tracked(job: Job) -> Iterator[None]:
    """Point the recipe's tracker at the run's folder while the block trains.

    - trackio: one SQLite file in `train/trackio/`; `TRACKIO_DIR=RUN/train/trackio trackio show` draws the curves. TRL
      imports trackio, which reads the variable then: enter the block before TRL is imported. One process serves one run.
    - tensorboard: event files in `train/<stage>/tensorboard/`.
    - wandb: off-line files in `train/wandb/` for `wandb sync`; `WANDB_MODE=online` sends them at once.

    What trackers say on standard output is kept back: the trainer's own lines tell what goes on.

    Raises:
        UsageError: the tracker's package is not installed.
    """
    assert job.recipe.train is not None
    tracker = job.recipe.train.tracker
    if tracker == "none":
        yield
        return
    if find_spec(PACKAGES[tracker]) is None:
        raise UsageError(
            f"train.tracker is {tracker}, which is not installed",
            do=f"pip install {PACKAGES[tracker]}, or set train.tracker=none",
        )
    folder = job.layout.run / "train"
    every: dict[str, dict[str, object]] = {
        "trackio": {"TRACKIO_DIR": folder / "trackio"},
        "tensorboard": {"TENSORBOARD_LOGGING_DIR": job.folder / "tensorboard"},
        "wandb": {"WANDB_DIR": folder, "WANDB_MODE": "offline"},
    }
    places = every[tracker]
    ours = [name for name in places if name not in os.environ]
    for name in ours:
        os.environ[name] = str(places[name])
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
