"""Doubtful golds, one row of every kind."""

import json

import polars as pl
import pytest

from factory.verification.gold import audit_gold

TESTS = json.dumps({"tests": ["assert f(1) == 1"]})
GYM = json.dumps({"entry": {"metadata": {"source_dataset": "leg_counting"}}})


def flags(problem, answer, **more):
    row = {
        "id": "p",
        "problem": problem,
        "answer": answer,
        "choices": None,
        "answer_kind": None,
        "metadata": None,
    }
    schema = {name: pl.String for name in row} | {"choices": pl.List(pl.String)}
    return audit_gold(pl.DataFrame([row | more], schema=schema))["flag"].to_list()


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"problem": "What is 1 + 1?", "answer": "2"}, []),
        ({"problem": "What is 1 + 1?", "answer": " "}, ["empty"]),
        ({"problem": "What is 1 + 1?", "answer": None}, ["empty"]),
        ({"problem": "What is x?", "answer": "2 + + = 3", "answer_kind": "math"}, ["unparseable"]),
        ({"problem": "Which way?", "answer": "to the east, I think", "answer_kind": "text"}, []),
        ({"problem": "Write f.", "answer": None, "metadata": TESTS}, []),
        ({"problem": "Write f.", "answer": "", "answer_kind": "code"}, []),
        ({"problem": "Count legs.", "answer": None, "metadata": GYM}, []),
        ({"problem": "Which?", "answer": "B", "choices": ["1", "2"]}, []),
        ({"problem": "Prove that 2 is prime.", "answer": "2"}, ["proof"]),
        ({"problem": "Show that 2 is prime and find the next prime.", "answer": "3"}, []),
        ({"problem": "In the figure below, what is x?", "answer": "3"}, ["missing_figure"]),
        ({"problem": "In the figure below, what is x? [asy]draw(a);[/asy]", "answer": "3"}, []),
        ({"problem": "(a) What is one and one? (b) What is two and two?", "answer": "4"}, ["multi_part"]),
        ({"problem": "(a) What is one? (b) What is two?", "answer": "A", "choices": ["1", "2"]}, []),
    ],
)  # fmt: skip
def test_flags_by_kind(row, expected):
    assert flags(**row) == expected


def test_columns_that_are_missing_are_not_needed_and_order_is_kept():
    rows = pl.DataFrame({"id": ["b", "a"], "problem": ["1?", "Prove that 1."], "answer": ["", ""]})
    assert audit_gold(rows).select("id", "flag").rows() == [("b", "empty"), ("a", "empty"), ("a", "proof")]
