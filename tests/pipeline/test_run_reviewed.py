"""A reviewer's marks in a finished run: the next run is redone from the sets on, and back again when marks are cleared."""

import json

import pytest

from factory.config.load import load_recipe
from factory.pipeline.run import run_recipe
from factory.run.layout import RunLayout
from factory.run.parts import MANIFEST, read_dropped, read_parts
from factory.run.review import add_review

RECIPE = """
name: reviewed
problems:
  sources: ["procedural:modular_chain+linear_equation?count=60&seed=3&style=terse"]
  held_out: 10
generate: {teacher: procedural, samples: 3, max_tokens: 1024, slip_rate: 0.4}
datasets: {sft_rows: 1000}
train: null
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "reviewed.yaml"
    path.write_text(RECIPE)
    return load_recipe(path)


def manifests(run):
    found = {}
    for path in sorted(run.rglob(MANIFEST)):
        manifest = json.loads(path.read_text("utf-8"))
        found[str(path.parent.relative_to(run))] = (manifest["output_digest"], manifest["finished_at"])
    return found


def test_marks_are_honoured_and_taken_back(recipe, tmp_path):
    run = tmp_path / "run"
    at = RunLayout(run)
    assert run_recipe(recipe, run)
    before = manifests(run)
    assert not run_recipe(recipe, run)
    first = read_parts(at.selected("midtrain"))
    response, problem = first["response_id"][0], first["problem_id"][-1]
    assert first["problem_id"][0] != problem
    add_review(run, response, "reject", "units missing")
    add_review(run, problem, "reject")
    add_review(run, first["response_id"][1], "accept")
    assert run_recipe(recipe, run), "a finished run did not notice the marks"
    for dataset in ("midtrain", "sft"):
        kept, gone = read_parts(at.selected(dataset)), read_dropped(at.selected(dataset))
        assert response not in set(kept["response_id"])
        assert problem not in set(kept["problem_id"])
        reasons = dict(gone.select("row_id", "reason").iter_rows())
        assert reasons[response] == "rejected_in_review"
    after = manifests(run)
    redone = {name for name in before if after[name] != before[name]}
    assert redone == {f"{kind}/{name}" for kind in ("selected", "datasets") for name in ("midtrain", "sft")}
    assert not run_recipe(recipe, run)
    for row_id in (response, problem):
        add_review(run, row_id, "clear")
    assert run_recipe(recipe, run)
    assert {name: digest for name, (digest, _) in manifests(run).items()} == {
        name: digest for name, (digest, _) in before.items()
    }


def test_a_mark_set_while_the_run_goes_on_is_not_taken_for_honoured(recipe, tmp_path):
    run = tmp_path / "run"
    marked = []

    def reviewer(name, index, total):
        if name == "report" and not marked:
            marked.append(read_parts(RunLayout(run).selected("sft"))["response_id"][0])
            add_review(run, marked[0], "reject")

    assert run_recipe(recipe, run, on_step=reviewer)
    assert marked[0] in set(read_parts(RunLayout(run).selected("sft"))["response_id"])
    assert run_recipe(recipe, run), "the mark came too late for this run and was then forgotten"
    assert marked[0] not in set(read_parts(RunLayout(run).selected("sft"))["response_id"])
