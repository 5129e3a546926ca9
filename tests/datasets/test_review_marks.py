"""Rows that a reviewer rejected are in no training set, say why, and a changed mark makes the step new."""

import polars as pl
import pytest

from factory.config.datasets import DatasetsSection
from factory.config.preference import PreferenceSection, RLPromptsSection
from factory.datasets.posterior import JEFFREYS, difficulty_table
from factory.errors import FactoryError
from factory.run.parts import read_dropped, read_parts
from factory.run.step_writer import StepWriter
from factory.steps import preference, rl_prompts, select
from schemas import DIFFICULTY


def dropped(folder):
    rows = read_dropped(folder)
    return dict(rows.select("row_id", "reason").iter_rows())


@pytest.mark.parametrize("dataset", ["midtrain", "sft"])
def test_selection_leaves_a_rejected_response_and_a_rejected_problem_out(labelled, make, tmp_path, dataset):
    rows = [make(problem, sample) for problem in range(4) for sample in range(2)]
    section = DatasetsSection(sft_rows=8, sft_per_problem=9, midtrain_per_problem=9)
    folder = labelled(rows)

    def run(*rejected):
        return select.run(
            folder, tmp_path / "o", section, dataset=dataset, seed=0, rejected=set(rejected)
        ).manifest

    assert run()["rows_out"] == 8
    reviewed = run("r-0-1-teacher", "p-3", "of another table")
    assert reviewed["dropped"] == {"rejected_in_review": 3}
    assert set(read_parts(tmp_path / "o")["problem_id"]) == {"p-0", "p-1", "p-2"}
    assert set(dropped(tmp_path / "o")) == {"r-0-1-teacher", "r-3-0-teacher", "r-3-1-teacher"}
    assert run("p-3", "of another table", "r-0-1-teacher") == reviewed, "the order of marks made the step new"
    assert run()["rows_out"] == 8, "a mark that was taken back stays in force"
    with pytest.raises(FactoryError, match=r"8 rejected_in_review.*take marks back"):
        run("p-0", "p-1", "p-2", "p-3")


def test_neither_side_of_a_pair_was_rejected(labelled, verdicts, make, other, tmp_path):
    teacher = labelled([make(p, 0) for p in range(5)] + [make(2, 1)])
    student = verdicts([other(p, 0, sampler="student") for p in range(5)])
    section = PreferenceSection(rejected_from="student", max_length_bias=3, per_problem=1)

    def run(*rejected):
        return preference.run(
            teacher, student, tmp_path / "o", section, seed=0, rejected=set(rejected)
        ).manifest

    assert run()["rows_out"] == 5
    reviewed = run("p-0", "r-1-0-teacher", "r-2-0-teacher", "r-3-0-student")
    table = read_parts(tmp_path / "o")
    assert sorted(table["problem_id"]) == ["p-2", "p-4"]
    assert table.filter(pl.col("problem_id") == "p-2")["chosen_response_id"].item() == "r-2-1-teacher"
    assert reviewed["dropped"] == {"rejected_in_review": 3}
    with pytest.raises(FactoryError, match="5 rejected_in_review - a reviewer rejected them"):
        run(*(f"p-{p}" for p in range(5)))


def test_rl_leaves_a_rejected_problem_out(make, tmp_path):
    rows = pl.DataFrame(
        [
            make(i, s, "correct" if s % 4 == 0 else "incorrect", model_revision="c")
            for i in range(6)
            for s in range(8)
        ]
    )
    problems = rows.unique("problem_id", maintain_order=True).rename({"problem_id": "id"})
    problems = problems.select("id", "problem", "answer", "answer_kind", "source", "domain", "level")
    with StepWriter(tmp_path / "d", "difficulty", DIFFICULTY) as writer:
        writer.keep(difficulty_table(problems, rows, low=0.1, high=0.9, prior=JEFFREYS))
        writer.finish(rows_in=6)

    def run(*rejected):
        return rl_prompts.run(
            tmp_path / "d", tmp_path / "o", RLPromptsSection(), seed=0, rejected=set(rejected)
        ).manifest

    assert run()["rows_out"] == 6
    assert run("p-2", "r-3-0-teacher")["dropped"] == {"rejected_in_review": 1}
    assert dropped(tmp_path / "o") == {"p-2": "rejected_in_review"}
