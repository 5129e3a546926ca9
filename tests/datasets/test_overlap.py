"""Disjointness by id, by canonical text and by near-duplicate cluster."""

import polars as pl

from factory.datasets.overlap import problem_texts, used_by

LONG = " ".join(f"word{i} and" for i in range(60)) + " so what is the value of x when y is 12?"


def problems(*texts):
    return problem_texts(pl.DataFrame({"id": [f"n{i}" for i in range(len(texts))], "problem": list(texts)}))


def test_each_way_of_being_the_same(labelled, make):
    used = labelled([make(0, 0, problem=LONG), make(1, 0, problem="What is THE product of 3 and 4?")], "sft")
    asked = problems(
        LONG.replace("so what is", "so tell me what is"),
        "what is the product of 3 and 4",
        LONG.replace("y is 12", "y is 13"),
        "Something else altogether, of which nobody has heard before?",
    )
    name = f"{used.parent.name}/sft"
    assert used_by(asked, [used]).to_list() == [name, name, None, None]


def test_the_same_id_is_the_same_problem(labelled, make):
    used = labelled([make(7, 0)], "pairs")
    same = problem_texts(pl.DataFrame({"problem_id": ["p-7"], "problem": ["other words"]}))
    assert used_by(same, [used]).to_list() == [f"{used.parent.name}/pairs"]
    assert used_by(same, []).to_list() == [None]


def test_prompts_of_training_rows_are_read(labelled, make, tmp_path):
    from factory.config.datasets import DatasetsSection
    from factory.steps import select

    select.run(labelled([make(3, 0)]), tmp_path / "m", DatasetsSection(), dataset="midtrain", seed=0)
    asked = problems("What is the value of thing number 3 in the list of things?")
    assert used_by(asked, [tmp_path / "m"]).null_count() == 0
