"""The core works without what the extras bring; what needs an extra says so in one line."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXTRAS = (
    "matplotlib",
    "math_core",
    "openai",
    "datasketch",
    "scipy",
    "duckdb",
    "typer",
    "torch",
    "transformers",
    "datasets",
    "ray",
)
BLOCK = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {EXTRAS!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
import importlib.util
whole = importlib.util.find_spec
def find_spec(name, package=None):
    return None if name.split(".")[0] in {EXTRAS!r} else whole(name, package)
importlib.util.find_spec = find_spec
"""


def factory(folder, *words):
    """The command line in an environment where the extras are not installed."""
    (folder / "site").mkdir(exist_ok=True)
    (folder / "site" / "sitecustomize.py").write_text(BLOCK)
    env = {**os.environ, "PYTHONPATH": f"{folder / 'site'}:{ROOT}", "FACTORY_PROGRESS": "off"}
    command = [sys.executable, "-m", "factory.cli.main", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=env, check=False, timeout=200
    )


def test_the_core_names_none_of_them():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    core = " ".join(project["dependencies"])
    assert not [name for name in EXTRAS if name in core]
    extras = {name: " ".join(lines) for name, lines in project["optional-dependencies"].items()}
    assert "matplotlib" in extras["plots"] and "openai" in extras["batch"] and "scipy" in extras["stats"]


def test_generate_dedup_decontaminate_verify_and_a_run_need_no_extra(tmp_path):
    recipe = [
        "run",
        "quickstart",
        "--set",
        "train=null",
        "--set",
        "problems.held_out=5",
        "--set",
        "decontamination.against=[aime24]",
        "--out",
        "run",
    ]
    done = factory(tmp_path, *recipe, "--set", "problems.sources=['procedural:all?count=40&seed=1']")
    assert done.returncode == 0, done.stderr
    assert "cot-factory[plots]" in done.stdout
    assert "Not drawn" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (("run", "quickstart", "--out", "x"), "train"),
        (("view", "x"), "viewer"),
        (("difficulty", "procedural:all?count=3", "--student", "procedural", "--out", "x"), "stats"),
        (("eval", "procedural", "--benchmark", "procedural:all?count=3", "--out", "x"), "stats"),
        (("run", "quickstart", "--engine", "ray", "--set", "train=null", "--out", "x"), "ray"),
        (
            (
                "generate",
                "procedural:all?count=3",
                "--teacher",
                "openai",
                "--model",
                "m",
                "--batch",
                "--out",
                "x",
            ),
            "batch",
        ),
    ],
)
def test_what_needs_an_extra_says_so_in_one_line(words, extra, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    done = factory(tmp_path, *words)
    assert done.returncode == 2, done.stderr
    assert f"pip install 'cot-factory[{extra}]'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
