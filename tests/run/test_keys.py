"""A key names everything that decides what comes out, and nothing else."""

import polars as pl
import pytest

from factory.config.datasets import DatasetsSection
from factory.config.decontamination import DecontaminationSection
from factory.config.difficulty import DifficultySection
from factory.config.evaluation import EvaluationSection
from factory.config.generate import GenerateSection
from factory.config.verify import VerifySection
from factory.run.step import Step
from factory.run.step_writer import StepWriter
from factory.steps import decontaminate, difficulty, evaluate, generate, label, verify
from schemas import LABELLED, PROBLEM, VERDICT


class Asked(Exception):
    """A step's key was asked for."""


@pytest.fixture
def keys(tmp_path, monkeypatch):
    """The key of the first step that a call makes."""
    problem = {"id": "p", "problem": "1 + 1 = ?", "answer": "2", "source": "s"}
    row = dict.fromkeys(VERDICT.names) | {
        "response_id": "r", "problem_id": "p", "problem": "1 + 1 = ?", "answer": "2", "content": "2",
    }  # fmt: skip
    for name, schema, values in (("p", PROBLEM, problem), ("v", VERDICT, row), ("l", LABELLED, row)):
        with StepWriter(tmp_path / name, name, schema) as writer:
            writer.keep(pl.DataFrame([values]))
            writer.finish(rows_in=1)
    bench = tmp_path / "bench.jsonl"
    bench.write_text('{"id": "b", "problem": "What is one plus one, when both are ones?"}\n')

    def stop(step):
        raise Asked(step.key)

    monkeypatch.setattr(Step, "finished", stop)
    out = tmp_path / "out"

    def of(step, *, checks=None, **settings):
        checks = VerifySection(**checks or {})
        calls = {
            "verify": lambda: verify.run(tmp_path / "v", out, VerifySection(**settings)),
            "difficulty": lambda: difficulty.run(
                tmp_path / "p", out, tmp_path / "r", DifficultySection(**settings), checks,
                model=None, store=tmp_path / "store", seed=0, prompt="{problem}",
            ),
            "evaluate": lambda: evaluate.run(
                "procedural", out, EvaluationSection(benchmarks=["procedural:all?count=2&seed=1"], **settings),
                checks, held_out=None, store=tmp_path / "store", seed=0, stage="base",
            ),
            "generate": lambda: generate.run(
                tmp_path / "p", out, GenerateSection(teacher="procedural", **settings),
                store=tmp_path / "store", seed=0, verify=checks,
            ),
            "label": lambda: label.run(tmp_path / "v", out, DatasetsSection(**settings)),
            "decontaminate": lambda: decontaminate.run(
                tmp_path / "p", out, DecontaminationSection(against=[str(bench)], **settings), fields=["problem"]
            ),
        }  # fmt: skip
        with pytest.raises(Asked) as asked:
            calls[step]()
        return str(asked.value)

    return of


@pytest.mark.parametrize("step", ["verify", "difficulty", "evaluate"])
def test_a_new_checker_makes_again_what_checks_answers(keys, monkeypatch, step):
    before = keys(step)
    assert keys(step) == before
    monkeypatch.setattr("factory.verification.result.CHECKER_VERSION", "next")
    assert keys(step) != before


def test_a_new_checker_makes_responses_again_only_where_they_are_accepted_by_it(keys, monkeypatch):
    plain, accepting = keys("generate"), keys("generate", accept=1)
    monkeypatch.setattr("factory.verification.result.CHECKER_VERSION", "next")
    assert keys("generate") == plain and keys("generate", accept=1) != accepting


@pytest.mark.parametrize("step", ["difficulty", "evaluate", "generate"])
def test_workers_that_check_decide_nothing_and_their_time_limit_does(keys, step):
    accept = {"accept": 1} if step == "generate" else {}
    before = keys(step, **accept)
    assert keys(step, checks={"workers": 3}, **accept) == before
    assert keys(step, checks={"seconds": 9.0}, **accept) != before


@pytest.mark.parametrize(
    ("step", "settings"),
    [
        ("difficulty", {"base_url": "http://other/v1"}),
        ("difficulty", {"api_key_env": "OTHER"}),
        ("difficulty", {"batch_size": 7}),
        ("evaluate", {"batch_size": 7}),
        ("evaluate", {"stages": ["sft"]}),
        ("generate", {"base_url": "http://other/v1"}),
        ("generate", {"rpm": 10}),
        ("generate", {"max_usd": 1.0, "price": (1.0, 2.0)}),
        ("generate", {"concurrency": 3}),
        ("verify", {"workers": 2}),
    ],
)
def test_where_how_fast_and_at_what_price_decides_nothing(keys, step, settings):
    assert keys(step, **settings) == keys(step)


@pytest.mark.parametrize(("step", "where"), [("verify", "judge"), ("label", "judge")])
def test_a_judge_decides_and_its_endpoint_and_budget_do_not(keys, step, where):
    judged = keys(step, **{where: {"preset": "vllm", "model": "m"}})
    assert judged != keys(step)
    moved = {
        "preset": "vllm",
        "model": "m",
        "base_url": "http://other/v1",
        "max_usd": 2.0,
        "price": (1.0, 1.0),
    }
    assert keys(step, **{where: moved}) == judged
    assert keys(step, **{where: {"preset": "vllm", "model": "other"}}) != judged


@pytest.mark.parametrize(
    ("step", "settings"),
    [
        ("difficulty", {"temperature": 0.5}),
        ("evaluate", {"samples": 2}),
        ("generate", {"max_tokens": 9}),
        ("generate", {"truncation": "larger"}),
        ("decontaminate", {"drop_templates": True}),
        ("label", {"judge": {"preset": "vllm", "model": "m"}}),
        ("verify", {"majority": True}),
    ],
)
def test_what_changes_the_output_decides(keys, step, settings):
    assert keys(step, **settings) != keys(step)


def test_settings_of_other_steps_do_not_decide_labels(keys):
    assert keys("label", sft_rows=3) == keys("label")
