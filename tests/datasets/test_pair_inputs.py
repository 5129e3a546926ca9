"""Who may be chosen and who rejected: a right answer must never be a rejected side."""

import polars as pl
import pytest

from factory.datasets.pair_inputs import as_verdicts, chosen_pool, rejected_pool
from factory.errors import UsageError

NAMES = ("chosen", "rejected", "truncated", "delta")


def pools(**columns):
    row = {"verdict": "incorrect", "status": "complete", "reasoning": "so", "content": "It is 8.", **columns}
    lazy = pl.LazyFrame([row], infer_schema_length=None)
    found = (
        chosen_pool(lazy),
        rejected_pool(lazy),
        rejected_pool(lazy, truncated=True),
        rejected_pool(lazy, delta=True),
    )
    return {name for name, pool in zip(NAMES, found, strict=True) if pool.collect().height}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, {"rejected", "truncated", "delta"}),
        ({"verdict": "correct"}, {"chosen", "delta"}),
        ({"verdict": "correct", "repetitive": True}, {"delta"}),
        ({"verdict": "no_answer"}, set()),
        ({"verdict": "unverifiable"}, set()),
        ({"verdict": "timeout", "status": "cut_in_answer"}, set()),
        ({"verdict": "correct", "status": "looped"}, set()),
        ({"verdict": "correct", "status": "cut_in_answer"}, set()),
        ({"status": "cut_in_answer"}, {"truncated"}),
        ({"status": "looped", "verdict": "no_answer"}, {"truncated"}),
        ({"status": "no_reasoning"}, set()),
        ({"status": "looped", "verdict": "no_answer", "reasoning": None, "content": None}, set()),
        ({"content": "a </think> b"}, set()),
    ],
)
def test_pools(columns, expected):
    assert pools(**columns) == expected


@pytest.mark.parametrize(
    ("columns", "rejected"),
    [
        ({"confidence": None}, True),
        ({"confidence": 0.9}, True),
        ({"confidence": 0.2}, False),
        ({"answer_votes": None}, True),
        ({"answer_votes": "5/8"}, False),
        ({"answer_votes": "6/8"}, True),
        ({"answer_votes": "nonsense"}, True),
        ({"answer_votes": "8/8", "confidence": 0.1}, False),
    ],
)
def test_a_rejected_side_needs_a_confident_verdict(columns, rejected):
    assert ("rejected" in pools(**columns)) is rejected
    assert ("truncated" in pools(**columns, status="cut_in_answer")) is rejected


def test_right_answers_that_the_verifier_doubts_are_never_rejected():
    """300 planted pairs: a right answer was judged `incorrect`, but without confidence."""
    rows = [
        {
            "verdict": "incorrect",
            "status": "complete",
            "reasoning": "so",
            "content": str(i),
            "confidence": 0.3,
            "right": True,
        }
        for i in range(300)
    ] + [
        {
            "verdict": "incorrect",
            "status": "complete",
            "reasoning": "so",
            "content": str(i),
            "confidence": 0.9,
            "right": False,
        }
        for i in range(300)
    ]
    pool = rejected_pool(pl.LazyFrame(rows)).collect()
    assert pool.height == 300
    assert not pool["right"].any()


def test_foreign_tables_get_ids_and_defaults():
    rows = pl.DataFrame(
        {
            "problem": ["1+1?", "1+1?"],
            "answer": ["2", "2"],
            "verdict": ["correct"] * 2,
            "response": ["2", "2"],
        }
    )
    filled = as_verdicts(rows, "x.jsonl")
    assert filled["problem_id"].n_unique() == 1
    assert filled["response_id"].n_unique() == 2
    assert filled["status"].to_list() == ["complete"] * 2
    with pytest.raises(UsageError, match="has no column verdict"):
        as_verdicts(rows.drop("verdict"), "x.jsonl")
