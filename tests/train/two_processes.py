"""Started twice by torchrun: one stage after the other, each in a copy of a trained run. `RUN OUT CELLS.json`"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from factory.config.recipe import Recipe
from train.run import run_stage
from train.say import main_process
from train.stages import wait

if __name__ == "__main__":
    source, out, cells = (Path(word) for word in sys.argv[1:])
    for name, cell in json.loads(cells.read_text()).items():
        if main_process():
            shutil.copytree(source, out / name)
        wait()
        run_stage(Recipe.model_validate(cell["recipe"]), out / name, cell["stage"])
        if main_process():
            print(name, flush=True)
