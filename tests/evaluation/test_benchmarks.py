"""What an evaluation can name, and how a gated choice benchmark is read."""

import polars as pl
import pytest

from factory.decontamination.load import PAPER
from factory.errors import UsageError
from factory.evaluation import benchmarks
from factory.evaluation.benchmarks import NAMES, gpqa_choices, load_benchmark


def test_the_papers_benchmarks_can_be_named():
    assert set(PAPER) <= set(NAMES)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UsageError, match="known names: held_out, aime24"):
        load_benchmark("aime1924")


def planted(number):
    wrong = {f"Incorrect Answer {n}": f" wrong {number}.{n} " for n in (1, 2, 3)}
    return {"Question": f"Planted question {number}?", "Correct Answer": f"right {number}\n", **wrong}


def test_options_are_shuffled_per_question_and_the_letter_names_the_right_one():
    rows = gpqa_choices(pl.DataFrame([planted(n) for n in range(100)]))
    for number, row in enumerate(rows.iter_rows(named=True)):
        assert row["choices"]["ABCD".index(row["answer"])] == f"right {number}"
        assert len(set(row["choices"])) == 4
    assert rows["answer"].value_counts()["count"].min() > 10
    assert gpqa_choices(pl.DataFrame([planted(7)])).row(0) == rows.row(7)


def test_the_gated_set_becomes_problems(monkeypatch):
    monkeypatch.setattr(benchmarks, "read_hub", lambda spec: (pl.DataFrame([planted(0), planted(1)]), spec))
    loaded = load_benchmark("gpqa_diamond")
    assert loaded.name == "gpqa_diamond"
    assert set(loaded.questions["answer_kind"]) == {"choice"}
    assert loaded.questions["source"].to_list() == ["gpqa_diamond"] * 2
