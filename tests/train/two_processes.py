"""Started twice by torchrun: one stage after the other, each in a copy of a trained run. `RUN OUT CELLS.json`

accelerate shards nothing on CPU: it leaves FSDP out where it finds `MULTI_CPU`, and says nothing. Under another name torch
shards over gloo as over any other backend. What a stage's model was at the end stands in `CELL/how.json`.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from accelerate import PartialState
from accelerate.utils import DistributedType

from factory.config.recipe import Recipe
from factory.errors import Stopped
from train import stages
from train.callbacks import StopOnSignal
from train.run import run_stage
from train.say import main_process
from train.stages import wait


def shard_on_cpu() -> None:
    """Let accelerate shard over gloo, too."""
    begin = PartialState.__init__

    def init(self, *args, **settings):
        begin(self, *args, **settings)
        if self.distributed_type == DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.MULTI_GPU

    PartialState.__init__ = init


def tell(save=stages._save):
    """Write down how the model of a stage was divided, before it is saved."""

    def told(job, trainer, tokenizer):
        kinds = sorted({type(each.data).__name__ for each in trainer.model.parameters()})
        if main_process():
            how = {"type": str(trainer.accelerator.distributed_type.value), "parameters": kinds}
            (job.layout.run / "how.json").write_text(json.dumps(how))
        save(job, trainer, tokenizer)

    stages._save = told


class StopAfterOne(StopOnSignal):
    """Stops by itself after a step."""

    def on_step_end(self, args, state, control, **more):
        self.asked = True
        super().on_step_end(args, state, control, **more)


if __name__ == "__main__":
    source, out, cells = (Path(word) for word in sys.argv[1:])
    tell()
    if os.environ.get("ACCELERATE_USE_FSDP"):
        shard_on_cpu()
    for name, cell in json.loads(cells.read_text()).items():
        if main_process():
            shutil.copytree(source, out / name)
        wait()
        recipe = Recipe.model_validate(cell["recipe"])
        if cell["stop"]:
            stages.StopOnSignal = StopAfterOne
            with pytest.raises(Stopped):
                run_stage(recipe, out / name, cell["stage"])
            stages.StopOnSignal = StopOnSignal
        run_stage(recipe, out / name, cell["stage"], resume=True)
        if main_process():
            print(name, flush=True)
