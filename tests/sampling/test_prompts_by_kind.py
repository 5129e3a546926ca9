"""Problems of a kind that has a prompt of its own are asked in its words; the others as before."""

import json

import polars as pl
import pytest

from factory.config.generate import GenerateSection
from factory.run.parts import read_parts
from factory.steps import estimate
from factory.steps import generate as step

TESTS = json.dumps({"test_list": ["assert add(1, 2) == 3"]})


@pytest.fixture
def rows(tmp_path):
    frame = pl.DataFrame(
        {
            "id": ["m", "c", "t", "k"],
            "problem": ["What is 1 + 1?", "Which is even?", "Write add(a, b).", "Say it in Python."],
            "answer": ["2", "B", None, None],
            "choices": [None, ["1", "2"], None, None],
            "answer_kind": [None, None, None, "code"],
            "metadata": [None, None, TESTS, TESTS],
            "source": ["s"] * 4,
        }
    )
    frame.write_parquet(tmp_path / "p.parquet")
    return [str(tmp_path / "p.parquet")]


def test_code_is_not_asked_for_a_box_and_the_pilot_of_an_estimate_counts(serve, rows, tmp_path):
    server = serve()
    own = GenerateSection(
        teacher="vllm", model="fake-r1", base_url=server.url, samples=1, max_tokens=64, price=(1, 2),
        prompts={"code": "{problem} Answer in ```python.", "choice": "Choose. {problem}"},
    )  # fmt: skip
    estimate.run(rows, tmp_path / "out", own, store=tmp_path / "store", seed=0, pilot=4)
    step.run_files(rows, tmp_path / "out", own, store=tmp_path / "store", seed=0)
    assert read_parts(tmp_path / "out").height == 4
    assert server.get("stats")["asked"] == 4
    asked = sorted(identity.partition("|")[0] for identity in server.get("log"))
    box = "Please reason step by step, and put your final answer within \\boxed{}. "
    assert asked == [
        "Choose. Which is even?\n\nA. 1\nB. 2",
        box + "What is 1 + 1?",
        "Say it in Python. Answer in ```python.",
        "Write add(a, b). Answer in ```python.",
    ]


def test_a_prompt_of_a_kind_needs_a_place_for_the_problem_and_a_kind_that_there_is():
    with pytest.raises(ValueError, match=r"no \{problem\} in it"):
        GenerateSection(prompts={"code": "Write it."})
    with pytest.raises(ValueError, match="'math', 'choice'"):
        GenerateSection(prompts={"cod": "{problem}"})
