import json

import pytest

from factory.verification import CheckRequest, check
from factory.verification.check import infer_kind
from factory.verification.sandbox import available
from schemas.verdict import Verdict

OPTIONS = ("12", "15 apples", "18", "none of these")


@pytest.mark.parametrize(
    ("gold", "response", "verdict"),
    [
        ("B", "The answer is (B).", Verdict.CORRECT),
        ("B", "\\boxed{\\text{B}}", Verdict.CORRECT),
        ("B", "\\boxed{15 apples}", Verdict.CORRECT),
        ("15 apples", "\\boxed{B}", Verdict.CORRECT),
        ("B", "\\boxed{C}", Verdict.INCORRECT),
        ("AC", "\\boxed{A, C}", Verdict.CORRECT),
        ("AC", "\\boxed{A}", Verdict.INCORRECT),
        ("B", "\\boxed{99}", Verdict.UNVERIFIABLE),
    ],
)
def test_multiple_choice(gold, response, verdict):
    assert check(CheckRequest(response, gold, choices=OPTIONS)).verdict is verdict


@pytest.mark.parametrize(
    ("gold", "response", "correct"),
    [
        ("east", "Thus, the skater is facing east.", True),
        ("east", "She looked east first, then she turned around to face the west.", False),
        ("Evelyn", "\\boxed{\\text{evelyn}}", True),
        ("odd", "\\boxed{even}", False),
        ("The function is odd.", "\\boxed{odd}", True),
        ("The function is not odd.", "\\boxed{odd}", False),
    ],
)
def test_text(gold, response, correct):
    assert check(CheckRequest(response, gold)).correct is correct


def test_kind_is_inferred():
    assert infer_kind("B", ("1", "2")) == "choice"
    assert infer_kind("3/4") == "math"
    assert infer_kind("east") == "text"
    assert infer_kind("x", metadata=json.dumps({"tests": ["assert f(1) == 1"]})) == "code"
    assert (
        infer_kind("x", metadata=json.dumps({"entry": {"metadata": {"source_dataset": "leg_counting"}}}))
        == "reasoning_gym"
    )


def test_reasoning_gym_scores_by_its_own_rules():
    gym = pytest.importorskip("reasoning_gym")
    entry = gym.create_dataset("leg_counting", size=1, seed=1)[0]
    metadata = json.dumps({"entry": entry}, default=str)
    right = check(
        CheckRequest(f"The answer is {entry['answer']}", entry["answer"], "reasoning_gym", None, metadata)
    )
    wrong = check(CheckRequest("The answer is 1", entry["answer"], "reasoning_gym", None, metadata))
    assert (right.verdict, wrong.verdict) == (Verdict.CORRECT, Verdict.INCORRECT)


@pytest.mark.skipif(not available(), reason="programs can be contained on Linux x86-64 only")
def test_code_runs_against_its_tests():
    metadata = json.dumps({"tests": {"inputs": [[1, 2], [3, 4]], "outputs": [3, 7]}, "fn_name": "add"})
    good, bad = (f"```python\ndef add(a, b):\n    return a {sign} b\n```" for sign in "+*")
    assert check(CheckRequest(good, None, "code", None, metadata)).correct
    assert check(CheckRequest(bad, None, "code", None, metadata)).verdict is Verdict.INCORRECT


GYM_WAYS = (
    "<answer>{}</answer>",
    "The answer is {}",
    "Working.\n\nTherefore:\n\n{}",
    "**Answer:** {}",
    "So:\n```\n{}\n```",
    r"\boxed{{{}}}",
)


@pytest.mark.parametrize(
    "task",
    ["mini_sudoku", "countdown", "simple_equations", "word_sorting", "knights_knaves", "binary_matrix"],
)
def test_reasoning_gym_answers_as_models_write_them(task):
    gym = pytest.importorskip("reasoning_gym")
    entry = gym.create_dataset(task, size=1, seed=3)[0]
    metadata = json.dumps({"entry": entry}, default=str)
    for way in GYM_WAYS:
        response = "Let us think of 3 things.\n\n" + way.format(entry["answer"])
        result = check(CheckRequest(response, entry["answer"], "reasoning_gym", None, metadata))
        assert result.correct, (way, result.extracted)
