"""What a graded response counts as: one definition for evaluation, difficulty, pairs and selection."""

import polars as pl
import pytest

from factory.datasets.selection import ineligible
from factory.evaluation.summary import summarise
from schemas import ResponseStatus, Verdict
from schemas.outcome import complete, scored, solved, truncated


@pytest.mark.parametrize(
    ("verdict", "status", "counts", "right"),
    [
        ("correct", "complete", True, True),
        ("correct", "no_reasoning", True, True),
        ("incorrect", "complete", True, False),
        ("no_answer", "complete", True, False),
        ("no_answer", "looped", True, False),
        ("correct", "looped", True, False),
        ("correct", "cut_in_reasoning", True, False),
        ("correct", "refused", True, False),
        ("no_answer", "cut_in_reasoning", True, False),
        ("correct", "cut_in_answer", True, False),
        ("unverifiable", "cut_in_answer", True, False),
        ("unverifiable", "complete", False, False),
        ("timeout", "complete", False, False),
        ("no_answer", "failed", False, False),
    ],
)
def test_what_counts(verdict, status, counts, right):
    row = pl.DataFrame({"verdict": [verdict], "status": [status]})
    assert row.select(scored()).item() is counts
    assert row.select(solved()).item() is right


@pytest.mark.parametrize("status", list(ResponseStatus))
def test_a_status_is_complete_or_truncated_or_neither(status):
    row = pl.DataFrame({"status": [status.value]})
    named = (row.select(complete()).item(), row.select(truncated()).item())
    expected = {
        "complete": (True, False),
        "no_reasoning": (True, False),
        "cut_in_reasoning": (False, True),
        "cut_in_answer": (False, True),
        "looped": (False, True),
    }
    assert named == expected.get(status.value, (False, False))


@pytest.mark.parametrize("status", list(ResponseStatus))
@pytest.mark.parametrize("verdict", list(Verdict))
def test_evaluation_and_selection_agree_on_what_is_solved(status, verdict):
    row = pl.DataFrame(
        {
            "problem_id": ["p"],
            "verdict": [verdict.value],
            "status": [status.value],
            "extracted": ["1"],
            "extracted_canonical": ["1"],
            "completion_tokens": [5],
            "repetitive": [False],
            "reasoning": ["r"],
            "content": ["c"],
        }
    )
    right, counts = row.select(solved()).item(), row.select(scored()).item()
    figures = summarise(row)
    assert figures["questions"] == int(counts)
    assert figures["pass_at_1"] == (float(right) if counts else None)
    if figures["majority_at_k"]:
        assert figures["majority_at_k"] == {"1": float(right)}
    assert figures["truncated_share"] == float(row.select(truncated()).item())
    assert (row.select(ineligible(need_reasoning=False)).item() is None) == right
