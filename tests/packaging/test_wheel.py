"""The wheel: what it carries, that every extra resolves, and that it works in an empty environment."""

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXTRAS = sorted(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    return next(out.glob("cot_factory-*.whl"))


def run(*command, **kwargs):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, **kwargs
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_recipes_templates_and_indexes_travel(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    wanted = [
        name
        for name in tracked
        if name.startswith(("factory/", "schemas/", "train/", "recipes/", "data_cards/"))
    ]
    assert set(wanted) <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "runs/"))]


@pytest.mark.slow
@pytest.mark.parametrize("extra", EXTRAS)
def test_every_extra_resolves(extra, tmp_path):
    report = tmp_path / "report.json"
    constraints = ROOT / "constraints-cpu.txt"
    options = ("--quiet", "--dry-run", "--ignore-installed", "-c", constraints, "--report", report)
    run(sys.executable, "-m", "pip", "install", *options, f"{ROOT}[{extra}]", timeout=280)
    installed = {item["metadata"]["name"].lower() for item in json.loads(report.read_text())["install"]}
    assert "cot-factory" in installed
    if extra not in ("train", "vllm"):
        assert "torch" not in installed, f"extra {extra} pulls torch"


@pytest.mark.slow
@pytest.mark.parametrize(("extras", "vllm"), [("train hub", None), ("train vllm hub", "0.30.0")])
def test_the_gpu_environment_resolves(extras, vllm):
    """Its constraints named a vLLM that no trainer's environment could hold."""
    words = [word for extra in extras.split() for word in ("--extra", extra)]
    command = (
        sys.executable,
        "-m",
        "uv",
        "pip",
        "compile",
        "-q",
        "--no-header",
        "--no-annotate",
        "pyproject.toml",
    )
    options = (*words, "-c", "constraints-gpu.txt", "--python-version", "3.11")
    resolved = run(*command, *options, cwd=ROOT, timeout=280).splitlines()
    pins = [
        line
        for line in (ROOT / "constraints-gpu.txt").read_text().splitlines()
        if "==" in line and line[0] != "#"
    ]
    wanted = {pin for pin in pins if pin.startswith(("torch", "trl", "transformers", "accelerate", "peft"))}
    assert wanted <= set(resolved)
    assert [line for line in resolved if line.startswith("vllm==")] == ([f"vllm=={vllm}"] if vllm else [])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_light_core_runs_the_data_half_from_any_folder(wheel, tmp_path):
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", venv)
    pip = (venv / "bin" / "python", "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints-cpu.txt")
    run(*pip, wheel, timeout=300)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    factory = venv / "bin" / "factory"
    run(factory, "run", "quickstart", "--set", "train=null", cwd=elsewhere, env=clean, timeout=300)
    assert (elsewhere / "runs" / "quickstart" / "report.html").exists()
    assert list((elsewhere / "runs" / "quickstart" / "datasets" / "sft").rglob("train-*.parquet"))
    refused = subprocess.run(
        [factory, "run", "quickstart"], cwd=elsewhere, env=clean, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert "cot-factory[train]" in refused.stderr
