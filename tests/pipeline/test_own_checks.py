"""A recipe's own functions and prompts are looked at before anything is paid for, in a dry run too."""

import json
from pathlib import Path

import pytest

from factory.config.load import load_recipe
from factory.errors import UsageError
from factory.pipeline.checks import check_recipe

MINE = """
def is_right(extracted, hint, served_model): return extracted == hint
def topic(problem, hint): return "x"
def keep(verdict, response): return True
def ask(problem, hint): return problem + hint
def wrong(hnt): return 1
async def late(row): return 1
"""
RECIPE = """
name: own
problems: {sources: [rows.jsonl, more.jsonl]}
generate: {teacher: vllm, model: m, base_url: "http://127.0.0.1:9/v1", prompt: "mine.py:ask"}
verify: {checker: "mine.py:is_right"}
datasets: {label: "mine.py:topic", filter: "mine.py:keep", prompt: "{problem} {hint}"}
train: null
"""
STEPS = ["problems", "generate", "verify", "label", "sft-set"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A recipe with all four, in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE)
    Path("rows.jsonl").write_text(json.dumps({"problem": "1+1?", "answer": "2"}) + "\n")
    Path("more.jsonl").write_text(json.dumps({"problem": "2+1?", "answer": "3", "hint": "3"}) + "\n")
    Path("r.yaml").write_text(RECIPE)


def faults(*overrides):
    try:
        check_recipe(load_recipe("r.yaml", overrides), STEPS, elsewhere=True)
    except UsageError as error:
        return str(error).splitlines()
    return []


def test_all_four_are_found_with_fields_of_any_source():
    assert faults() == []


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("verify.checker=mine.py:is_rigth", "verify.checker: mine.py defines no is_rigth - did you mean is_right?"),
        ("verify.checker=mine.py:wrong", "verify.checker: mine.py: wrong asks for hnt, and the rows have no such field - did you mean hint?"),
        ("datasets.label=mine.py:keep", "datasets.label: mine.py: keep asks for verdict, and the rows have no such field"),
        ("datasets.filter=nowhere.py:keep", "datasets.filter: nowhere.py does not exist"),
        ("generate.prompt=mine.py:late", "generate.prompt: cannot load mine.py: TypeError: late is async"),
        ("generate.prompt='{problem} {hnt}'", "generate.prompt asks for {hnt}, and the problems have no such field - did you mean hint?"),
        ("generate.prompts={code: '{problem} {hnt}'}", "generate.prompts.code asks for {hnt}"),
        ("datasets.prompt=[{user: '{problem} {hnt}'}]", "datasets.prompt asks for {hnt}"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_with_its_key(override, says):
    overrides = [override] + (["generate.prompt='{problem}'"] if "prompts=" in override else [])
    found = faults(*overrides)
    assert len(found) == 1 and found[0].startswith(says), found


def test_a_source_on_the_hub_is_not_looked_at():
    assert (
        faults("problems.sources=[rows.jsonl, 'hf://datasets/a/b']", "generate.prompt='{problem} {hnt}'")
        == []
    )


def test_a_prompt_that_benchmarks_cannot_be_asked_in_is_refused_before_training():
    overrides = ["train={}", "problems.held_out=1", "evaluation.benchmarks=[math500, held_out]"]
    found = [each for each in faults(*overrides) if "benchmarks" in each]
    assert found == [
        "datasets.prompt asks for {hint}, which benchmarks do not have - name only held_out in evaluation.benchmarks, "
        "or leave it out of the prompt"
    ]
    overrides[-1] = "evaluation.benchmarks=[held_out]"
    assert not [each for each in faults(*overrides) if "benchmarks" in each]
