"""What is exported, read by each trainer's own loader and graded by its own reward."""

import subprocess
import sys

import pytest

from benchmarks.exports import LOADERS, read_back
from benchmarks.result import ROOT


def reads_all(name):
    found = read_back(name, ROOT / ".trainers")
    assert found["rows"] and found["cells"] > found["rows"], found
    assert not found["different"] and not found["misjudged"], found


def test_trl_reads_and_grades_every_row():
    reads_all("trl")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", [name for name in LOADERS if name != "trl"])
def test_every_trainer_reads_and_grades_every_row(name):
    """Makes an environment of about 5 GB below .trainers/ when it is not there."""
    wanted = LOADERS[name].python
    words = [sys.executable, "-m", "uv", "python", "find", "--no-python-downloads", wanted]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip(f"{name} needs Python {wanted}, which is not on this machine")
    reads_all(name)
