"""Started twice by torchrun: one stage after the other, each in a copy of a trained run. `RUN OUT CELLS.json`"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from factory.config.recipe import Recipe
from factory.errors import Stopped
from train import stages
from train.callbacks import StopOnSignal
from train.run import run_stage
from train.say import main_process
from train.stages import wait


class StopAfterOne(StopOnSignal):
    """Stops by itself after a step."""

    def on_step_end(self, args, state, control, **more):
        self.asked = True
        super().on_step_end(args, state, control, **more)


if __name__ == "__main__":
    source, out, cells = (Path(word) for word in sys.argv[1:])
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
