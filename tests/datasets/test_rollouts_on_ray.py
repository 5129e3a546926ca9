"""Rollouts on Ray: actors of one (pretended) GPU each for a checkpoint, tasks otherwise, and the same rollouts as here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import tiny_student  # noqa: E402

from factory.steps import difficulty  # noqa: E402


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    return tiny_student.ask(tmp_path_factory.mktemp("problems"))


@pytest.fixture(autouse=True)
def whole_shards():
    before = difficulty.SHARD_PROBLEMS
    yield
    difficulty.SHARD_PROBLEMS = before


def on_ray(asked, out, student, model, gpus):
    command = [sys.executable, str(HERE / "tiny_student.py"), str(asked), str(out), student, model, str(gpus)]
    environment = {
        **os.environ,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def digests(folder):
    return [json.loads((folder / name / "_manifest.json").read_text())["output_digest"] for name in "dr"]


def journals(folder):
    return sorted(path.name for path in (folder / "store").glob("responses*.sqlite"))


@pytest.mark.slow
def test_a_checkpoint_gets_an_actor_a_gpu_and_rolls_out_the_same(asked, tmp_path):
    model = str(tiny_student.save_student(tmp_path / "sft" / "final"))
    here = tiny_student.roll(asked, tmp_path / "here", "student", model)["totals"]
    there = on_ray(asked, tmp_path / "there", "student", model, gpus=2)
    assert there == here and here["rollouts"] > 24
    assert digests(tmp_path / "there") == digests(tmp_path / "here")
    assert journals(tmp_path / "there") == ["responses-00000.sqlite", "responses-00001.sqlite"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_vllm_runs_in_an_actor(asked, tmp_path):
    """Needs vLLM beside Ray; its CPU build will do."""
    pytest.importorskip("vllm")
    model = str(tiny_student.save_student(tmp_path / "sft" / "final"))
    there = on_ray(asked, tmp_path / "there", "vllm-offline", model, gpus=1)
    here = tiny_student.roll(asked, tmp_path / "here", "vllm-offline", model)["totals"]
    assert there == here and here["rollouts"] >= 24
    assert digests(tmp_path / "there") == digests(tmp_path / "here")
    assert journals(tmp_path / "there") == ["responses-00000.sqlite"]


@pytest.mark.long
def test_a_student_without_a_checkpoint_is_rolled_out_in_tasks(asked, tmp_path):
    here = tiny_student.roll(asked, tmp_path / "here", "procedural", None)["totals"]
    there = on_ray(asked, tmp_path / "there", "procedural", "", gpus=0)
    assert there == here
    assert digests(tmp_path / "there") == digests(tmp_path / "here")
    assert len(journals(tmp_path / "there")) >= 1
