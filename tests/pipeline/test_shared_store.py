"""One response store for several runs: a renamed run buys nothing again."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from factory.run.layout import RunLayout
from factory.run.parts import read_parts

SERVER = Path(__file__).parents[1] / "servers" / "fault_server.py"
RECIPE = """
name: {name}
problems:
  sources: ["procedural:linear_equation?count=30&seed=3&style=terse"]
generate: {{teacher: vllm, model: m, base_url: "{url}", samples: 2, max_tokens: 64}}
train: null
"""


@pytest.fixture
def server():
    process = subprocess.Popen([sys.executable, str(SERVER)], stdout=subprocess.PIPE, text=True)
    yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    process.kill()
    process.wait()
    process.stdout.close()


def asked(server):
    with urllib.request.urlopen(f"{server}/stats", timeout=20) as reply:
        return json.load(reply)["asked"]


def generate(server, folder, name, *more, **environment):
    recipe = folder / f"{name}.yaml"
    recipe.write_text(RECIPE.format(name=name, url=f"{server}/v1"))
    command = [sys.executable, "-m", "factory.cli.main", "run", str(recipe), "--out", str(folder / name)]
    clean = {key: value for key, value in os.environ.items() if key != "FACTORY_STORE"}
    done = subprocess.run(
        [*command, "--until", "generate", *more],
        env=clean | {"FACTORY_PROGRESS": "off"} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return read_parts(RunLayout(folder / name).responses)


def test_a_renamed_run_buys_nothing_again(server, tmp_path):
    shared = tmp_path / "bought"
    first = generate(server, tmp_path, "one", "--store", str(shared))
    assert first.height == 2 * first["problem_id"].n_unique() > 0
    before = asked(server)
    assert before == first.height
    assert not (tmp_path / "one" / "store").exists()
    second = generate(server, tmp_path, "two", FACTORY_STORE=str(shared))
    assert asked(server) == before
    assert second.equals(first)
    own = generate(server, tmp_path, "three")
    assert asked(server) == 2 * before, "a run with a store of its own knows nothing of the other"
    assert own.equals(first)
    assert (tmp_path / "three" / "store").is_dir()
