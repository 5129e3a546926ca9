"""A whole run with its four training stages, killed in the middle of one: it goes on and ends with the full ladder."""

import json
import os
import signal
import subprocess
import sys
import time

import polars as pl
import pytest

from factory.run.layout import PAPER as STAGES
from factory.run.layout import RunLayout
from factory.run.parts import MANIFEST, read_parts

RECIPE = """
name: small
problems:
  sources: ["procedural:modular_chain?count=260&seed=3&style=terse&levels=elementary&modulus=3"]
  held_out: 30
generate: {teacher: procedural, samples: 3, max_tokens: 256, slip_rate: 0.4}
datasets: {sft_rows: 100}
difficulty: {problems: 40, min_samples: 2, max_samples: 3, max_tokens: 40, low: 0.0, high: 1.0, batch_size: 128}
preference: {rejected_from: teacher, max_pairs: 40, match_length: true, max_format_bias: 1.0, max_duplicates: 1.0}
rl_prompts: {low: 0.0, high: 1.0}
train:
  student: {model: tiny, hidden_size: 48, layers: 2, heads: 2, vocabulary: 400, positions: 256}
  midtrain: {max_length: 128, batch_size: 8, micro_batch_size: 4, max_steps: 120, learning_rate: 3.0e-3}
  save_every: 10
  sft: {max_length: 128, batch_size: 16, micro_batch_size: 16, max_steps: 15, learning_rate: 1.0e-3}
  dpo: {max_length: 128, batch_size: 8, micro_batch_size: 8, max_steps: 4, learning_rate: 1.0e-4}
  rl: {batch_size: 8, micro_batch_size: 8, group_size: 2, oversample: 2, max_steps: 2, max_completion_length: 40, max_dead: 1,
       max_prompt_length: 96, learning_rate: 1.0e-4, max_accuracy: 1.0}
evaluation: {samples: 1, max_tokens: 40, batch_size: 64}
"""


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_killed_run_goes_on_to_the_full_ladder(tmp_path):
    recipe, run = tmp_path / "small.yaml", tmp_path / "run"
    recipe.write_text(RECIPE)
    at = RunLayout(run)
    command = [sys.executable, "-m", "factory.cli.main", "run", str(recipe), "--out", str(run)]

    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not list(at.stage("midtrain").rglob("checkpoint-*")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    seen = [json.loads(line) for line in (at.stage("midtrain") / "metrics.jsonl").read_text().splitlines()]
    assert not at.checkpoint("midtrain").exists()

    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]

    steps = [
        json.loads(line)["step"] for line in (at.stage("midtrain") / "metrics.jsonl").read_text().splitlines()
    ]
    assert max(steps) == 120 and len(seen) <= len(steps)
    parent = "base"
    for stage in STAGES:
        assert (at.checkpoint(stage) / "model.safetensors").exists()
        manifest = json.loads((at.checkpoint(stage) / MANIFEST).read_text())
        assert manifest["totals"]["parent"] == parent
        parent = stage
    for stage in ("base", *STAGES):
        summary = json.loads((at.evaluation(stage) / "summary.json").read_text())
        assert summary["benchmarks"]["held_out"]["questions"] <= 30
    pairs = pl.read_parquet(sorted(at.dataset("preference").glob("train-*.parquet")))
    assert 0 < pairs.height <= 40
    assert json.loads(at.ledger.read_text())["balanced"]
    assert at.report.exists()

    again = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "nothing has changed" in again.stdout

    words = [*command, "--set", "rl_prompts.remeasure=true", "--until", "rl-prompts"]
    remeasured = subprocess.run(words, capture_output=True, text=True, timeout=200, check=False)
    assert remeasured.returncode == 0, remeasured.stderr[-3000:]
    by, student = (
        json.loads((folder / MANIFEST).read_text()) for folder in (at.rl_rollouts, at.checkpoint("dpo"))
    )
    assert by["inputs"]["student"] == student["output_digest"], "the student that rl starts from"
    used = {row for name in ("sft", "preference") for row in read_parts(at.selected(name))["problem_id"]}
    rolled, prompts = (
        set(read_parts(folder)["problem_id"]) for folder in (at.rl_rollouts, at.selected("rl"))
    )
    assert rolled and not rolled & used and prompts <= rolled
