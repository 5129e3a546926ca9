"""`factory train` is `python train/run.py`: the same lines, the same exit codes."""

import os
import subprocess
import sys

import pytest

from tests.support.cli import start_factory


@pytest.mark.parametrize(
    "words",
    [
        ("--stage", "sft", "--run", "absent"),
        ("--stage", "sft", "--run", "absent", "--recipe", "nosuch"),
        ("--stage", "rl", "--dry-run", "--run", "absent", "--recipe", "quickstart", "--set", "train.rl.x=1"),
        ("--stage", "rl", "--dry-run", "--run", "absent", "--recipe", "quickstart"),
    ],
)
def test_the_verb_says_what_the_module_says(words, tmp_path):
    ours = start_factory("train", *words, cwd=tmp_path)
    plain = subprocess.run(
        [sys.executable, "-m", "train.run", *words],
        capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"FACTORY_PROGRESS": "off"}, check=False,
    )  # fmt: skip
    assert ours.returncode == plain.returncode == 2
    assert ours.stderr == plain.stderr and len(ours.stderr.strip().splitlines()) == 1


def test_a_stage_that_is_none_is_one_line(tmp_path):
    done = start_factory("train", "--stage", "sfz", cwd=tmp_path)
    assert done.returncode == 2 and "sfz" in done.stderr and len(done.stderr.strip().splitlines()) == 1
