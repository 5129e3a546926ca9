"""Checkpoints of an unfinished stage: sealed when every process has written its part, so that a torn one is known.

transformers writes a checkpoint file by file; a kill or a full disk in between leaves a folder that looks like one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from factory.atomic import read_json, write_json
from factory.errors import UsageError
from train.manifest import Job

SEAL = "sealed.json"
"""Names and sizes of a checkpoint's files, written last."""


class SealCheckpoints(TrainerCallback):
    """Write the seal once all processes have written their files."""

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A checkpoint was written."""
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            write_json(folder / SEAL, _sizes(folder))


def _sizes(folder: Path) -> dict[str, int]:
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != SEAL)
    return {os.path.relpath(path, folder): path.stat().st_size for path in files}


def is_whole(folder: Path) -> bool:
    """Whether a checkpoint is sealed and its files have the sizes that were sealed."""
    try:
        return bool(read_json(folder / SEAL) == _sizes(folder))
    except UsageError:
        return False


def checkpoints(job: Job) -> list[Path]:
    """The stage's checkpoint folders, whole or torn, the latest first."""
    found = job.checkpoints.glob("checkpoint-*")
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)


def last_checkpoint(job: Job) -> Path | None:
    """The latest whole checkpoint, or None."""
    return next((path for path in checkpoints(job) if is_whole(path)), None)
