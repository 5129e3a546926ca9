"""SIGKILL at random moments over all steps of `factory run`, with a server that breaks replies on purpose.

What counted before a kill is there after it, unchanged, and is not asked for again; what is booked is at least what the
server delivered, also to requests that were in flight at a kill; the finished run has the digests of one that nobody killed.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from workers import ROOT, identity, leave

from factory.atomic import read_json
from factory.run.layout import PLAN
from factory.sampling.presets import Prices
from factory.sampling.store.journal import ResponseStore
from factory.steps.status import check_folder

FAULTS = {
    "429_after": 0.02,
    "500": 0.02,
    "reset_before": 0.02,
    "reset_during": 0.04,
    "bad_sse": 0.02,
    "split_unicode": 0.04,
}
LIMIT = 512
PRICES = Prices(1.0, 1000.0, "test")
RECIPE = """
name: kills
problems: {{sources: ["{problems}"], held_out: 3}}
generate:
  teacher: vllm
  model: fake-r1
  base_url: "http://127.0.0.1:{port}/v1"
  prompt: "{{problem}}"
  samples: 3
  max_tokens: {limit}
  concurrency: 8
  price: [{prices.prompt}, {prices.completion}]
train: null
"""


def write_recipe(folder, port):
    """40 problems, four of which are the same as others, and their recipe."""
    folder.mkdir()
    lines = [
        {"id": f"q{i}", "problem": f"What is {i} + {i}?", "answer": "7" if i % 3 else "8"} for i in range(36)
    ]
    lines += [{**line, "id": f"again-{line['id']}"} for line in lines[:4]]
    (folder / "p.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(problems=folder / "p.jsonl", port=port, limit=LIMIT, prices=PRICES))
    return path


def start(recipe, out):
    return subprocess.Popen(
        [sys.executable, "-m", "factory.cli.main", "run", str(recipe), "--out", str(out)],
        cwd=ROOT,
        env={**os.environ, "FACTORY_PROGRESS": "off"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(recipe, out):
    process = start(recipe, out)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()


def digests(run):
    return {
        str(p.parent.relative_to(run)): read_json(p)["output_digest"] for p in run.rglob("_manifest.json")
    }


def stored(run):
    """What the store holds, by the server's name for it, and what is booked."""
    if not (run / "store" / "responses.sqlite").exists():
        return {}, 0.0
    note = run / "responses" / "teacher" / "__side" / "_job.json"
    with ResponseStore(run / "store") as store:
        found = {identity(each, LIMIT): each for each in store.get_many(list(store.keys()))}
        return found, store.spent(read_json(note)["job"])[0] if note.exists() else 0.0


def step_at(run, folders):
    """The step that a run was in: the first without a manifest, of those that a finished run has."""
    steps = [(place.step, place.folder) for place in PLAN if place.folder in folders]
    return next((step for step, folder in steps if not (run / folder / "_manifest.json").exists()), "report")


def wait_for_steps(process, run, more, patience):
    """Wait until `more` further steps have ended, or the run itself, at most `patience` seconds."""
    begin, until = len(digests(run)), time.monotonic() + patience
    while process.poll() is None and time.monotonic() < until:
        if len(list(run.rglob("_manifest.json"))) >= begin + more:
            return
        time.sleep(0.005)


def kill_and_check(serve, tmp_path, *, kills, seed):
    settings = {"faults": FAULTS, "tokens": [20, 120], "rate": 300, "chunk": 5, "text": "It is \\boxed{7}."}
    calm, server = serve(**settings), serve(**settings)
    began = time.monotonic()
    finish(write_recipe(tmp_path / "calm", calm.port), tmp_path / "whole")
    longest = time.monotonic() - began
    expected = digests(tmp_path / "whole")
    recipe, out = write_recipe(tmp_path / "killed", server.port), tmp_path / "run"
    draw, safe, asked_when_safe, at = random.Random(seed), {}, {}, Counter()
    lost = twice = below = finished = delivered_before = 0
    while at.total() < kills:
        process = start(recipe, out)
        try:
            # Half of the kills fall at any time, most of which a run spends on its start and on requests; the others
            # soon after the end of one of the next steps.
            if draw.random() < 0.5:
                wait_for_steps(process, out, draw.randrange(4), longest)
                process.wait(timeout=draw.uniform(0.0, longest / 50))
            else:
                process.wait(timeout=draw.uniform(0.0, longest))
        except subprocess.TimeoutExpired:
            # All of its processes, or the first alone: its workers end with it.
            (os.killpg if draw.random() < 0.6 else os.kill)(process.pid, signal.SIGKILL)
        errors = process.communicate()[1].decode()
        if process.returncode == 0:
            assert digests(out) == expected
            finished += 1
        else:
            assert process.returncode == -signal.SIGKILL, errors
            at[step_at(out, expected)] += 1
        found, booked = stored(out)
        asked, stats = server.get("asked"), server.get("stats")
        delivered = PRICES.cost(stats["prompt_tokens"], stats["completion_tokens"])
        lost += sum(found.get(name) != each for name, each in safe.items())
        twice += sum(asked[name] != asked_when_safe[name] for name in safe)
        below += booked < delivered - delivered_before - 1e-9
        asked_when_safe |= {name: asked[name] for name in found.keys() - safe.keys()}
        safe = found
        if process.returncode == 0:
            shutil.rmtree(out)
            safe, asked_when_safe, delivered_before = {}, {}, delivered
    finish(recipe, out)
    assert digests(out) == expected
    assert check_folder(out) == []
    left = [path.name for path in out.rglob(".*") if path.name != ".lock"]
    return {
        "kills": at.total(), "at": dict(at), "finished in between": finished, "lost": lost,
        "counted and asked again": twice, "booked below what was delivered": below, "left over": left,
    }  # fmt: skip


def sound(figures):
    names = ("lost", "counted and asked again", "booked below what was delivered")
    assert [figures[name] for name in names] == [0, 0, 0], figures
    assert figures["left over"] == []


def test_a_few_kills_over_all_steps_change_nothing(serve, tmp_path):
    sound(kill_and_check(serve, tmp_path, kills=2, seed=1))


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(30, 34))
def test_a_hundred_kills_over_all_steps_change_nothing(serve, tmp_path, seed):
    figures = kill_and_check(serve, tmp_path, kills=25, seed=seed)
    leave(figures)
    sound(figures)
