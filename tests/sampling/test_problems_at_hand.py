"""`factory generate` without problems takes those at hand, shows them before it spends, and requests only what is missing."""

import json
import os

import pytest
import yaml

from factory.run.layout import RunLayout
from factory.run.parts import read_parts
from factory.run.step_writer import StepWriter
from schemas import PROBLEM
from tests.support.cli import run_factory

TRACE = "<think>\nlet us see\n</think>\nIt is \\boxed{7}."


@pytest.fixture
def typed(serve, tmp_path):
    """`typed(*words)` runs the verb in an empty folder, asking a server that counts."""
    server = serve()

    def run(*words):
        endpoint = ("--teacher", "vllm", "--model", "fake-r1", "--base-url", server.url, "--price", "1,2")
        limits = ("--samples", "3", "--max-tokens", "64")
        return run_factory("generate", *endpoint, *limits, *words, cwd=tmp_path, FACTORY_STORE="")

    run.asked = lambda: server.get("stats")["asked"]
    return run


def recipe(path, rows, **more):
    (path.parent / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path.write_text(yaml.safe_dump({"name": "mine", "problems": {"sources": ["rows.jsonl"], **more}}))


def test_the_clean_problems_of_the_newest_run(typed, problems, tmp_path):
    for name, count in (("old", 5), ("new", 2)):
        with StepWriter(
            RunLayout(tmp_path / "runs" / name).clean_problems, "decontaminate", PROBLEM
        ) as writer:
            writer.keep(problems(count))
            writer.finish(rows_in=count)
    os.utime(tmp_path / "runs/old/problems/clean/_manifest.json", (1, 1))
    recipe(tmp_path / "r.yaml", [{"problem": "another?"}])
    dry = typed("--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "the clean problems of runs/new, the newest run; responses go to responses-vllm" in dry.stdout
    assert typed.asked() == 0 and not (tmp_path / "responses-vllm").exists()
    done = typed()
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1] == "2 problems x 3 samples = 6 responses" and lines[3].startswith(
        "at the very most $0.00"
    )
    assert (read_parts(tmp_path / "responses-vllm").height, typed.asked()) == (6, 6)
    assert "nothing to do" in typed().stdout and typed.asked() == 6


def test_the_problems_of_the_recipe_here_without_the_responses_that_they_came_with(typed, tmp_path):
    rows = [{"question": f"What is {n} + 4?", "gold": n + 4, "generations": [TRACE] * n} for n in range(4)]
    recipe(tmp_path / "r.yaml", rows, limit=3)
    (tmp_path / "other.yaml").write_text("a: 1\n")
    dry = typed("--dry-run")
    assert "the problems of r.yaml, neither deduplicated nor decontaminated" in dry.stdout
    assert "3 problems x 3 samples = 9 responses\nthere already: 3; still missing: 6" in dry.stdout
    done = typed("--out", "mine")
    assert done.returncode == 0, done.stderr
    rows = read_parts(tmp_path / "mine")
    assert (rows.height, typed.asked()) == (9, 6)
    assert sorted(rows["answer"].unique()) == ["4", "5", "6"]


def test_with_neither_or_with_several_there_is_one_line_with_an_example(typed, tmp_path):
    (tmp_path / "runs/empty").mkdir(parents=True)
    done = typed()
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "factory generate problems.jsonl --out responses" in done.stderr
    for name in ("a.yaml", "b.yml"):
        recipe(tmp_path / name, [{"problem": "another?"}])
    done = typed()
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "several recipes here: a.yaml, b.yml" in done.stderr
    done = typed("rows.jsonl")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "--out is missing" in done.stderr
    assert typed.asked() == 0 and not (tmp_path / "responses-vllm").exists()
